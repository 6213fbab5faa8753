"""Between the arrays of a picture and the tensors of the engine, and what transparency needs on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.geometry import Box, Size
from imgtk.image import Image
from imgtk.nn.colour import luma
from imgtk.nn.resample import resample

FAINT = 0.05
"""Opacity up to which a pixel's colour is not trusted when a picture changes its size."""


def read_region(pixels: np.ndarray, box: Box) -> Tensor:
    """Region `box` of (H, W, 1|3) pixels as (1, 3, h, w), float32, 0..1. Float pixels are not copied."""
    region = pixels[box.top : box.bottom, box.left : box.right]
    if pixels.dtype != np.float32:
        region = region.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    tensor = torch.from_numpy(region).permute(2, 0, 1)[None]
    return tensor if tensor.shape[1] == 3 else tensor.expand(-1, 3, -1, -1)


def quantised(tensor: Tensor, dtype: np.dtype[Any], gray: bool) -> np.ndarray:
    """(1, 3, H, W) as (H, W, 1|3) of `dtype`; integers are clipped and rounded, float32 is left as it is."""
    tensor = tensor.float()
    if gray:
        tensor = luma(tensor)
    if dtype.kind != "f":
        top = float(np.iinfo(dtype).max)
        tensor = tensor.mul(top).round_().clamp_(0, top)
        tensor = tensor.to(torch.uint8) if dtype == np.uint8 else tensor.to(torch.int32)
    pixels = tensor[0].permute(1, 2, 0).cpu().numpy()
    return pixels if pixels.dtype == dtype else pixels.astype(dtype)


def without_holes(image: Image, opacity: float) -> Image:
    """The picture with the colours of pixels of at most `opacity` (0..1) replaced by those of the nearest pixels that
    are more opaque, so that what hides there does not bleed into the edges."""
    if image.alpha is None:
        return image
    top = 1.0 if image.alpha.dtype.kind == "f" else float(np.iinfo(image.alpha.dtype).max)
    hidden = image.alpha <= opacity * top
    if not hidden.any() or hidden.all():
        return image
    mask = hidden.astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(mask, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    colours = np.zeros((int(labels.max()) + 1, image.pixels.shape[2]), image.pixels.dtype)
    colours[labels[~hidden]] = image.pixels[~hidden]
    return replace(image, pixels=np.where(hidden[..., None], colours[labels], image.pixels))


def resized_alpha(alpha: np.ndarray, size: Size, periodic: tuple[bool, bool] = (False, False)) -> np.ndarray:
    """Opacity (H, W) at another size: bicubic, antialiased; `periodic` as in `Geometry`."""
    if (alpha.shape[1], alpha.shape[0]) == size:
        return alpha
    plane = read_region(alpha[..., None], Box(0, 0, alpha.shape[1], alpha.shape[0]))[:, :1]
    resized = resample(plane, size, periodic=periodic).clamp(0, 1)
    return quantised(resized, alpha.dtype, gray=False)[..., 0]
