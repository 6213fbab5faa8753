"""Results that are written by rows: tiles of TIFF, rows of PNG and JPEG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from imgtk.errors import WriteError
from imgtk.geometry import Box, Size
from imgtk.image import Metadata
from imgtk.io import png, tiff
from imgtk.io.carried import fitting, wanted
from imgtk.io.formats import JPEG, PNG, TIFF, format_of
from imgtk.io.large import vips
from imgtk.io.large.kept import Drafts
from imgtk.io.large.raster import Raster, raster
from imgtk.io.options import WriteOptions
from imgtk.io.write import quality_of, replacing, warn, write_by_pillow, write_whole

_ROWS = 256  # of a reduced version that are computed at a time


class Output:
    """A file that is being written, page by page (only TIFF has several).

    Args:
        path: what it is going to be; its suffix chooses the `format`.
        file: what it is as yet, empty.
        size: bytes of all pixels.
        max_memory: bytes that formats may take which cannot be encoded by rows.
        drafts: where pixels lie before they are added.
        options: how the file is written.
    """

    def __init__(
        self, path: Path, file: BinaryIO, size: int, max_memory: int, drafts: Drafts, options: WriteOptions
    ) -> None:
        self.path, self._file, self.format, self.drafts = path, file, format_of(path), drafts
        self._max_memory, self._options = max_memory, options
        self._tiff = tiff.Writer(file, size * 2) if self.format is TIFF else None

    def draft(self, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> AbstractContextManager[Raster]:
        """Return a raster for pixels that are to be added."""
        return self.drafts.raster(self.path, shape, dtype)

    def add(self, samples: Raster, metadata: Metadata) -> None:
        """Write (H, W, C) of a type that the format holds, C from 1 to 4; the second or fourth channel is alpha.

        Raises:
            WriteError: if the format is encoded as a whole, and that does not fit into memory.
        """
        metadata = wanted(metadata, self._options)
        metadata = fitting(metadata, samples.size, samples.shape[2] < 3, self.format)
        warn(self.path, metadata)
        if self._tiff:
            self._tiff.add(samples, metadata, tiled=True)
            self._add_pyramid(samples, tiff.levels(samples) if metadata.pyramid else 0, metadata.compression)
        elif self.format is PNG:
            png.write(self._file, samples, metadata)
        elif self.format is JPEG:
            self._file.write(_head(samples, metadata, self._options))
            vips.encode_jpeg(self._file, samples, quality_of(metadata, JPEG, self._options))
        else:
            check_encoder(self.path, samples.size, samples.shape[2], self._max_memory)
            write_whole(self._file, samples[:], metadata, self.format, self._options)

    def _add_pyramid(self, samples: Raster, levels: int, compression: int | None) -> None:
        if not levels or not self._tiff:
            return
        height, width, channels = samples.shape
        shape = (-(-height // 2), -(-width // 2), channels)
        with raster(self.path, shape, samples.dtype) as smaller:
            for top in range(0, shape[0], _ROWS):
                rows = tiff.halved(samples[2 * top : 2 * (top + _ROWS)])
                smaller.write(Box(0, top, shape[1], top + len(rows)), rows)
            self._tiff.add(smaller, Metadata(compression=compression), tiled=True, reduced=True)
            self._add_pyramid(smaller, levels - 1, compression)


@contextmanager
def output(
    path: Path,
    size: int,
    max_memory: int,
    drafts: Drafts | None = None,
    options: WriteOptions = WriteOptions(),
) -> Iterator[Output]:
    """Open the `Output` for `path`: complete if the block succeeds, absent otherwise.

    Raises:
        WriteError: if writing fails.
    """
    with replacing(path) as file:
        yield Output(path, file, size, max_memory, drafts or Drafts(), options)


def check_encoder(path: Path, size: Size, channels: int, max_memory: int) -> None:
    """Raise WriteError if the format of `path` is encoded as a whole, and the image does not fit into memory."""
    target = format_of(path)
    needed = 2 * size.pixels * channels  # its pixels, and what the encoder makes of them
    if target not in (TIFF, PNG, JPEG) and needed > max_memory:
        raise WriteError(
            f"cannot write {path}: {target.name} is not encoded in pieces, and {size} pixels take about "
            f"{needed / 1e9:.3g} GB, more than the {max_memory / 1e9:.3g} GB that may be used",
            hint="Write .tif, .png or .jpg, or raise --max-memory.",
        )


def _head(samples: Raster, metadata: Metadata, options: WriteOptions) -> bytes:
    """Return the first marker (SOI) and the segments with metadata, as Pillow writes them, of a JPEG file."""
    small = BytesIO()
    write_by_pillow(small, np.zeros((8, 8, samples.shape[2]), np.uint8), metadata, JPEG, options)
    data, at = small.getvalue(), 2
    while data[at + 1] in (*range(0xE0, 0xF0), 0xFE):  # APP0 to APP15, COM (ITU-T T.81, B.1.1.3)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data[:at]
