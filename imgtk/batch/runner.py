"""A run over many images, in which reading, computing and writing overlap.

Each image has a thread that reads it, hands it to the thread of a device, and writes what comes back. So a device
computes one image after the other while further ones are read and written, and memory is bounded by the number of
threads, and by `Room`s for images that are large.
"""

from __future__ import annotations

import errno
import os
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, Protocol

from imgtk.batch.clips import Stopped, convert
from imgtk.batch.devices import Devices, Here
from imgtk.batch.report import Report, Row, digest
from imgtk.batch.room import Room
from imgtk.batch.sources import Job, check_writable, list_jobs, made_folders, without_conflicts
from imgtk.batch.timing import timed
from imgtk.device import available_memory, resolve_device
from imgtk.engine.plan import Plan
from imgtk.errors import DeviceError, MemoryLimitError, PluginError, UsageError, WeightsError, WriteError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import MAX_PIXELS, check_target, large, write
from imgtk.io.formats import format_of
from imgtk.io.options import WriteOptions
from imgtk.io.read import Header, read_headers
from imgtk.io.temporary import remove_leftovers, remove_segments
from imgtk.pipeline import NAME, Pipeline, Progress
from imgtk.video import formats as video
from imgtk.video.animation import is_animation
from imgtk.video.formats import AS_BEFORE, Encoding, is_clip
from imgtk.video.timestamps import NAME as TIMESTAMPS

if TYPE_CHECKING:
    from imgtk.batch.stores import Stores

MOST_THREADS = 16
"""Images at a time, unless the user wants more."""

SHARE = 0.125
"""Share of the free memory that images may occupy that have been read, and those that wait to be written."""

