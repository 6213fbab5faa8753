"""Reads and writes QOI: a header of 14 bytes, and the pixels as RGB or RGBA of 8 bits."""

import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Image
from imgtk.io import WriteOptions

END = b"\0\0\0\0\0\0\0\1"


class Codec:
    """QOI by imagecodecs, which decodes what is missing as black: so the end of the file is checked first."""

    def size(self, file: BinaryIO) -> Size:
        head = file.read(14)
        if len(head) < 14:
            raise ReadError("it is cut short")
        return Size(*struct.unpack(">II", head[4:12]))

    def read(self, file: BinaryIO) -> Image:
        data = file.read()
        if not data.endswith(END):
            raise ReadError("it is cut short")
        samples = imagecodecs.qoi_decode(data)
        alpha = samples[..., 3] if samples.shape[2] == 4 else None
        return Image(samples[..., :3], alpha)

    def write(self, file: BinaryIO, image: Image, options: WriteOptions) -> None:
        rgb = np.broadcast_to(image.pixels, (*image.pixels.shape[:2], 3))
        samples = rgb if image.alpha is None else np.dstack([rgb, image.alpha])
        file.write(imagecodecs.qoi_encode(np.ascontiguousarray(samples)))
