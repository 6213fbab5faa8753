"""Processes one image or clip from local file to local file."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock

from imgtk.batch.clips import Stopped, convert
from imgtk.batch.devices import DevicePool
from imgtk.batch.jobs import Job
from imgtk.batch.memory import MemoryBudget
from imgtk.batch.options import RunOptions
from imgtk.batch.report import Row, digest
from imgtk.batch.timing import timed
from imgtk.device import available_memory, resolve_device
from imgtk.engine.plan import Plan
from imgtk.engine.saves import NAME
from imgtk.errors import DeviceError, MemoryLimitError, PluginError, UsageError, WeightsError, WriteError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import WriteOptions, check_target, large, write
from imgtk.io.carried import left_out
from imgtk.io.formats import format_of
from imgtk.io.header import Header
from imgtk.io.read import read_headers
from imgtk.io.stripped import stripped
from imgtk.io.write import DISK_FULL
from imgtk.pipeline import Pipeline, Progress
from imgtk.video import formats as video
from imgtk.video.animation import is_animation
from imgtk.video.formats import is_clip

SHARE = 0.125
"""Share of the free memory for images that were read, and for those that wait to be written."""


class RunState:
    """Whether a run continues, for all threads of an engine.

    Args:
        stop: once it is set, no further image is computed.

    Attributes:
        failure: why no further image can be processed.
    """

    def __init__(self, stop: Event) -> None:
        self.failure: Exception | None = None
        self._stop, self._over = stop, Event()

    @property
    def ending(self) -> bool:
        """Whether the run ends, so that nothing more is started."""
        return self._stop.is_set() or self._over.is_set()

    def end(self, failure: Exception | None = None) -> None:
        """End the run; the first failure counts."""
        self.failure = self.failure or failure
        self._over.set()


class Processor:
    """Reads images and clips from files, has them computed, and writes the results.

    Args:
        pipelines: one for each device.
        options: the options of the run.
        state: whether the run continues.
        progress: called after every tile or frame.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        options: RunOptions,
        state: RunState,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._writing, self._clips, self._max_pixels = options.writing, options.clips, options.max_pixels
        self._key = str(pipelines[0]) if options.resume else None
        self._state, self._progress = state, progress
        self._pipeline = pipelines[0]  # only to ask: the devices compute
        self._saves = bool(pipelines[0].saves(NAME))
        budget = int(SHARE * available_memory(resolve_device("cpu")))
        self._read, self._computed = MemoryBudget(budget), MemoryBudget(budget)
        self._devices = DevicePool(pipelines, options.batch, lambda: state.ending, progress)
        self._one_clip = Lock()  # one clip at a time: several frames of each are in memory

    @contextmanager
    def computing(self, *, overlapping: bool = True) -> Iterator[None]:
        """Compute images within the block: in the threads of the devices, or in those that ask for it."""
        with self._devices.running(overlapping=overlapping):
            yield

    def image(self, job: Job, *, keep: bool = True) -> Row | None:
        """Process one image or clip.

        Args:
            job: its image and its result are local files.
            keep: whether, when resuming, parts of the result stay where they are until it is complete.

        Returns:
            Its row; None if the run ended before it was computed.
        """
        seconds: dict[str, float] = {}
        try:
            return self._through(job, seconds, self._key if keep else None)
        except Exception as error:
            if isinstance(error, (DeviceError, PluginError, WeightsError)) or disk_is_full(error):
                self._state.end(error)  # the other images would fail in the same way
                return None
            if isinstance(error, MemoryError):
                error = MemoryLimitError(f"out of memory: {job.source}", hint="Try fewer --jobs, or a smaller --tile.")
            _release_frames(error)
            return Row(str(job.source), "failed", seconds=seconds, exception=error)

    def _through(self, job: Job, seconds: dict[str, float], key: str | None) -> Row | None:
        if job.error:
            raise job.error
        if self._state.ending:
            return None
        if moves(job):
            return self._clip(job.moving, seconds, key)
        headers = read_headers(job.source, max_pixels=self._max_pixels)
        if large.installed() and (len(headers) > 1 or self._pipeline.exceeds_memory(headers[0])):
            return self._devices.call(lambda pipeline: self._in_pieces(pipeline, job, headers, seconds, key))
        notes: dict[str, None] = {}
        with self._read.holding(headers[0].nbytes):
            with timed(seconds, "read"):
                image = Image.open(job.source, max_pixels=self._max_pixels)
                image = replace(image, metadata=stripped(image.metadata, self._writing.metadata))  # for `save`, too
            target, writing = self._checked_destination(job, image)
            result = self._devices.compute(image, seconds, notes, name=job.name, budget=self._computed).result()
            del image
        if result is None:
            return None
        try:
            with timed(seconds, "write"):
                write(result, target, writing)
                sha256 = digest(target)
        finally:
            self._computed.release(result.pixels.nbytes)
        warnings = left_out(result.metadata, result.size, result.gray, target, writing)
        return Row(str(job.source), "done", str(target), result.size, seconds, sha256, tuple(notes), warnings)

    def _in_pieces(
        self, pipeline: Pipeline, job: Job, headers: Sequence[Header], seconds: dict[str, float], key: str | None
    ) -> Row | None:
        """Process an image that stays on disk, or a file of several pages."""
        if self._state.ending:
            return None
        header = headers[0]
        with timed(seconds, "compute"):
            size = pipeline.output_size(header.size)
            has_alpha = pipeline.output_alpha(header.has_alpha)
            target, writing = self._destination(job, header.depth, has_alpha, size)
            result = pipeline.run_file(
                job.source,
                target,
                writing,
                max_pixels=self._max_pixels,
                resume=key is not None,
                progress=self._progress,
                name=job.name,
            )
        lost = (left_out(one.metadata, result.size, one.channels < 3, target, writing) for one in headers)
        warnings = tuple(dict.fromkeys(warning for page in lost for warning in page))
        return Row(str(job.source), "done", str(target), result.size, seconds, digest(target), result.notes, warnings)

    def _clip(self, job: Job, seconds: dict[str, float], key: str | None) -> Row | None:
        if self._saves:
            raise UsageError(f"{job.source} has many frames, and `save` stages write single images")
        if job.fixed and not job.suffix:
            self._check_options(job.target)
        with self._one_clip:
            return None if self._state.ending else self._converted(job, seconds, key)

    def _check_options(self, target: Path) -> None:
        """Raise UsageError for what the clip or animation `target` does not take."""
        suffix = target.suffix.lower()
        form = video.ANIMATIONS.get(suffix)
        if self._writing.quality and suffix in video.WRITABLE:
            raise UsageError(f"{target} is a clip, whose quality is set by --crf")
        if self._writing.lossless and suffix in video.WRITABLE:
            raise UsageError(f"{target} is a clip: --codec ffv1 keeps every pixel, and --lossless is for WebP")
        if self._writing.lossless and form == "GIF":
            raise UsageError(f"{target}: GIF is never lossless: it has 255 colours in a frame")
        if self._writing.quality and form in ("GIF", "PNG"):
            raise UsageError(f"{target}: {form} has no --quality")
        if form and (self._clips.codec or self._clips.crf is not None):
            raise UsageError(f"{target} is an animation: --codec and --crf are for clips")
        if self._writing.depth == 16 and (form or suffix in video.WRITABLE):
            raise UsageError(f"{target}: --depth is for images; clips have as many bits as their frames and encoder")

    def _converted(self, job: Job, seconds: dict[str, float], key: str | None) -> Row | None:
        plans: dict[Pipeline, Plan] = {}
        notes: dict[str, None] = {}

        def planned(pipeline: Pipeline, image: Image) -> Plan:  # one plan for all frames: tiles do not change midway
            if pipeline not in plans:
                plans[pipeline] = pipeline.resolve(pipeline.plan_for(image), image)
            return plans[pipeline]

        def begun(image: Image) -> tuple[Size, int]:
            plan = self._devices.call(lambda pipeline: planned(pipeline, image))
            return plan.output_size, self._devices.at_once(plan)

        try:
            result = convert(
                job.source,
                job.target,
                begun,
                lambda image: self._devices.compute(image, seconds, notes, plan=planned),
                frames=job.frames,
                suffix=job.suffix,
                options=self._writing,
                encoding=self._clips,
                max_pixels=self._max_pixels,
                seconds=seconds,
                progress=self._progress,
                resume=key,
            )
        except Stopped:
            return None
        sha256 = digest(job.target)
        told = (*result.notes, *notes), tuple(dict.fromkeys(result.warnings))
        return Row(str(job.source), "done", str(job.target), result.size, seconds, sha256, *told)

    def _checked_destination(self, job: Job, image: Image) -> tuple[Path, WriteOptions]:
        """Return where and how to write a result. Raises the errors that can be known before it is computed."""
        size = self._pipeline.output_size(image.size)
        has_alpha = self._pipeline.output_alpha(image.alpha is not None)
        target, writing = self._destination(job, 8 * image.pixels.itemsize, has_alpha, size)
        sixteen_bit = image.pixels.dtype == "uint16"
        check_target(target, writing, has_alpha=has_alpha, sixteen_bit=sixteen_bit, size=size)
        return target, writing

    def _destination(self, job: Job, depth: int, has_alpha: bool, size: Size) -> tuple[Path, WriteOptions]:
        """Return the job's target, or the PNG that replaces it if its format cannot hold the result of an image with so
        many bits per sample."""
        target, form = job.target, format_of(job.target)
        depth = self._writing.depth or (16 if depth == 16 else 8)
        fits = (form.alpha or not has_alpha) and max(size) <= form.max_side and depth <= max(form.depths)
        if job.fallback and not fits:
            target = job.fallback
        takes_quality = job.fixed or format_of(target).lossy
        return target, self._writing if takes_quality else replace(self._writing, quality=None)


def moves(job: Job) -> bool:
    """Return whether the image of a job has several frames. It must be a local file, unless it is a clip."""
    return bool(job.frames) or is_clip(job.source) or is_animation(job.source)


def disk_is_full(error: Exception) -> bool:
    """Return whether a file could not be written because the disk is full or read-only."""
    return isinstance(error, WriteError) and getattr(error.__cause__, "errno", None) in DISK_FULL


def _release_frames(error: BaseException | None) -> None:
    """Release the images that the stack frames of an error still hold."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
