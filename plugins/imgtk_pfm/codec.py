"""Reads and writes PFM as Paul Debevec described it: three words, then rows of floats from bottom to top.

The words are PF (colour) or Pf (gray), width and height, and a scale, which is negative for little-endian samples. Its
size is the unit of the samples; nearly all files have 1, and imgtk reads the samples as they are.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import WriteOptions

__all__ = ["Codec"]

_LONGEST = 64
"""Bytes in which a header must end."""


class Codec:
    """PFM, gray or RGB, float32."""

    def size(self, file: BinaryIO) -> Size:
        return self._header(file)[1]

    def read(self, file: BinaryIO) -> Image:
        channels, size, order = self._header(file)
        count = size.pixels * channels
        data = file.read(4 * count)
        if len(data) < 4 * count:
            raise ReadError(f"it is cut short: {len(data)} of {4 * count} bytes of samples are there")
        samples = np.frombuffer(data, f"{order}f4").reshape(size.height, size.width, channels)
        if not np.isfinite(samples).all():
            raise ReadError("some of its samples are not finite numbers")
        return Image(np.ascontiguousarray(samples[::-1], np.float32))

    def write(self, file: BinaryIO, image: Image, options: WriteOptions) -> None:
        name = b"Pf" if image.gray else b"PF"
        file.write(b"%s\n%d %d\n-1.0\n" % (name, *image.size))
        file.write(np.ascontiguousarray(image.pixels[::-1], "<f4").tobytes())

    def _header(self, file: BinaryIO) -> tuple[int, Size, str]:
        """Return channels, size and byte order; the file is then at the first sample."""
        words: list[bytes] = []
        word = b""
        while len(words) < 4:
            letter = file.read(1)
            if not letter or file.tell() > _LONGEST:
                raise ReadError("its header is damaged")
            if letter.isspace():
                words += [word] if word else []
                word = b""
            else:
                word += letter
        try:
            size, scale = Size(int(words[1]), int(words[2])), float(words[3])
        except ValueError:
            raise ReadError("its header is damaged") from None
        if scale == 0 or scale != scale:
            raise ReadError("its header states no byte order")
        return (3 if words[0] == b"PF" else 1), size, "<" if scale < 0 else ">"
