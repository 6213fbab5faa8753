"""One run over many images, between any places, on this machine or a cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import gettempdir
from threading import Event

from imgtk.batch.conflicts import without_conflicts
from imgtk.batch.engine import EngineFactory, LocalEngine
from imgtk.batch.folders import check_writable, made_folders
from imgtk.batch.jobs import Job, local_folders
from imgtk.batch.options import RunOptions
from imgtk.batch.places import is_url
from imgtk.batch.report import Report, Row
from imgtk.batch.resume import finished, without_existing
from imgtk.batch.sources import list_jobs
from imgtk.batch.transfer import scratch
from imgtk.engine.saves import NAME
from imgtk.errors import UsageError
from imgtk.io import MAX_PIXELS, WriteOptions
from imgtk.io.temporary import remove_leftovers, remove_segments
from imgtk.pipeline import Pipeline, Progress
from imgtk.video.formats import AS_BEFORE, Encoding

logger = logging.getLogger(__name__)


def run(
    pipeline: Pipeline | Sequence[Pipeline],
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    recursive: bool = False,
    suffix: str | None = None,
    resume: bool = False,
    report: str | Path | None = None,
    jobs: int | None = None,
    write: WriteOptions = WriteOptions(),
    max_pixels: int = MAX_PIXELS,
    clips: Encoding = AS_BEFORE,
    batch: int | None = None,
    stop: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    engine: EngineFactory | None = None,
) -> Iterator[Row]:
    """Send many images through a pipeline. Nothing happens before the first row is requested.

    Args:
        pipeline: the pipeline; or several, one for each device.
        sources: images, folders, patterns, `@lists`, URLs of stores such as `s3://bucket/photos`; see `list_jobs`, also
            for `out`, `recursive` and `suffix`.
        report, jobs, stop, progress, engine: as for `run_jobs`; `jobs` is its `threads`.
        write, max_pixels, clips, batch, resume: as for `RunOptions`.

    Yields:
        The row of each image, in order. An image that fails does not stop the others.

    Raises:
        ImgtkError: as `list_jobs` and `run_jobs` do.
    """
    words = [sources] if isinstance(sources, (str, Path)) else sources
    pipelines = [pipeline] if isinstance(pipeline, Pipeline) else pipeline
    yield from run_jobs(
        pipelines,
        list_jobs([str(word) for word in words], out, suffix=suffix, recursive=recursive, pipeline=str(pipelines[0])),
        RunOptions(write, clips, max_pixels, batch, resume),
        report=None if report is None else Path(report),
        threads=jobs,
        stop=stop,
        progress=progress,
        engine=engine,
    )


def run_jobs(
    pipelines: Sequence[Pipeline],
    jobs: Sequence[Job],
    options: RunOptions = RunOptions(),
    *,
    report: Path | None = None,
    threads: int | None = None,
    stop: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    engine: EngineFactory | None = None,
) -> Iterator[Row]:
    """Run `jobs`, and yield the row of each, in order.

    Args:
        pipelines: one for each device; otherwise equal.
        jobs: the jobs, as `list_jobs` returns them.
        options: the options of the run. With `resume`, images are skipped if their result exists and is no older than
            they are, unless the report says that it is another image's. Half-written files of an earlier run are
            removed in any case.
        report: file that receives a line for each row.
        threads: number of images in progress; with 1, everything happens in the caller's thread. None for two more than
            there are processors, 16 at most.
        stop: once it is set, the images that are being computed or written are finished, and no others. Clips are
            abandoned.
        progress: called after every tile, in the thread that computes, or after every frame of a clip.
        engine: creates what processes the images in place of this process, such as `imgtk.batch.ray.Cluster`.

    Raises:
        UsageError: if two results, or a result and an image, would be the same file; or if images in a store meet
            `save` stages, which write local files.
        WriteError: if the disk is full or read-only, or the report cannot be written. Writing in progress is finished
            first, if possible, and so are the rows.
        DeviceError, PluginError, WeightsError: if no image could be processed.
    """
    if options.resume and options.write.overwrite:
        raise UsageError("--resume keeps existing results and cannot be combined with --overwrite")
    saves = _saves(pipelines[0], jobs)
    jobs = without_conflicts(jobs, saves, in_place=not options.resume)
    for pipeline in pipelines:
        pipeline.check()
    with ExitStack() as stack:
        stack.enter_context(made_folders(_folders(jobs, saves, pipelines[0])))
        _remove_leftovers(jobs, saves, report)
        ledger = Report(report, resume=options.resume, overwrite=options.write.overwrite) if report else None
        done: dict[Job, Path] = {}
        if options.resume:
            done = finished(jobs, saves, ledger.owner if ledger else lambda output: None)
        elif not options.write.overwrite:
            jobs = without_existing(jobs)
        check_writable(local_folders(job for job in jobs if not (job.exact or job in done)))
        stop = stop or Event()
        working = engine(options, stop) if engine else LocalEngine(pipelines, options, stop, progress)
        rows = stack.enter_context(working.running(jobs, done, threads))
        there: list[Path] = []
        if ledger:
            ledger.open({job.path for job in jobs if job not in done})
            stack.callback(ledger.close)
        for row in rows:
            if ledger:
                ledger.add(row)
            logger.info("%s: %s in %.2f s", row.path, row.status, sum(row.seconds.values()))
            yield row
            if row.output and not is_url(row.output):
                there.append(Path(row.output))
        remove_segments(there)  # which a run leaves that is killed when it has just joined them
        if working.failure:
            raise working.failure


def _saves(pipeline: Pipeline, jobs: Iterable[Job]) -> Callable[[Job], Iterable[Path]]:
    """Return the files that `save` stages write for each job. Raises UsageError if they do, and images are in a
    store."""
    if pipeline.saves(NAME) and not all(job.is_local for job in jobs):
        raise UsageError("`save` stages write local files, but the images are in a store")
    return lambda job: pipeline.saves(job.name).values()


def _folders(jobs: Iterable[Job], saves: Callable[[Job], Iterable[Path]], pipeline: Pipeline) -> frozenset[Path]:
    """Return the local folders that results go into, and the files of `save` stages with a `{name}`."""
    jobs = [job for job in jobs if not job.error]
    named = [index for index, file in pipeline.saves(NAME).items() if NAME in str(file)]
    results = local_folders(job for job in jobs if not job.exact)
    return results | {pipeline.saves(job.name)[index].parent for job in jobs for index in named}


def _remove_leftovers(jobs: Sequence[Job], saves: Callable[[Job], Iterable[Path]], report: Path | None) -> None:
    """Remove what killed runs have left half-written, beside results and in the folder for temporary files."""
    saved = {file.parent for job in jobs for file in saves(job)}
    for folder in local_folders(jobs) | saved | ({report.parent} if report else set()):
        remove_leftovers(folder)
    if not all(job.is_local for job in jobs):
        with scratch():
            remove_leftovers(Path(gettempdir()))
