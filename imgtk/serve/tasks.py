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
    """Send the image `source` through the pipeline, into `folder`. Images above `max_pixels` fail."""

    source: Path = Path()
    folder: Path = Path()
    write: WriteAs = WriteAs()
    max_pixels: int = 0


@dataclass(frozen=True)
class InspectTask(Task):
    """Tell the size of the image `source`, and of its result, from its header; look at `others`, too."""

    source: Path = Path()
    others: tuple[Path, ...] = ()
    write: WriteAs = WriteAs()
    pixels_in: int = 0
    pixels_out: int = 0


@dataclass(frozen=True)
class PlanTask(Task):
    """Plan the pipeline for an image of `size`, and estimate how long it takes."""

    size: tuple[int, int] = (1, 1)
    pixels_out: int = 0


@dataclass(frozen=True)
class PreviewTask(Task):
    """Write a version of the image `source` that browsers show, with at most `most` pixels, to `target`."""

    source: Path = Path()
    target: Path = Path()
    most: int = 0
    max_pixels: int = 0


AnyTask: TypeAlias = RunTask | InspectTask | PlanTask | PreviewTask
