"""`FileFormat`: what files of a format can hold, and what reads and writes them. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FileFormat"]


@dataclass(frozen=True)
class FileFormat:
    """A format of image files.

    Attributes:
        name: as people call it; of the formats that Pillow writes, as Pillow calls it.
        suffixes: of file names, lower case, with the dot.
        depths: bits per sample that it holds; 32 means floating point.
        alpha: whether it holds transparency.
        max_side: longest side in pixels.
        lossy: whether it takes `quality`.
        metadata: the attributes of `imgtk.image.Metadata` that it holds.
        starts: what its files begin with, one of these; empty for a format that imgtk itself knows.
        codec: "package.module:Class" of a plugin: an `imgtk.io.foreign.Codec`.
    """

    name: str
    suffixes: tuple[str, ...]
    depths: tuple[int, ...] = (8,)
    alpha: bool = False
    max_side: int = 2**31 - 1
    lossy: bool = False
    metadata: tuple[str, ...] = ()
    starts: tuple[bytes, ...] = ()
    codec: str = ""
