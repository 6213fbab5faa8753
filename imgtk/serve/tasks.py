"""Tasks that the server gives to its worker processes, as plain data. Imports no library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

__all__ = ["InspectTask", "PlanTask", "PreviewTask", "RunTask", "Task", "WriteAs"]


@dataclass(frozen=True)
class WriteAs:
    """How a result is to be written; see `imgtk.io.WriteOptions`.

    Attributes:
        suffix: the format, such as "png"; None for that of the image.
        quality: of lossy formats, 1 to 100; None for the default.
        lossless: whether formats that can do both are written without loss.
        depth: bits per sample, 8 or 16; None for that of the image.
    """

    suffix: str | None = None
    quality: int | None = None
    lossless: bool = False
    depth: int | None = None


@dataclass(frozen=True)
class Task:
    """One thing to do.

    Attributes:
        pipeline: its canonical text.
        seed: of operators that draw at random.
        keep: whether the pipeline stays warm: not if it holds uploaded images.
        names: what messages call the paths of this machine.
    """

    pipeline: str = ""
    seed: int = 0
    keep: bool = True
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunTask(Task):
    """Send an image through the pipeline.

    Attributes:
        source: the image's file.
        folder: where the result is written.
        write: how it is written.
        max_pixels: images with more fail.
    """

    source: Path = Path()
    folder: Path = Path()
    write: WriteAs = WriteAs()
    max_pixels: int = 0


@dataclass(frozen=True)
class InspectTask(Task):
    """Return the size of an image, and of its result, from its header.

    Attributes:
        source: the image's file.
        others: further images of the request, whose headers are read as well.
        write: how the result will be written.
        pixels_in, pixels_out: limits, as in `imgtk.serve.options.Limits`.
    """

    source: Path = Path()
    others: tuple[Path, ...] = ()
    write: WriteAs = WriteAs()
    pixels_in: int = 0
    pixels_out: int = 0


@dataclass(frozen=True)
class PlanTask(Task):
    """Plan the pipeline, and estimate how long it takes.

    Attributes:
        size: of the image, width and height.
        pixels_out: limit, as in `imgtk.serve.options.Limits`.
    """

    size: tuple[int, int] = (1, 1)
    pixels_out: int = 0


@dataclass(frozen=True)
class PreviewTask(Task):
    """Write a version of an image that browsers show.

    Attributes:
        source: the image's file.
        target: the file that is written.
        most: pixels that it has at most.
        max_pixels: images with more fail.
    """

    source: Path = Path()
    target: Path = Path()
    most: int = 0
    max_pixels: int = 0


AnyTask: TypeAlias = RunTask | InspectTask | PlanTask | PreviewTask
