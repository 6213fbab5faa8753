"""Images that are too large to show, made smaller."""

from __future__ import annotations

from dataclasses import replace

import cv2

from imgtk.image import Image

__all__ = ["scaled"]


def scaled(image: Image, most: int) -> Image:
    """Return the image with at most so many pixels, by the area that they cover; as it is, if it has no more."""
    factor = (most / image.size.pixels) ** 0.5
    if factor >= 1:
        return image
    size = (max(1, int(image.size.width * factor)), max(1, int(image.size.height * factor)))
    pixels = cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
    alpha = None if image.alpha is None else cv2.resize(image.alpha, size, interpolation=cv2.INTER_AREA)
    return replace(image, pixels=pixels, alpha=alpha, metadata=replace(image.metadata, exif=None, geo=None))
