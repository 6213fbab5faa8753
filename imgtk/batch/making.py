"""Images that are made of nothing, and written to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imgtk.batch.report import Row, digest
from imgtk.batch.timing import timed
from imgtk.io import WriteOptions, check_target, write
from imgtk.io.carried import left_out
from imgtk.pipeline import Pipeline, Progress

__all__ = ["make_image"]


def make_image(
    pipeline: Pipeline,
    target: str | Path,
    options: WriteOptions = WriteOptions(),
    progress: Callable[[Progress], None] | None = None,
) -> Row:
    """Run a pipeline that reads no image.

    Args:
        pipeline: it starts with an operator such as generate:noise.
        target, options: as for `imgtk.io.write`.
        progress: as for a call of the pipeline.

    Raises:
        UsageError: if it does read an image.
        WriteError: if the file cannot be written.
        ImgtkError: as a call of the pipeline does.
    """
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
