"""Formats that imagecodecs, rawpy and pi-heif decode: JPEG XL, JPEG 2000, JPEG of 12 bits, camera raw, and what has
more than 8 bits in AVIF and HEIC."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Metadata
from imgtk.io import jpeg
from imgtk.io.depth import widened
from imgtk.io.header import upright_size
from imgtk.io.metadata import valid_profile
from imgtk.io.signatures import JPEG_2000, JPEG_XL, RAW, Signature

JPEG_12 = Signature("a JPEG of 12 bits", "imagecodecs")
JPEG_LS = Signature("a JPEG-LS image", "imagecodecs")
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # ISO/IEC 18181-1, SizeHeader


def size(kind: Signature, data: bytes) -> Size:
    """Return the size that the file states, without decoding it.

    Raises:
        ReadError: if it states none.
    """
    try:
        if kind == JPEG_XL:
            return _jpeg_xl_header(data)[0]
        if kind == JPEG_2000:
            return _siz(data)[0]
        _, payload = jpeg.frame(data)
        height, width = struct.unpack_from(">HH", payload, 1)
        return Size(width, height)
    except (struct.error, IndexError, ValueError):
        raise ReadError("the image in it is damaged or cut short") from None


def decode(kind: Signature, data: bytes) -> tuple[np.ndarray, Metadata]:
    """Return samples (H, W, C), uint8, uint16 or float32, upright; a second or fourth channel is alpha."""
    if kind == JPEG_XL:
        samples, bits, icc = imagecodecs.jpegxl_decode(data), _jpeg_xl_header(data)[1], None
    elif kind == JPEG_2000:
        samples, bits, icc = imagecodecs.jpeg2k_decode(data), _siz(data)[1], _profile(data)
    elif kind == JPEG_LS:
        samples, bits, icc = imagecodecs.jpegls_decode(data), jpeg.frame(data)[1][0], None
    else:
        samples, bits, icc = imagecodecs.jpeg8_decode(data), 12, None
    samples = np.asarray(samples)
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.ndim != 3 or samples.shape[2] > 4 or samples.dtype.kind not in "uf":
        raise ReadError(f"imgtk does not read {kind.name} with samples {samples.shape} of {samples.dtype}")
    samples = samples.astype(np.float32) if samples.dtype.kind == "f" else widened(samples, bits)
    what = "metadata are" if icc or kind == JPEG_12 else "metadata and profile are"
    return samples, Metadata(icc=icc, warnings=(f"{what} left out, as far as there are any",))


def avif(data: bytes, bits: int) -> np.ndarray:
    """Return samples (H, W, C) of an AVIF file of so many bits, uint8, or uint16 if those are more than 8; neither
    turned nor mirrored; a second or fourth channel is alpha."""
    return np.atleast_3d(widened(np.asarray(imagecodecs.avif_decode(data)), bits))


def heic(file: BinaryIO, bits: int) -> np.ndarray:
    """Return samples as `avif` gives them, of an HEIC file."""
    import pi_heif

    image = pi_heif.open_heif(file, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    return np.atleast_3d(widened(np.asarray(image), bits))


def develop(file: BinaryIO) -> np.ndarray:
    """Return the image that rawpy (LibRaw) makes of a camera raw file: (H, W, 3), uint16, sRGB, upright."""
    with _raw(file) as raw:
        developed: np.ndarray = raw.postprocess(use_camera_wb=True, output_bps=16)
    return developed


def raw_size(file: BinaryIO) -> Size:
    """Return the size that `develop` gives."""
    with _raw(file) as raw:
        width, height, turned = raw.sizes.width, raw.sizes.height, raw.sizes.flip in (5, 6)
    return Size(height, width) if turned else Size(width, height)


@contextmanager
def _raw(file: BinaryIO) -> Iterator[Any]:
    """Open a file with LibRaw; its errors become ReadError."""
    import rawpy

    try:
        with rawpy.imread(file) as raw:
            yield raw
    except rawpy.LibRawError as error:
        (reason,) = error.args or ("",)
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise ReadError(f"it is a camera raw file that LibRaw does not read ({reason})", hint=RAW.hint) from error


def _siz(data: bytes) -> tuple[Size, int]:
    """Return size and bits of the first component, of a JPEG 2000 codestream (ISO/IEC 15444-1, A.5.1)."""
    at = data.index(b"\xff\x4f\xff\x51") + 8
    width, height, left, top = struct.unpack_from(">4I", data, at)
    bits = data[at + 34]
    if bits & 0x80:
        raise ReadError("its samples are whole numbers with sign")
    return Size(width - left, height - top), bits + 1


def _profile(data: bytes) -> bytes | None:
    """Return the ICC profile in the colr box of JP2 (ISO/IEC 15444-1, I.5.3.3)."""
    at = data.find(b"colr\2", 0, data.find(b"jp2c"))
    if at < 0:
        return None
    start = at + 7
    return valid_profile(data[start : start + int.from_bytes(data[start : start + 4], "big")])


def _jpeg_xl_header(data: bytes) -> tuple[Size, int]:
    """Return the size of the upright image and the bits of a sample (ISO/IEC 18181-1, SizeHeader and ImageMetadata)."""
    if not data.startswith(b"\xff\x0a"):
        start = min(at for at in (data.find(b"jxlc"), data.find(b"jxlp")) if at >= 0)
        data = data[data.index(b"\xff\x0a", start) :]
    bits = _Bits(data[2:64])
    size = bits.size()
    if bits.take(1):  # all as usual
        return size, 8
    if bits.take(1):
        size = upright_size(size, 1 + bits.take(3))
        if bits.take(1):
            bits.size()  # at which it is to be shown
        if bits.take(1) or bits.take(1):
            raise ReadError("it has a preview or is an animation, which imgtk does not read of JPEG XL")
    if bits.take(1):  # floats
        return size, 32
    selector = bits.take(2)
    return size, (8, 10, 12)[selector] if selector < 3 else 1 + bits.take(6)


class _Bits:
    """Bits from the least significant one on."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken

    def size(self) -> Size:
        small = self.take(1)
        height = self._side(small)
        ratio = self.take(3)
        if ratio:
            across, down = _RATIOS[ratio - 1]
            return Size(height * across // down, height)
        return Size(self._side(small), height)

    def _side(self, small: int) -> int:
        if small:
            return (self.take(5) + 1) * 8
        return 1 + self.take((9, 13, 18, 30)[self.take(2)])
