"""Images and clips that are made from nothing, and written to files."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from imgtk.batch.clips import writing
from imgtk.batch.report import Row, digest
from imgtk.batch.timing import timed
from imgtk.engine.in_memory import blank
from imgtk.io import WriteOptions, check_target, write
from imgtk.io.carried import left_out
from imgtk.io.write import check_place
from imgtk.pipeline import Pipeline, Progress
from imgtk.video.formats import ANIMATIONS, AS_BEFORE, USUAL_RATE, Encoding, check_installed, container_of
from imgtk.video.frames import Colours, Form, rgb_format, usual_matrix

__all__ = ["MadeClip", "make"]


def make(
    pipeline: Pipeline,
    target: str | Path,
    options: WriteOptions = WriteOptions(),
    encoding: Encoding = AS_BEFORE,
    suffix: str = "",
    progress: Callable[[Progress], None] | None = None,
) -> Row:
    """Run a pipeline that reads no image, and write the image or the clip that it makes.

    Args:
        pipeline: it starts with an operator such as generate:noise; its operators say how many `frames` there are.
        target: an image; or a clip, an animation, or a folder, for one without a suffix.
        options: how images and animations are written, and whether `target` may be replaced.
        encoding: how clips are written; without a rate, 25 frames are shown per second.
        suffix: of the images in a folder; PNG by default.
        progress: as for a call of the pipeline; of clips called after every frame.

    Raises:
        UsageError: if the pipeline reads an image, or its operators disagree on the number of frames.
        ReadError: if the library for clips is missing.
        WriteError: if the target cannot be written.
        ImgtkError: as a call of the pipeline does.
    """
    if pipeline.frames > 1:
        return _make_clip(pipeline, Path(target), options, encoding, suffix, progress)
    return _make_image(pipeline, target, options, progress)


def _make_image(
    pipeline: Pipeline, target: str | Path, options: WriteOptions, progress: Callable[[Progress], None] | None
) -> Row:
    seconds: dict[str, float] = {}
    size = pipeline.output_size(pipeline.canvas())
    deep = options.depth == 16
    check_target(target, options, has_alpha=pipeline.output_alpha(False), sixteen_bit=deep, size=size)
    with timed(seconds, "compute"):
        result = pipeline(progress=progress, name=Path(target).stem, depth=16 if deep else 8)
    with timed(seconds, "write"):
        path = write(result, target, options)
    warnings = left_out(result.metadata, result.size, result.gray, path, options)
    return Row("", "done", str(path), result.size, seconds, digest(path), result.notes, warnings)


def _make_clip(
    pipeline: Pipeline,
    target: Path,
    options: WriteOptions,
    encoding: Encoding,
    suffix: str,
    progress: Callable[[Progress], None] | None,
) -> Row:
    folder = not target.suffix
    check_place(target, options.overwrite, folder=folder)
    if not folder and target.suffix.lower() not in ANIMATIONS:
        container_of(target)
        check_installed(target)
    deep = options.depth == 16
    clip = MadeClip(pipeline, Fraction(encoding.rate or USUAL_RATE), deep=deep)
    seconds: dict[str, float] = {}
    kind = (suffix or ".png") if folder else ""
    with writing(target, clip, clip.size, kind, options, encoding, None) as writer:
        for number in range(clip.length):
            with timed(seconds, "compute"):
                image = pipeline(name=target.stem, depth=16 if deep else 8, frame=number)
            with timed(seconds, "write"):
                writer.write(image, number, 1)
            if progress:
                progress(Progress(number + 1, clip.length, "frames", image.pixels.nbytes))
    return Row("", "done", str(target), clip.size, seconds, digest(target), (), tuple(writer.warnings))


class MadeClip:
    """What a writer of clips must know of frames that are made from nothing.

    Attributes:
        size: of the frames.
        first: what stands for the first frame, without pixels.
        form: how frames are stored.
        length: how many there are.
    """

    def __init__(self, pipeline: Pipeline, rate: Fraction, *, deep: bool) -> None:
        canvas = pipeline.canvas()
        alpha = pipeline.output_alpha(False)
        self.length = pipeline.frames
        self.size = pipeline.output_size(canvas)
        self.first = blank(canvas, 16 if deep else 8)
        self.form = Form(
            codec="",
            pixel_format=rgb_format(deep=deep, alpha=alpha),
            colours=Colours(usual_matrix(self.size)),
            time_base=1 / rate,
            rate=rate,
            deep=deep,
            alpha=alpha,
        )
