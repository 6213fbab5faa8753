"""HEIC files for tests: what pi-heif reads and nothing at hand writes (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from io import BytesIO

import av
import numpy as np


def box(kind: bytes, *parts: bytes, version: int | None = None, flags: int = 0) -> bytes:
    head = b"" if version is None else struct.pack(">I", version << 24 | flags)
    body = head + b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def heic(pixels: np.ndarray, bits: int = 8, points: tuple[int, int] | None = None) -> bytes:
    """The file of an image (H, W, 3) of so many bits per sample, encoded without loss as RGB 4:4:4.

    Args:
        pixels: uint8, or uint16 of `bits` bits.
        points: code points of its primaries and transfer function (ITU-T H.273).
    """
    configuration, data = _encoded(pixels, bits)
    height, width, _ = pixels.shape
    matrix = struct.pack(">HHHB", *(points or (1, 13)), 0, 0x80)
    properties = [
        configuration,
        box(b"ispe", struct.pack(">II", width, height), version=0),
        box(b"pixi", bytes([3, bits, bits, bits]), version=0),
        box(b"colr", b"nclx", matrix),
    ]
    association = struct.pack(">IHB", 1, 1, len(properties)) + bytes([0x81, 2, 3, 4])
    types = box(b"ftyp", b"heix\0\0\0\0mif1heix")

    def meta(at: int) -> bytes:
        return box(
            b"meta",
            box(b"hdlr", bytes(4), b"pict", bytes(13), version=0),
            box(b"pitm", struct.pack(">H", 1), version=0),
            box(b"iloc", struct.pack(">HHHHHII", 0x4400, 1, 1, 0, 1, at, len(data)), version=0),
            box(b"iinf", struct.pack(">H", 1), box(b"infe", struct.pack(">HH", 1, 0), b"hvc1\0", version=2), version=0),
            box(b"iprp", box(b"ipco", *properties), box(b"ipma", association, version=0)),
            version=0,
        )

    start = len(types) + len(meta(0)) + 8
    return types + meta(start) + box(b"mdat", data)


def _encoded(pixels: np.ndarray, bits: int) -> tuple[bytes, bytes]:
    """The configuration box (hvcC) and the only frame of a clip of the image."""
    file = BytesIO()
    height, width, _ = pixels.shape
    with av.open(file, "w", format="mp4") as clip:
        stream = clip.add_stream("libx265", rate=1, options={"x265-params": "lossless=1:log-level=none"})
        stream.width, stream.height, stream.pix_fmt = width, height, "gbrp" if bits == 8 else f"gbrp{bits}le"
        stream.codec_context.codec_tag = "hvc1"
        planes = np.ascontiguousarray(np.moveaxis(pixels, -1, 0)[[1, 2, 0]])
        frame = av.VideoFrame(width, height, stream.pix_fmt)
        for plane, samples in zip(frame.planes, planes, strict=True):
            rows = np.zeros((height, plane.line_size // samples.itemsize), samples.dtype)
            rows[:, :width] = samples
            plane.update(rows.tobytes())
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            packet.dts = packet.pts  # which x265 leaves undefined if there are so few frames
            clip.mux(packet)
    data = file.getvalue()
    at = data.index(b"hvcC") - 4
    (length,) = struct.unpack_from(">I", data, at)
    with av.open(BytesIO(data)) as clip:
        return data[at : at + length], bytes(next(clip.demux(video=0)))
