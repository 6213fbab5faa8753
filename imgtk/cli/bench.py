"""The command `imgtk bench`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgtk.cli.options import DTYPES, BackendName
from imgtk.cli.progress import progress, wanted
from imgtk.cli.table import table

if TYPE_CHECKING:
    from imgtk.bench.data import BenchSet
    from imgtk.bench.report import BenchReport, SetReport

path = click.Path(path_type=Path)


def report_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of all benchmarks: where the figures go, and what is shown meanwhile."""
    for option in (
        click.option("--quiet", is_flag=True, help="Show no progress bar."),
        click.option("--overwrite", is_flag=True, help="Replace existing files."),
        click.option(
            "--json", "json_file", metavar="FILE", help="Write all figures to FILE; - prints them instead of tables."
        ),
    ):
        command = option(command)
    return command


@click.group()
def bench() -> None:
    """Measure operators by the protocols of their field."""


@bench.command()
@click.option("--data", default="builtin", show_default=True, metavar="DIR|builtin", help="Images to use; see below.")
@click.option("--ops", multiple=True, metavar="NAMES", help="Upscalers: bicubic,compact.  [default: all with weights]")
@click.option(
    "--pipeline", "pipelines", multiple=True, metavar="TEXT", help="Any pipeline; {} is the scale. Repeatable."
)
@click.option("--scale", type=click.IntRange(2, 8), default=4, show_default=True, help="Factor for both sides.")
@click.option("--lr", type=path, metavar="DIR", help="Folder of the small versions.")
@click.option("--make-lr", is_flag=True, help="Make small versions even if files exist.")
@click.option(
    "--degraded", is_flag=True, help="Make small versions that are also blurred, noisy and JPEG of quality 40."
)
@click.option("--crop", type=click.IntRange(2), metavar="N", help="Crop sides to multiples of N before shrinking.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Use only the first N images of each set.")
@click.option(
    "--features", default="imgtk", show_default=True, metavar="FILE|none", help="Network for the feature distance."
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps …")
@click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help="Number format.")
@click.option("--backend", type=BackendName(), default="auto", show_default=True, help="Runtime for networks.")
@click.option("--per-image", is_flag=True, help="Also print the figures of each image.")
@click.option("--html", type=path, metavar="DIR", help="Write a page with crops side by side into DIR.")
@click.option(
    "--crops",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    metavar="N",
    help="Number of images per set on the page.",
)
@report_options
def upscale(
    data: str,
    ops: tuple[str, ...],
    pipelines: tuple[str, ...],
    scale: int,
    lr: Path | None,
    make_lr: bool,
    degraded: bool,
    crop: int | None,
    limit: int | None,
    features: str,
    device: str,
    dtype: str,
    backend: str,
    per_image: bool,
    html: Path | None,
    crops: int,
    json_file: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Score upscalers by the protocol of super-resolution papers: fidelity, looks, time and memory.

    DIR holds images, from which small versions are made (MATLAB's bicubic); or pairs NAME_HR.png and NAME_LR.png, also
    in image_SRF_4; or folders of these, each a set. builtin means the sample images of scikit-image. For Set5, Set14,
    BSD100 and Urban100 at x4, published figures are shown too.
    """
    if lr and (make_lr or degraded):
        raise click.UsageError(f"--lr and {'--make-lr' if make_lr else '--degraded'} cannot be combined")
    if lr and data == "builtin":
        raise click.UsageError("--lr needs --data")
    from imgtk.bench.page import check_folder, write_page
    from imgtk.bench.upscale import default_methods, methods, run
    from imgtk.nn.features import load_features

    check_figures(json_file, overwrite=overwrite)
    if html:
        check_folder(html, overwrite=overwrite)
    names = [name.strip() for words in ops for name in words.split(",")]
    if not ops and not pipelines:
        names = default_methods()
    contestants = methods(names, pipelines, scale)
    network = None if features == "none" else load_features(features)
    sets = chosen_sets(data, scale, lr, make_lr, crop, limit)
    if degraded:
        sets = [one.degrade() for one in sets]
    with progress_bar(quiet) as progress:
        report = run(
            sets,
            contestants,
            scale,
            features=network,
            device=device,
            dtype=dtype,
            backend=backend,
            comparisons=crops if html else 0,
            progress=progress,
        )
    document = write_figures(report.to_dict(), json_file)
    page = write_page(report, html, overwrite=overwrite) if html else None
    if json_file == "-":
        click.echo(document, nl=False)
    else:
        show(report, per_image)
    if page:
        click.echo(f"page: {page}", err=json_file == "-")


@bench.command()
@click.option("--data", type=path, required=True, metavar="DIR", help="Folder of real images.")
@click.option(
    "--pipeline",
    "pipelines",
    multiple=True,
    required=True,
    metavar="TEXT",
    help="A pipeline that makes images from nothing. Repeatable.",
)
@click.option(
    "--count", type=click.IntRange(8), default=256, show_default=True, help="Number of images that each makes."
)
@click.option("--features", default="imgtk", show_default=True, metavar="FILE", help="Network that compares.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps …")
@report_options
def generate(
    data: Path,
    pipelines: tuple[str, ...],
    count: int,
    features: str,
    device: str,
    json_file: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Compare generated images with real ones: distances, precision, recall, diversity, and time.

    All figures but the time are of --features, a network that is not Inception, so they do not compare with those of
    papers. Of every image the middle square is compared, at 64x64 pixels.
    """
    from imgtk.bench import generate as benchmark
    from imgtk.nn.features import load_features
    from imgtk.training.images import image_files

    check_figures(json_file, overwrite=overwrite)
    with progress_bar(quiet) as progress:
        report = benchmark.run(
            image_files(data), pipelines, count, load_features(features), device=device, progress=progress
        )
    document = write_figures(report.to_dict(), json_file)
    if json_file == "-":
        click.echo(document, nl=False)
        return
    meanings = benchmark.MEANINGS
    rows = [(text, *(f"{figures[name]:.3g}" for name in meanings)) for text, figures in report.rows.items()]
    click.echo(table(("pipeline", *(name.upper() for name in meanings)), rows) + "\n")
    width = max(map(len, meanings))
    for name, meaning in meanings.items():
        click.echo(f"{name.upper().ljust(width)}  {meaning}")
    click.echo(f"{report.count} images each, {report.real} real ones, features: {report.features}")


def check_figures(json_file: str | None, *, overwrite: bool) -> None:
    """Check, before anything is measured, that the figures can be written to the file that `--json` names."""
    from imgtk.io.write import check_place

    if json_file not in (None, "-"):
        check_place(Path(str(json_file)), overwrite)


def write_figures(figures: Mapping[str, Any], json_file: str | None) -> str:
    """Write figures to the file that `--json` names, if it names one. Returns them as JSON."""
    from imgtk.io.write import replacing

    document = json.dumps(figures, indent=1) + "\n"
    if json_file not in (None, "-"):
        with replacing(Path(str(json_file))) as file:
            file.write(document.encode())
    return document


def chosen_sets(
    data: str, scale: int, lr: Path | None, make_lr: bool, crop: int | None, limit: int | None
) -> list[BenchSet]:
    """Return the sets that the options name, each with its first `limit` images."""
    from imgtk.bench.data import builtin, find_sets

    if data == "builtin":
        found = [builtin(scale, crop)]
    else:
        found = find_sets(Path(data), scale, lr=lr, make_lr=make_lr, crop=crop)
    return [replace(one, pairs=one.pairs[:limit]) for one in found]


def show(report: BenchReport, per_image: bool) -> None:
    """Print a table for each set, and what its columns mean."""
    for one in report.sets:
        show_set(one, per_image)
    meanings = {metric.title: metric.meaning for one in report.sets for metric in one.metrics}
    width = max(map(len, meanings))
    for name, meaning in meanings.items():
        click.echo(f"{name.ljust(width)}  {meaning}")
    click.echo(report.computed)


def show_set(one: SetReport, per_image: bool) -> None:
    """Print the table of a set, and of each of its images if `per_image`."""
    from imgtk.bench.tables import rows, title

    header = ("method", *(metric.title for metric in one.metrics))
    click.secho(title(one), bold=True)
    click.echo(table(header, [(row.name, *row.cells) for row in rows(one)]) + "\n")
    for image in one.results[0].figures if per_image else ():
        header = (image, *(metric.title for metric in one.metrics))
        click.echo(table(header, [(row.name, *row.cells) for row in rows(one, image)]) + "\n")


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Show a bar on stderr with the last image that was measured, unless `quiet` or stderr is not a terminal."""
    if not wanted(quiet):
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (MofNCompleteColumn(), BarColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with progress(*columns) as bar:
        task = bar.add_task("", total=None)
        yield lambda name, done, total: bar.update(task, completed=done, total=total, description=name)
