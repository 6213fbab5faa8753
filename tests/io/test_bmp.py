"""BMP with channels anywhere in a pixel."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from samples import sample_image

from imgtk.errors import ReadError
from imgtk.io import read, read_size


def bitmap(pixels: np.ndarray, masks: tuple[int, ...], bits: int, *, top_down: bool = False) -> bytes:
    height, width = pixels.shape[:2]
    rows = np.zeros((height, width), np.uint64)
    for channel, mask in enumerate(masks):
        low = (mask & -mask).bit_length() - 1
        rows |= (pixels[..., channel].astype(np.uint64) * (mask >> low) // 255) << np.uint64(low)
    line = -(-width * bits // 32) * 4
    rows = (rows if top_down else rows[::-1]).astype(f"<u{bits // 8}")
    data = b"".join(row.tobytes().ljust(line, b"\0") for row in rows)
    start = 14 + 40 + 4 * len(masks)
    sides, compression = (width, -height if top_down else height), 3 if len(masks) == 3 else 6
    info = struct.pack("<IiiHHIIiiII", 40, *sides, 1, bits, compression, len(data), 2835, 2835, 0, 0)
    head = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    return head + info + struct.pack(f"<{len(masks)}I", *masks) + data


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (32, (0xFF000000, 0xFF0000, 0xFF00)),
        (32, (0xFF, 0xFF00, 0xFF0000)),
        (32, (0xFF00, 0xFF0000, 0xFF, 0xFF000000)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF)),
        (16, (0xF800, 0x7E0, 0x1F)),
        (16, (0xF00, 0xF0, 0xF, 0xF000)),
        (16, (0x1F, 0x3E0, 0x7C00)),
    ],
)
def test_masks(tmp_path, bits, masks, top_down):
    pixels = sample_image("rgba").numpy()[..., : len(masks)]
    (tmp_path / "a.bmp").write_bytes(bitmap(pixels, masks, bits, top_down=top_down))
    image = read(tmp_path / "a.bmp")
    steps = np.array([mask // (mask & -mask) for mask in masks])
    full = 65535 if max(steps) > 255 else 255
    wanted = np.dstack(
        [np.rint(pixels[..., c].astype(np.int64) * steps[c] // 255 * full / steps[c]) for c in range(len(masks))]
    )
    assert image.pixels.dtype == (np.uint8 if full == 255 else np.uint16)
    assert np.array_equal(image.numpy(), wanted)
    assert image.metadata.dpi == pytest.approx((72, 72), abs=0.1)
    assert read_size(tmp_path / "a.bmp") == image.size


def test_masks_that_are_none(tmp_path):
    data = bitmap(sample_image("rgb").pixels, (0xFF0000, 0xFF00, 0xFF), 32)
    for broken in (data[:-100], data[:54] + struct.pack("<I", 0xF0F00) + data[58:]):
        (tmp_path / "a.bmp").write_bytes(broken)
        with pytest.raises(ReadError):
            read(tmp_path / "a.bmp")