AHEAD = 8
"""Images per thread that may be finished before an earlier one is: rows come in the order of the jobs."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Order:
    """What holds for all images of a run.

    Attributes:
        writing: how results are written. `quality` is left out where a result has, by itself, a format without it.
        clips: how the frames of clips are written.
        max_pixels: images above this size fail.
        batch: small images and frames of the same size that are computed together at most; None for one on a CPU,
            and for 16 elsewhere. The results of a batch may differ from those of single images in the last bit.
        key: tells the pipeline from others where parts of results are kept; None where they are not. The run sets it.
        stores: what the paths of jobs stand for, if they are no files.
    """

    writing: WriteOptions = WriteOptions()
    clips: Encoding = AS_BEFORE
    max_pixels: int = MAX_PIXELS
    batch: int | None = None
    key: str | None = None
    stores: Stores | None = None

    def path(self, job: Job) -> str:
        """Of its image, as rows tell it."""
        return self.stores.url(job.source) if self.stores else str(job.source)

    def folders(self, jobs: Iterable[Job]) -> frozenset[Path]:
        """Those on a disk that the results go into."""
        return frozenset(self.stores.folders(jobs) if self.stores else (job.target.parent for job in jobs))


class Engine(Protocol):
    """Where the images of a run are worked on.

    Attributes:
        failure: why no further image can be done.
    """

    failure: Exception | None

    def running(
        self, jobs: Sequence[Job], done: Mapping[Job, Path | None], threads: int | None
    ) -> AbstractContextManager[Iterator[Row]]:
        """The rows of `jobs`, as they are done, so many at the same time; those in `done` are skipped. In the end what
        has not begun to be computed is dropped."""


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
    overwrite: bool = False,
    quality: int | None = None,
    depth: int | None = None,
    max_pixels: int = MAX_PIXELS,
    clips: Encoding = AS_BEFORE,
    batch: int | None = None,
    stop: Event | None = None,
    engine: Callable[[Order, Event], Engine] | None = None,
) -> Iterator[Row]:
    """Send many images through a pipeline. Nothing happens before the first row is asked for.

    Args:
        pipeline: what to do; or several, one for each device.
        sources: images, folders, patterns, `@lists`; see `list_jobs`, also for `out`, `recursive` and `suffix`.
        resume, report, jobs, stop, engine: as for `run_jobs`.
        overwrite, quality, depth: as for `imgtk.io.WriteOptions`.
        max_pixels, clips, batch: as for `Order`.

    Yields:
        What became of each image, in order. An image that fails does not stop the others.

    Raises:
        ImgtkError: as `list_jobs` and `run_jobs` do.
    """
    words = [sources] if isinstance(sources, (str, Path)) else sources
    found = list_jobs([str(word) for word in words], Path(out), suffix=suffix, recursive=recursive)
    yield from run_jobs(
        [pipeline] if isinstance(pipeline, Pipeline) else pipeline,
        found,
        Order(WriteOptions(overwrite, quality, depth=depth), clips, max_pixels, batch),
        resume=resume,
        report=None if report is None else Path(report),
        threads=jobs,
        stop=stop,
        engine=engine,
    )


def check_resuming(writing: WriteOptions, resume: bool) -> None:
    """Raises UsageError if results shall be both kept and replaced."""
    if resume and writing.overwrite:
        raise UsageError("to resume is to keep what is done: it excludes to overwrite")


def run_jobs(
    pipelines: Sequence[Pipeline],
    jobs: Sequence[Job],
    order: Order = Order(),
    *,
    resume: bool = False,
    report: Path | None = None,
    threads: int | None = None,
    stop: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    engine: Callable[[Order, Event], Engine] | None = None,
) -> Iterator[Row]:
    """Do `jobs`; gives what became of each, in order.

    Args:
        pipelines: one for each device; all the same but for that.
        jobs: what to do, as `list_jobs` gives it.
        order: what holds for all of them.
        resume: skip the images whose result is there, no older than they are; with a report that says otherwise,
            not those. What an earlier run has left half-written is removed in any case.
        report: file that gets a line for each row.
        threads: images that are worked on at the same time; with 1, everything happens in the caller's thread. None
            for two more than there are processors, 16 at most.
        stop: once it is set, the images that are being computed or written are finished, and no others. Clips are
            given up.
        progress: called after every tile, in the thread that computes, or after every frame of a clip.
        engine: what works on the images in place of this process; given what holds for them all, and `stop`.

    Raises:
        UsageError: if two results, or a result and an image, would be the same file.
        WriteError: if the disk is full or read-only, or the report cannot be written. What was being written is
            finished, if it can be, before this is raised, and so are the rows.
        DeviceError, PluginError, WeightsError: if no image could be done.
    """
    check_resuming(order.writing, resume)
    saves = pipelines[0].saves
    jobs = without_conflicts(jobs, lambda job: saves(job.name).values(), in_place=not resume)
    for pipeline in pipelines:
        pipeline.check()
    with ExitStack() as stack:
        folders = _folders(jobs, pipelines[0])
        stack.enter_context(made_folders(folders))
        written = [file for job in jobs for file in (job.target, *saves(job.name).values())]
        for folder in folders | {file.parent for file in (*written, report) if file}:
            remove_leftovers(folder)
        ledger = Report(report, resume=resume, overwrite=order.writing.overwrite) if report else None
        done = {job: _result(job, saves(job.name).values(), ledger) for job in jobs if resume and not job.error}
        check_writable({job.target.parent for job in jobs if not (job.exact or job.error or done.get(job))})
        if resume:
            order = replace(order, writing=replace(order.writing, overwrite=True), key=str(pipelines[0]))
        stop = stop or Event()
        working = engine(order, stop) if engine else Line(pipelines, order, stop, progress)
        rows = stack.enter_context(working.running(jobs, done, threads))
        there: list[Path] = []
        if ledger:
            ledger.open({str(job.source) for job in jobs if not done.get(job)})
            stack.callback(ledger.close)
        for row in rows:
            if ledger:
                ledger.add(row)
            yield row
            if row.output:
                there.append(Path(row.output))
        remove_segments(there)  # which a run leaves that is killed when it has just joined them
        if working.failure:
            raise working.failure


def default_threads(processors: int) -> int:
    """Images at a time, unless the user wants another number."""
    return min(processors + 2, MOST_THREADS)


def _folders(jobs: Iterable[Job], pipeline: Pipeline) -> set[Path]:
    """Those that results go into, and the files of `save` stages with a `{name}`."""
    jobs = [job for job in jobs if not job.error]
    named = [index for index, file in pipeline.saves(NAME).items() if NAME in str(file)]
    results = {job.target.parent for job in jobs if not job.exact}
    return results | {pipeline.saves(job.name)[index].parent for job in jobs for index in named}


def _result(job: Job, saves: Iterable[Path], ledger: Report | None) -> Path | None:
    """The file or folder in which an earlier run has left the result, if it is whole and no older than the image."""
    moving = job.moving
    for file in (job.target, job.fallback, moving.target):
        with suppress(OSError):
            if file and not (ledger and ledger.owner(file) not in (None, str(job.source))):
                folder = moving.suffix and file == moving.target
                made = (file / TIMESTAMPS if folder else file).stat()
                wanted = max(image.stat().st_mtime for image in job.images)
                own = any(file.samefile(image) for image in job.images)
                whole = made.st_size > 0 and made.st_mtime >= wanted and not own and (folder or file.is_file())
                if folder and not job.suffix:
                    whole = whole and is_animation(job.source)
                if whole and all(save.exists() for save in saves):
                    return file
    return None


def skipped(job: Job, file: Path) -> Row:
    """The row of an image whose result an earlier run has left."""
    return Row(str(job.source), "skipped", str(file))


class Line:
    """Where images are worked on: threads that read and write, and one thread for each device.

    Args:
        pipelines: one for each device.
        order: what holds for all images.
        stop: once it is set, nothing more is computed.
        progress: called after every tile or frame.

    Attributes:
        failure: why no further image can be done.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        order: Order,
        stop: Event,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.writing, self.clips, self.max_pixels = order.writing, order.clips, order.max_pixels
        self.stop, self.progress = stop, progress
        self._key = order.key
        self._pipeline = pipelines[0]  # only to ask: the devices compute
        self._saves = bool(pipelines[0].saves(NAME))
        self.failure: Exception | None = None
        self._over = Event()
        room = int(SHARE * available_memory(resolve_device("cpu")))
        self._read, self._computed = Room(room), Room(room)
        self._devices = Devices(pipelines, order.batch, lambda: self._ending, progress)
        self._one_clip = Lock()  # one clip at a time: several frames of each are in memory

    @contextmanager
    def running(
        self, jobs: Sequence[Job], done: Mapping[Job, Path | None], threads: int | None
    ) -> Iterator[Iterator[Row]]:
        """As of any `Engine`; the rows are in order."""
        threads = min(threads or default_threads(os.cpu_count() or 1), len(jobs))
        moving = (job.frames or is_clip(job.source) or is_animation(job.source) for job in jobs)
        overlapping = threads > 1 or any(moving)  # the frames of one clip do, too
        with (
            self.computing(overlapping=overlapping),
            ThreadPoolExecutor(threads) if threads > 1 else Here() as pool,
        ):
            try:
                yield self._rows(jobs, done, pool, AHEAD * threads if threads > 1 else 1)
            finally:
                self._over.set()

    @contextmanager
    def computing(self, *, overlapping: bool = True) -> Iterator[None]:
        """Within it images are computed: in the threads of the devices, or in those that ask for it."""
        with self._devices.running(overlapping=overlapping):
            yield

    def _rows(self, jobs: Iterable[Job], done: Mapping[Job, Path | None], pool: Executor, ahead: int) -> Iterator[Row]:
        remaining = iter(jobs)
        begun: deque[Future[Row | None]] = deque()
        while True:
            while len(begun) < ahead and not self._ending and (job := next(remaining, None)):
                file = done.get(job)
                begun.append(pool.submit(skipped, job, file) if file else pool.submit(self.image, job))
            if not begun:
                return
            if row := begun.popleft().result():
                yield row

    @property
    def _ending(self) -> bool:
        return self.stop.is_set() or self._over.is_set()

    def image(self, job: Job) -> Row | None:
        """What became of an image; None if the run ended before it was computed."""
        seconds: dict[str, float] = {}
        try:
            return self._through(job, seconds)
        except Exception as error:
            if isinstance(error, (DeviceError, PluginError, WeightsError)) or disk_is_full(error):
                self.failure = self.failure or error  # the other images would fail in the same way
                self._over.set()
                return None
            if isinstance(error, MemoryError):
                error = MemoryLimitError(f"out of memory: {job.source}", hint="Try fewer --jobs, or a smaller --tile.")
            _let_go(error)
            return Row(str(job.source), "failed", seconds=seconds, exception=error)

    def _through(self, job: Job, seconds: dict[str, float]) -> Row | None:
        if job.error:
            raise job.error
        if self._ending:
            return None
        if job.frames or is_clip(job.source) or is_animation(job.source):
            return self._clip(job.moving, seconds)
        headers = read_headers(job.source, max_pixels=self.max_pixels)
        if large.installed() and (len(headers) > 1 or self._pipeline.exceeds_memory(headers[0])):
            return self._devices.call(lambda pipeline: self._in_pieces(pipeline, job, headers[0], seconds))
        notes: dict[str, None] = {}
        with self._read.holding(headers[0].nbytes):
            with timed(seconds, "read"):
                image = Image.open(job.source, max_pixels=self.max_pixels)
            target, writing = self._checked_destination(job, image)
            result = self._devices.compute(image, seconds, notes, name=job.name, room=self._computed).result()
            del image
        if result is None:
            return None
        try:
            with timed(seconds, "write"):
                write(result, target, writing)
                sha256 = digest(target)
        finally:
            self._computed.leave(result.pixels.nbytes)
        return Row(str(job.source), "done", str(target), result.size, seconds, sha256, tuple(notes))

    def _in_pieces(self, pipeline: Pipeline, job: Job, header: Header, seconds: dict[str, float]) -> Row | None:
        """An image that stays on the disk, or a file of several pages."""
        if self._ending:
            return None
        with timed(seconds, "compute"):
            size = pipeline.output_size(header.size)
            target, writing = self._destination(job, header.depth, header.has_alpha, size)
            size = pipeline.run_file(
                job.source,
                target,
                writing,
                max_pixels=self.max_pixels,
                resume=self._key is not None,
                progress=self.progress,
                name=job.name,
            )
            notes = tuple(pipeline.notes)
        return Row(str(job.source), "done", str(target), size, seconds, digest(target), notes)

    def _clip(self, job: Job, seconds: dict[str, float]) -> Row | None:
        if self._saves:
            raise UsageError(f"{job.source} has many frames, and `save` stages write single images")
        if job.fixed and not job.suffix:
            self._check_options(job.target)
        with self._one_clip:
            return None if self._ending else self._converted(job, job.target, seconds)

    def _check_options(self, target: Path) -> None:
        """Raises UsageError for what the clip or animation `target` does not take."""
        suffix = target.suffix.lower()
        form = video.ANIMATIONS.get(suffix)
        if self.writing.quality and suffix in video.WRITABLE:
            raise UsageError(f"{target} is a clip, whose quality is set by --crf")
        if self.writing.quality and form in ("GIF", "PNG"):
            raise UsageError(f"{target}: {form} has no --quality")
        if form and (self.clips.codec or self.clips.crf is not None):
            raise UsageError(f"{target} is an animation: --codec and --crf are for clips")
        if self.writing.depth == 16 and (form or suffix in video.WRITABLE):
            raise UsageError(f"{target}: --depth is for images; clips have as many bits as their frames and encoder")

    def _converted(self, job: Job, target: Path, seconds: dict[str, float]) -> Row | None:
        plans: dict[Pipeline, Plan] = {}
        notes: dict[str, None] = {}

        def planned(pipeline: Pipeline, image: Image) -> Plan:  # one plan for all frames: tiles do not change midway
            if pipeline not in plans:
                plans[pipeline] = pipeline.plan_for(image)
            return plans[pipeline]

        def begun(image: Image) -> tuple[Size, int]:
            plan = self._devices.call(lambda pipeline: planned(pipeline, image))
            return plan.output_size, self._devices.at_once(plan)

        try:
            size, others = convert(
                job.source,
                target,
                begun,
                lambda image: self._devices.compute(image, seconds, notes, plan=planned),
                frames=job.frames,
                suffix=job.suffix,
                options=self.writing,
                encoding=self.clips,
                max_pixels=self.max_pixels,
                seconds=seconds,
                progress=self.progress,
                resume=self._key,
            )
        except Stopped:
            return None
        return Row(str(job.source), "done", str(target), size, seconds, digest(target), (*others, *notes))

    def _checked_destination(self, job: Job, image: Image) -> tuple[Path, WriteOptions]:
        """Where and how a result is to be written. What would keep it from being written is found before it is
        computed."""
        size, has_alpha = self._pipeline.output_size(image.size), image.alpha is not None
        target, writing = self._destination(job, 8 * image.pixels.itemsize, has_alpha, size)
        sixteen_bit = image.pixels.dtype == "uint16"
        check_target(target, writing, has_alpha=has_alpha, sixteen_bit=sixteen_bit, size=size)
        return target, writing

    def _destination(self, job: Job, depth: int, has_alpha: bool, size: Size) -> tuple[Path, WriteOptions]:
        """The job's target, or the PNG that takes its place if its format cannot hold the result of an image with so
        many bits per sample."""
        target, form = job.target, format_of(job.target)
        depth = self.writing.depth or (16 if depth == 16 else 8)
        fits = (form.alpha or not has_alpha) and max(size) <= form.max_side and depth in form.depths
        if job.fallback and not fits:
            target = job.fallback
        takes_quality = job.fixed or format_of(target).lossy
        return target, self.writing if takes_quality else replace(self.writing, quality=None)


def disk_is_full(error: Exception) -> bool:
    """Or cannot be written to at all."""
    return isinstance(error, WriteError) and getattr(error.__cause__, "errno", None) in FULL


def _let_go(error: BaseException | None) -> None:
    """Of the images that the frames of an error still hold."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
