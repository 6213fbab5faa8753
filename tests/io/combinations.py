"""Files of every format that imgtk reads, in all combinations of what they may be, for the matrix of formats."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
from samples import chunk, sample_image

from imgtk.io.convert import oriented

SIZE = (37, 29)
Case = tuple[Any, ...]


@dataclass(frozen=True)
class Kind:
    """Files of a format.

    Attributes:
        dimensions: what is combined, by name.
        make: writes a file of a combination; returns (H, W, C), with alpha as a last channel, as it should be read, or
            None if there are no such files.
        tolerance: by how much samples may differ, of their range.
    """

    dimensions: dict[str, Sequence[Any]]
    make: Callable[..., np.ndarray | None]
    tolerance: float = 0.0

    def cases(self) -> list[Case]:
        return list(product(*self.dimensions.values()))


def samples(mode: str, bits: int = 8) -> np.ndarray:
    """(H, W, C) of a mode of Pillow, in the numbers of the file."""
    kind = {"L": "gray", "LA": "gray+alpha", "RGB": "rgb", "RGBA": "rgba"}[mode]
    image = sample_image(kind, "uint16", SIZE)
    values = np.atleast_3d(image.numpy()) >> (16 - bits)
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


def widened(values: np.ndarray, bits: int) -> np.ndarray:
    """Samples of so many bits in 8 or 16."""
    top, full = 2**bits - 1, 255 if bits <= 8 else 65535
    return ((values.astype(np.uint32) * full + top // 2) // top).astype(np.uint8 if bits <= 8 else np.uint16)


def pillow(values: np.ndarray) -> PIL.Image.Image:
    return PIL.Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)


def exif(orientation: int) -> bytes:
    block = PIL.Image.Exif()
    block[274] = orientation
    return block.tobytes()


def decoded(path: Path, mode: str) -> np.ndarray:
    """What Pillow decodes."""
    with PIL.Image.open(path) as image:
        return np.atleast_3d(np.asarray(image.convert(mode)))


def jpeg(path: Path, mode: str, progressive: bool, subsampling: int, restarts: int, orientation: int) -> np.ndarray:
    source = "L" if mode == "L" else "RGB"
    options = {"progressive": progressive, "subsampling": subsampling, "restart_marker_rows": restarts}
    pillow(samples(source)).convert(mode).save(path, "JPEG", exif=exif(orientation), **options)
    return oriented(decoded(path, source), orientation)


def jpeg_12(path: Path, mode: str, subsampling: str) -> np.ndarray:
    options = {"bitspersample": 12, "level": 95, "subsampling": subsampling}
    path.write_bytes(imagecodecs.jpeg8_encode(np.squeeze(samples(mode, 12)), **options))
    return widened(np.atleast_3d(imagecodecs.jpeg8_decode(path.read_bytes())), 12)


PNG_TYPES = {"gray": 0, "RGB": 2, "palette": 3, "gray + alpha": 4, "RGBA": 6}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(
    path: Path, colours: str, depth: int, key: bool, interlaced: bool, filters: int, orientation: int
) -> np.ndarray | None:
    kind = PNG_TYPES[colours]
    if (kind not in (0, 3) and depth < 8) or (kind == 3 and depth == 16) or (key and kind > 3):
        return None
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    values = np.random.default_rng(depth).integers(0, 2**depth, (SIZE[1], SIZE[0], channels)).astype(np.uint16)
    extra, model, full = b"", widened(values, depth), 65535 if depth == 16 else 255
    if kind == 3:
        palette = np.random.default_rng(1).integers(0, 256, (2**depth, 4)).astype(np.uint8)
        extra = chunk(b"PLTE", palette[:, :3].tobytes()) + (chunk(b"tRNS", palette[:, 3].tobytes()) if key else b"")
        model = palette[values[..., 0]][..., : 3 + key]
    elif key:
        extra = chunk(b"tRNS", struct.pack(f">{channels}H", *values[3, 4]))
        model = np.dstack([model, ((values != values[3, 4]).any(axis=2) * full).astype(model.dtype)])
    parts = [values[y::down, x::across] for x, y, across, down in ADAM7] if interlaced else [values]
    rows = b"".join(_rows(part, depth, filters) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", *SIZE, depth, kind, 0, 0, int(interlaced))
    extra += chunk(b"eXIf", exif(orientation).removeprefix(b"Exif\0\0"))
    end = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + end)
    return oriented(model, orientation)


def _rows(values: np.ndarray, depth: int, kind: int) -> bytes:
    """Rows under the filter None, Sub or Up."""
    bits = values[..., None] >> np.arange(depth - 1, -1, -1) & 1
    packed = np.packbits(bits.astype(np.uint8).reshape(len(values), -1), axis=1)
    step = max(1, values.shape[2] * depth // 8)
    before = np.zeros_like(packed)
    if kind == 1:
        before[:, step:] = packed[:, :-step]
    elif kind == 2:
        before[1:] = packed[:-1]
    return np.pad(packed - before, ((0, 0), (1, 0)), constant_values=kind).tobytes()


def webp(path: Path, mode: str, lossless: bool, orientation: int) -> np.ndarray:
    pillow(samples(mode)).save(path, "WEBP", lossless=lossless, exact=True, exif=exif(orientation))
    return oriented(decoded(path, mode), orientation)


def avif(path: Path, mode: str, bits: int, orientation: int) -> np.ndarray | None:
    values = samples(mode, bits)
    if bits > 8 and orientation > 1:
        return None  # Pillow writes 8 bits, and imagecodecs no orientation
    if orientation == 1:
        path.write_bytes(imagecodecs.avif_encode(np.squeeze(values), level=100, bitspersample=bits))
        return widened(values, bits)
    subsampling = "4:0:0" if mode in ("L", "LA") else "4:4:4"
    pillow(values).save(path, "AVIF", quality=100, subsampling=subsampling, exif=exif(orientation))
    return oriented(values, orientation)


def gif(path: Path, mode: str, key: bool, interlaced: bool) -> np.ndarray:
    image = pillow(samples("RGB")).convert(mode)
    image.save(path, "GIF", interlace=interlaced, **({"transparency": 3} if key else {}))
    return decoded(path, "RGBA" if key else "RGB")


def bmp(path: Path, mode: str, bottom_up: bool) -> np.ndarray:
    image = pillow(samples("RGB")).convert(mode)
    image.save(path, "BMP")
    if not bottom_up:
        data = bytearray(path.read_bytes())
        struct.pack_into("<i", data, 22, -SIZE[1])
        path.write_bytes(data)
    return decoded(path, "L" if mode in ("1", "L") else "RGB")


def bmp_masks(path: Path, bits: int, masks: tuple[int, ...], header: int) -> np.ndarray | None:
    if bits == 16 and max(masks) > 0xFFFF:
        return None
    pixels = np.random.default_rng(bits).integers(0, 2**bits, (SIZE[1], SIZE[0]), np.uint64).astype(f"<u{bits // 8}")
    rows = b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in pixels[::-1])
    info = struct.pack("<IiiHHIIiiII", header, *SIZE, 1, bits, 3, len(rows), 0, 0, 0, 0) + struct.pack("<4I", *masks)
    info = info[: header if header > 40 else 52].ljust(header if header > 40 else 52, b"\0")
    path.write_bytes(b"BM" + struct.pack("<IHHI", 14 + len(info) + len(rows), 0, 0, 14 + len(info)) + info + rows)
    channels = []
    full = 65535 if max(masks[:3], key=int.bit_count).bit_count() > 8 else 255
    for mask in masks[: 3 + (header > 52 and masks[3] > 0)]:
        values = (pixels.astype(np.uint64) & np.uint64(mask)) >> np.uint64((mask & -mask).bit_length() - 1)
        top = 2 ** mask.bit_count() - 1
        channels.append((values * np.uint64(full) + np.uint64(top // 2)) // np.uint64(top))
    return np.dstack(channels).astype(np.uint16 if full > 255 else np.uint8)


def pnm(path: Path, kind: str, maximum: int) -> np.ndarray | None:
    if kind == "PFM":
        values = samples("L", 16)[..., 0].astype(np.float32) / 65535
        path.write_bytes(b"Pf\n%d %d\n-1.0\n" % SIZE + values[::-1].astype("<f4").tobytes())
        return values[..., None]
    channels, top = (3 if kind in ("P3", "P6") else 1), 1 if kind in ("P1", "P4") else maximum
    if channels == 3 and top > 255:
        top = 65535
    values = np.random.default_rng(top).integers(0, top + 1, (SIZE[1], SIZE[0], channels))
    if kind == "P4":
        body = np.packbits(values[..., 0].astype(np.uint8), axis=1).tobytes()
    elif kind in ("P1", "P2", "P3"):
        body = b"\n".join(b" ".join(b"%d" % value for value in row.ravel()) for row in values)
    else:
        body = values.astype(">u2" if top > 255 else np.uint8).tobytes()
    path.write_bytes(kind.encode() + b"\n%d %d\n" % SIZE + (b"" if top == 1 else b"%d\n" % top) + body)
    if top == 1:
        return ((1 - values) * 255).astype(np.uint8)
    full = 65535 if top > 255 else 255
    return np.rint(values * (full / top)).astype(np.uint16 if top > 255 else np.uint8)


def jpeg_xl(path: Path, mode: str, bits: int, container: bool) -> np.ndarray:
    values = samples(mode, bits)
    options = {"lossless": True, "usecontainer": container, "bitspersample": bits}
    path.write_bytes(imagecodecs.jpegxl_encode(np.squeeze(values), **options))
    return widened(values, bits)


def jpeg_2000(path: Path, mode: str, bits: int, codec: str) -> np.ndarray:
    values = samples(mode, bits)
    options = {"reversible": True, "level": 0, "bitspersample": bits, "codecformat": codec}
    path.write_bytes(imagecodecs.jpeg2k_encode(np.squeeze(values), **options))
    return widened(values, bits)


def jpeg_ls(path: Path, mode: str, bits: int) -> np.ndarray:
    values = samples(mode, bits)
    path.write_bytes(imagecodecs.jpegls_encode(np.squeeze(values)))
    return widened(values, bits)


def jpeg_lossless(path: Path, mode: str) -> np.ndarray:
    values = samples(mode)
    path.write_bytes(imagecodecs.ljpeg_encode(values[..., 0]))
    return values


ORIENTATIONS = (1, 6)
KINDS = {
    "JPEG": Kind(
        {
            "colours": ("L", "RGB", "CMYK"),
            "progressive": (False, True),
            "subsampling": (0, 1, 2),
            "restarts": (0, 1),
            "orientation": ORIENTATIONS,
        },
        jpeg,
        1.5 / 255,
    ),
    "JPEG of 12 bits": Kind({"colours": ("L", "RGB"), "subsampling": ("444", "420")}, jpeg_12),
    "JPEG, lossless": Kind({"colours": ("L",)}, jpeg_lossless),
    "JPEG-LS": Kind({"colours": ("L", "RGB"), "bits": (8, 16)}, jpeg_ls),
    "PNG": Kind(
        {
            "colours": tuple(PNG_TYPES),
            "bits": (1, 2, 4, 8, 16),
            "transparent colour": (False, True),
            "interlaced": (False, True),
            "filter": (0, 1, 2),
            "orientation": ORIENTATIONS,
        },
        png,
    ),
    "WebP": Kind(
        {"colours": ("RGB", "RGBA"), "lossless": (False, True), "orientation": ORIENTATIONS},
        webp,
    ),
    "AVIF": Kind({"colours": ("L", "LA", "RGB", "RGBA"), "bits": (8, 10, 12), "orientation": (1, 3, 6)}, avif, 6 / 255),
    "GIF": Kind({"colours": ("L", "P"), "transparency": (False, True), "interlaced": (False, True)}, gif),
    "BMP": Kind({"colours": ("1", "L", "P", "RGB"), "bottom up": (True, False)}, bmp),
    "BMP with masks": Kind(
        {
            "bits": (16, 32),
            "masks": (
                (0xF800, 0x7E0, 0x1F, 0),
                (0x7C00, 0x3E0, 0x1F, 0x8000),
                (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
                (0x3FF00000, 0xFFC00, 0x3FF, 0),
            ),
            "header": (40, 108, 124),
        },
        bmp_masks,
    ),
    "PNM": Kind({"kind": ("P1", "P2", "P3", "P4", "P5", "P6", "PFM"), "maximum": (15, 255, 1023, 65535)}, pnm),
    "JPEG XL": Kind({"colours": ("L", "RGB", "RGBA"), "bits": (6, 8, 10, 12, 16), "container": (False, True)}, jpeg_xl),
    "JPEG 2000": Kind(
        {"colours": ("L", "RGB", "RGBA"), "bits": (4, 8, 12, 16), "container": ("jp2", "j2k")}, jpeg_2000
    ),
}
