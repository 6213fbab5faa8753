"""The command `imgtk run`."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from imgtk.cli.options import Rate, complete, max_pixels_option, pipeline_options
from imgtk.cli.progress import progress, wanted
from imgtk.cli.report import FAILED, INTERRUPTED, UNEXPECTED, report
from imgtk.cli.source import PipelineSource
from imgtk.cli.table import bytes_text
from imgtk.engine import Settings
from imgtk.errors import WriteError

if TYPE_CHECKING:
    from imgtk.batch import Row
    from imgtk.io import WriteOptions
    from imgtk.pipeline import Pipeline, Progress
    from imgtk.video.formats import Encoding

FORMATS = ("jpg", "png", "webp", "tif", "bmp", "avif", "gif", "mp4", "mov", "mkv", "webm")


@click.command()
@click.argument("words", nargs=-1, metavar="PIPELINE [INPUT...]", shell_complete=complete("words"))
@click.option(
    "-o",
    "--output",
    metavar="PATH|URL",
    help="A file for one image or one clip; otherwise a folder, or names such as {name}-{pipeline}.jpg.",
)
@click.option("--recursive", is_flag=True, help="Include subfolders.")
@click.option("--resume", is_flag=True, help="Skip finished results of an earlier run, and continue the rest.")
@click.option("--watch", "watching", is_flag=True, help="Process images as they arrive in a folder, until Ctrl-C.")
@click.option(
    "--jobs", type=click.IntRange(1), metavar="N", help="Number of images in progress.  [default: processors + 2]"
)
@click.option(
    "--batch",
    type=click.IntRange(1),
    metavar="N",
    help="Maximum batch size for small images.  [default: 16; 1 on a CPU]",
)
@click.option(
    "--report", "report_file", type=click.Path(path_type=Path), help="Write a line of JSON per image to a file."
)
@click.option("--format", "suffix", type=click.Choice(FORMATS), help="Format of the results.  [default: as the input]")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@click.option("--lossless", is_flag=True, help="Write lossless WebP.  [default: as the input]")
@click.option("--quality", type=click.IntRange(1, 100), help="Quality of JPEG, WebP and AVIF.  [default: 95]")
@click.option(
    "--metadata",
    type=click.Choice(["keep", "strip", "none-but-copyright"]),
    default="keep",
    help="Which metadata results have; colours and resolution are kept always.",
)
@click.option("--codec", metavar="NAME", help="Encoder for clips.  [default: codec of the input]")
@click.option(
    "--crf", type=click.FloatRange(0, 63), help="Quality of clips on the scale of the encoder; lower is better."
)
@click.option(
    "--deflicker",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    help="Reduce flicker in clips: 0 to 1, such as 0.7.",
)
@click.option("--fps", type=Rate(), help="Frame rate of a clip made of images.  [default: their timestamps.txt, or 25]")
@click.option(
    "--dpi", type=click.FloatRange(1, 100_000), metavar="N", help="Resolution to write into the files, such as 300."
)
@click.option("--depth", type=click.Choice(["8", "16"]), help="Bits per channel.  [default: as the input]")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="Where to compute: on this machine, or on a Ray cluster.",
)
@click.option(
    "--ray-address", metavar="auto|HOST:PORT", help="Ray cluster to use.  [default: RAY_ADDRESS, or this machine]"
)
@click.option(
    "--ray-cores", type=click.IntRange(1), metavar="N", help="CPU cores per worker.  [default: 4; a GPU's share]"
)
@click.option(
    "--ray-workers", type=click.IntRange(1), metavar="N", help="Maximum number of workers.  [default: as many as fit]"
)
@pipeline_options
@max_pixels_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress bar and no paths of results.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per image.")
@click.pass_obj
def run(
    debug: bool,
    source: PipelineSource,
    inputs: tuple[str, ...],
    output: str | None,
    recursive: bool,
    resume: bool,
    watching: bool,
    jobs: int | None,
    batch: int | None,
    report_file: Path | None,
    suffix: str | None,
    overwrite: bool,
    lossless: bool,
    metadata: str,
    quality: int | None,
    codec: str | None,
    crf: float | None,
    deflicker: float,
    fps: Fraction | None,
    dpi: float | None,
    depth: str | None,
    engine: str,
    ray_address: str | None,
    ray_cores: int | None,
    ray_workers: int | None,
    max_pixels: int | None,
    quiet: bool,
    as_json: bool,
    settings: Settings,
) -> int:
    """Run PIPELINE on each INPUT: an image or clip, a folder of images, a quoted pattern, or @FILE with a list of them.
    PIPELINE is a text, or the name of a preset with a colon: :photo-x4. Inputs and -o can also be URLs such as
    s3://bucket/photos.

    A pipeline that makes its image, such as "generate:noise 512x512", takes no INPUT, but needs -o. One that makes a
    clip writes to a clip, an animation, or the images of a folder.

    Without -o, cat.jpg becomes cat.imgtk.jpg in the current folder, and the images of the folder pets go into
    pets.imgtk. Images that do not fit their input's format are written as PNG. Existing files are kept unless you pass
    --overwrite.

    With -o out.mp4, the images of a folder, pattern or list become one clip. With --format png (jpg, tif, bmp), the
    frames of a clip become images in a folder.

    An image that fails does not stop the others. The exit code is 0 if everything worked, 1 if images failed, and 2 if
    the command is wrong.
    """
    if overwrite and (resume or watching):
        raise click.UsageError("--resume and --watch keep existing results and cannot be combined with --overwrite")
    if watching and (len(inputs) != 1 or "://" in f"{inputs[0]} {output}"):
        raise click.UsageError("--watch takes one local folder")
    if engine == "local" and (ray_address or ray_cores or ray_workers):
        raise click.UsageError("--ray-address, --ray-cores and --ray-workers need --engine ray")
    if engine == "ray" and watching:
        raise click.UsageError("--watch cannot be combined with --engine ray")
    from imgtk.batch import RunOptions, list_jobs, run_jobs, watch
    from imgtk.batch.processor import moves
    from imgtk.io import MAX_PIXELS, WriteOptions
    from imgtk.io.quiet import audible
    from imgtk.video.formats import Encoding

    write = WriteOptions(overwrite, quality, lossless, int(depth) if depth else None, dpi, metadata)
    if not inputs and engine == "local":
        pipeline = source.build(replace(settings, overwrite=overwrite, device=settings.device.partition(",")[0]))
        if not pipeline.graph.reads_input:
            encoding = Encoding(codec, crf, rate=fps)
            return make(pipeline, output, write, encoding, suffix or "", quiet=quiet, as_json=as_json, debug=debug)
    naming: dict[str, Any] = {"suffix": suffix, "recursive": recursive}
    name = source.preset.name if source.preset else source.text
    found = [] if watching else list_jobs(inputs, output, pipeline=name, **naming)
    if fps and not any(job.frames for job in found):
        raise click.UsageError("--fps needs a folder, pattern or list of images that become one clip: -o out.mp4")
    several = len(found) != 1
    settings = replace(settings, overwrite=overwrite or resume or watching)
    pipelines = [
        source.build(replace(settings, device=name))
        for name in (settings.device.split(",") if engine == "local" else ["cpu"])
    ]
    on_ray = None
    if engine == "ray":
        from imgtk.batch.ray import Cluster, ray_engine

        on_ray = ray_engine(Cluster(pipelines[0].yaml(), settings, ray_address, ray_cores, ray_workers))
    options = RunOptions(write, Encoding(codec, crf, deflicker, fps), max_pixels or MAX_PIXELS, batch, resume)
    tally = Tally(len(found))
    worst = 0
    try:
        with (
            stopped_by_ctrl_c() if several else nullcontext(Event()) as stop,
            tile_bar(
                "" if several else found[0].source.name,
                quiet or several,
                unit="tiles" if several or not moves(found[0]) else "frames",
            ) as progress,
            image_bar(tally, quiet or not several or watching) as advance,
        ):
            how: dict[str, Any] = {"report": report_file, "stop": stop}
            if watching:
                rows = watch(
                    pipelines, inputs[0], Path(output) if output else None, options, threads=jobs, **naming, **how
                )
            else:
                threads = jobs if several or on_ray else 1
                rows = run_jobs(pipelines, found, options, threads=threads, progress=progress, engine=on_ray, **how)
            for row in rows:
                tally.add(row)
                advance()
                with audible():  # the threads that read images silence libraries, and with them standard error
                    single = not (several or watching)
                    code = show(row, quiet=quiet, as_json=as_json, debug=debug, single=single)
                    worst = max(worst, FAILED if several and code not in (0, UNEXPECTED) else code)
    except WriteError as error:
        if (tally.rows or resume) and not error.hint:
            error.hint = f"Run the same command{'' if watching else ' with --resume'} to continue."
        raise
    finally:
        if (several or resume) and tally.rows and not quiet:
            click.echo(tally.summary(), err=True)
    if stop.is_set() and sum(tally.rows.values()) < len(found):
        click.echo("interrupted\n  Run the same command with --resume to continue.", err=True)
        return INTERRUPTED
    return worst


def make(
    pipeline: Pipeline,
    output: str | None,
    write: WriteOptions,
    encoding: Encoding,
    suffix: str,
    *,
    quiet: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Run a pipeline that reads no image. Gives the exit code."""
    from imgtk.batch import making

    if not output:
        raise click.UsageError("a pipeline without INPUT needs -o: the file that it makes")
    with tile_bar(output, quiet, unit="tiles" if pipeline.frames == 1 else "frames") as progress:
        row = making.make(pipeline, output, write, encoding, f".{suffix}" if suffix else "", progress)
    return show(row, quiet=quiet, as_json=as_json, debug=debug, single=True)


