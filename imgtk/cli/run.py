"""`imgtk run`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from imgtk.cli.jobs import Claims, Job, list_jobs, made_folders
from imgtk.cli.options import build_pipeline, max_pixels_option, pipeline_options, split_words
from imgtk.cli.report import explain, report
from imgtk.cli.table import bytes_text
from imgtk.errors import DeviceError, PluginError, WeightsError, WriteError
from imgtk.language.graph import SAVE

if TYPE_CHECKING:
    from imgtk.geometry import Size
    from imgtk.pipeline import Pipeline, Progress

FORMATS = ("jpg", "png", "webp", "tif", "bmp")


@click.command()
@click.argument("words", nargs=-1, metavar="PIPELINE INPUT...")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file for one picture, else a folder.")
@click.option("--format", "suffix", type=click.Choice(FORMATS), help="Format of the outputs.  [default: the input's]")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--quality", type=click.IntRange(1, 100), help="Of JPEG and WebP.")
@click.option("--depth", type=click.Choice(["8", "16"]), help="Bits per channel.  [default: the input's]")
@pipeline_options
@max_pixels_option
@click.option("--quiet", is_flag=True, help="No progress bar, no names of outputs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per picture.")
@click.pass_obj
def run(
    debug: bool,
    words: tuple[str, ...],
    output: Path | None,
    suffix: str | None,
    overwrite: bool,
    quality: int | None,
    depth: str | None,
    pipeline_file: Path | None,
    max_pixels: int | None,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> int:
    """Send each INPUT, a picture or a folder of pictures, through PIPELINE.

    cat.jpg becomes cat.imgtk.jpg in the current folder, and the pictures of the folder pets go into pets.imgtk; -o
    names another place. What the input's format cannot hold becomes a PNG. Nothing is replaced without --overwrite.

    A picture that fails does not stop the others. The exit code is 0 if all went well, 1 if pictures failed, 2 if what
    was asked for makes no sense.
    """
    text, inputs = split_words(words, pipeline_file)
    jobs = list_jobs(inputs, output, suffix)
    pipeline = build_pipeline(text, pipeline_file, overwrite=overwrite, **settings)
    saves = [Path(node.params["file"]) for node in pipeline.graph.nodes if node.op == SAVE]
    if saves and len(jobs) > 1:
        raise click.UsageError("`save` names one file: send one picture at a time through such a pipeline")
    claims = Claims(jobs, saves)
    pipeline.check()
    how = Writing(overwrite, quality, int(depth) if depth else None)
    worst = 0
    with made_folders({job.target.parent for job in jobs if job.target != output}):
        for number, job in enumerate(jobs, 1):
            started = perf_counter()
            row: dict[str, Any] = {"path": str(job.source), "output": None, "size": None, "seconds": 0.0}
            title = job.source.name if len(jobs) == 1 else f"{number}/{len(jobs)} {job.source.name}"
            try:
                with progress_bar(title, quiet) as progress:
                    target, size = process(job, pipeline, how, claims, max_pixels, progress)
                row.update(output=str(target), size=list(size), status="done", error=None)
                for note in () if quiet else pipeline.notes:
                    click.echo(f"note: {job.source}: {note}", err=True)
            except (DeviceError, PluginError, WeightsError):
                raise  # the other pictures would fail in the same way
            except Exception as error:
                row.update(status="failed", error=explain(error)[0])
                worst = max(worst, report(error, where=str(job.source), debug=debug))
            row["seconds"] = round(perf_counter() - started, 3)
            if as_json:
                click.echo(json.dumps(row))
            elif row["output"] and not quiet:
                click.echo(row["output"])
    return worst


@dataclass(frozen=True)
class Writing:
    """How results are written, as the options of the same names say."""

    overwrite: bool
    quality: int | None
    depth: int | None


def process(
    job: Job,
    pipeline: Pipeline,
    how: Writing,
    claims: Claims,
    max_pixels: int | None,
    progress: Callable[[Progress], None] | None,
) -> tuple[Path, Size]:
    """Read, compute, write; gives the file and its size. What would keep it from being written is found first."""
    from imgtk.image import Image
    from imgtk.io import check_target
    from imgtk.io.formats import format_of

    image = Image.open(job.source, max_pixels=max_pixels)
    size = pipeline.plan(image.size).output_size
    sixteen_bit = image.pixels.dtype == "uint16"
    target, form = job.target, format_of(job.target)
    if not job.fixed:
        depth = how.depth or (16 if sixteen_bit else 8)
        fits = (form.alpha or image.alpha is None) and max(size) <= form.max_side and depth in form.depths
        target = target if fits else target.with_suffix(".png")
        how = how if format_of(target).lossy else replace(how, quality=None)
    if other := claims.other(job, target):
        raise WriteError(
            f"cannot write {target}: it is for the result of {other}", hint="Choose a --format that can hold this one."
        )
    check_target(
        target,
        has_alpha=image.alpha is not None,
        sixteen_bit=sixteen_bit,
        size=size,
        **asdict(how),
    )
    pipeline(image, progress=progress).save(target, **asdict(how))
    claims.add(job, target)
    return target, size


@contextmanager
def progress_bar(title: str, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on stderr with tiles, time left and memory; nothing if `quiet` or if stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("tiles"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[memory]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(title, total=None, memory="")
        yield lambda p: bar.update(task, completed=p.done, total=p.total, memory=bytes_text(p.bytes))
