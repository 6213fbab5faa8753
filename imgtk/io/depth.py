"""Numbers that stand for light: conversions between 8 bits, 16 bits and floating point."""

from __future__ import annotations

import numpy as np


def depth_of(samples: np.ndarray) -> int:
    """Return 8, 16, or 32 for floating point."""
    return 8 * samples.itemsize


def to_depth(samples: np.ndarray, depth: int) -> np.ndarray:
    """Return `samples` with `depth` bits, rounded to the nearest value; floats are clipped to 0..1 for whole numbers.

    Args:
        samples: uint8, uint16 or float32, 0..1, any shape.
        depth: 8, 16 or 32 (float32).
    """
    if depth_of(samples) == depth:
        return samples
    if depth == 32:
        return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)
    if samples.dtype == np.uint8:
        return samples.astype(np.uint16) * np.uint16(257)
    if samples.dtype == np.uint16:
        return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    scaled = np.clip(samples, 0, 1) * np.float32(2**depth - 1)
    return np.rint(scaled, out=scaled).astype(np.uint8 if depth == 8 else np.uint16)


def widened(samples: np.ndarray, bits: int) -> np.ndarray:
    """Return samples of 1 to 16 bits, scaled to 8 bits, or to 16 if they have more than 8."""
    if bits in (8, 16):
        return samples
    largest, full = 2**bits - 1, 255 if bits < 8 else 65535
    return ((samples.astype(np.uint32) * full + largest // 2) // largest).astype(np.uint8 if bits < 8 else np.uint16)


def unpremultiplied(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return colours (H, W, C) freed from the alpha (H, W) that they were multiplied with; black where nothing
    shows."""
    largest = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
    opacity = alpha[..., None].astype(np.float64) / largest
    colours = np.divide(pixels, opacity, out=np.zeros(pixels.shape), where=opacity > 0)
    if alpha.dtype.kind == "f":
        return colours.astype(np.float32)
    return np.rint(np.minimum(colours, largest)).astype(pixels.dtype)