class Tally:
    """The number of images of a run, and of their outcomes."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.rows: Counter[str] = Counter()
        self.warned = 0
        self.started = perf_counter()

    def add(self, row: Row) -> None:
        self.rows[row.status] += 1
        self.warned += bool(row.warnings)

    @property
    def worked_on(self) -> int:
        return self.rows["done"] + self.rows["failed"]

    def rate(self) -> str:
        """Return images per second, or seconds per image if they are slow."""
        seconds = perf_counter() - self.started
        if not self.worked_on:
            return ""
        rate = self.worked_on / max(seconds, 1e-9)
        return f"{rate:.1f} images/s" if rate >= 1 else f"{1 / rate:.1f} s/image"

    def summary(self) -> str:
        counts = [f"{self.rows[status]} {status}" for status in ("done", "failed", "skipped") if self.rows[status]]
        left = self.total - sum(self.rows.values())
        counts += [f"{self.warned} with warnings (see --report)"] if self.warned else []
        words = [*counts, *([f"{left} left"] if left > 0 else []), *([self.rate()] if self.worked_on else [])]
        return ", ".join(words)


def show(row: Row, *, quiet: bool, as_json: bool, debug: bool, single: bool = False) -> int:
    """Print the outcome of an image, above the bar. Returns its exit code.

    Args:
        single: whether it is the only image, whose warnings are then printed and not just counted.
    """
    code = report(row.exception, where=row.path, debug=debug) if row.exception else 0
    for note in () if quiet else (*row.notes, *(row.warnings if single else ())):
        click.echo(f"note: {row.path}: {note}", file=sys.stderr)
    if as_json:
        tell(json.dumps(row.to_dict()))
    elif row.status == "done" and not quiet:
        tell(click.format_filename(row.output or ""))
    return code


def tell(line: str) -> None:
    """Print a line on standard output, escaping characters that its encoding lacks. Raises WriteError."""
    try:
        try:
            click.echo(line, file=sys.stdout)
        except UnicodeEncodeError:
            click.echo(line.encode("ascii", "backslashreplace"), file=sys.stdout)
    except OSError as error:
        if error.errno == errno.EPIPE:  # nobody reads it any more: the end, silently
            raise
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - else what is left in it fails again when Python ends
        raise WriteError(f"cannot write to standard output: {error.strerror}") from error


@contextmanager
def stopped_by_ctrl_c() -> Iterator[Event]:
    """Yield an event that Ctrl-C sets. A second Ctrl-C ends the program and leaves nothing half-written."""
    stop = Event()

    def handle(*_: object) -> None:
        if stop.is_set():
            os.write(2, b"interrupted\n")
            os._exit(INTERRUPTED)
        stop.set()
        os.write(2, b"stopping after the images that are being computed; Ctrl-C again stops at once\n")

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or somebody else's
        yield stop
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def image_bar(tally: Tally, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr with images, rate, time left and failures, unless `quiet` or stderr is not a terminal."""
    if not wanted(quiet):
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[failures]}"),
    )
    with progress(*columns) as bar:
        task = bar.add_task("", total=tally.total, rate="", failures="")

        def advance() -> None:
            failed = tally.rows["failed"]
            bar.update(
                task,
                completed=tally.worked_on,
                total=tally.total - tally.rows["skipped"],
                rate=tally.rate(),
                failures=f"{failed} failed" if failed else "",
            )

        yield advance


@contextmanager
def tile_bar(title: str, quiet: bool, *, unit: str) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar on stderr with tiles or frames, time left and memory, unless `quiet` or stderr is not a terminal."""
    if not wanted(quiet):
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        TextColumn("{task.fields[memory]}"),
    )
    with progress(*columns) as bar:
        task = bar.add_task(title, total=None, memory="")
        yield lambda p: bar.update(task, completed=p.done, total=p.total, memory=bytes_text(p.bytes))
