"""Libraries that compute on arrays (OpenCV, Pillow, NumPy), applied to tensors."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.nn.colour import LUMA

__all__ = ["brightness", "on_arrays"]


def on_arrays(function: Callable[[np.ndarray], np.ndarray], x: Tensor) -> Tensor:
    """Apply a function of arrays to each image of a batch.

    Args:
        function: maps (H, W, C), float32, contiguous, which it must not change, to (H', W', C'), or to (H', W') for
            gray, which becomes three equal channels.
        x: (N, C, H, W). On the CPU, in float32 and in channels_last, its pixels are not copied.

    Returns:
        (N, C', H', W') on the device and in the dtype of `x`.
    """
    arrays = x.float().movedim(1, -1).cpu().contiguous().numpy()
    results = [torch.from_numpy(np.ascontiguousarray(function(array), np.float32)) for array in arrays]
    images = results[0][None] if len(results) == 1 else torch.stack(results)
    if images.ndim == 3:
        images = images[..., None].expand(-1, -1, -1, x.shape[1])
    return images.movedim(-1, 1).to(x.device, x.dtype)


def brightness(pixels: np.ndarray) -> np.ndarray:
    """Return luma (H, W) of (H, W, 3), 0..1, float32, as OpenCV computes it quickest."""
    return np.asarray(cv2.transform(pixels, np.array([LUMA], np.float32))).reshape(pixels.shape[:2])
