"""Measures in about a minute what this machine makes of images: for `imgtk doctor --bench`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from imgtk.engine import Settings
from imgtk.engine.backend import known_backends
from imgtk.errors import ImgtkError
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry

__all__ = ["Speed", "measure", "suggestions"]

_SIDES = (64, 192, 384)
"""Sides of the images that are tried, in pixels: the next larger one as long as the last took less than its share."""
_SHARE = 0.8
"""Seconds after which an image is large enough."""


@dataclass(frozen=True)
class Speed:
    """How fast an upscaler is.

    Attributes:
        pipeline: what was run.
        megapixels: of the result, per second.
        error: why it could not be run; "" if it could.
    """

    pipeline: str
    megapixels: float
    error: str = ""


def measure(registry: Registry, settings: Settings) -> Iterator[Speed]:
    """Yield the speed of each upscaler that has weights, and of bicubic interpolation, at x4.

    Args:
        registry: where the operators are looked up.
        settings: device, number format and backend.
    """
    names = [spec.name for spec in registry.specs if spec.name.startswith("upscale:") and spec.weights]
    for name in ["upscale:bicubic", *names]:
        text = f"{name} x4"
        try:
            pipeline = Pipeline(text, settings, registry=registry)
            yield Speed(text, max(_megapixels(pipeline)))
        except ImgtkError as error:
            yield Speed(text, 0, error.message)


def _megapixels(pipeline: Pipeline) -> Iterator[float]:
    """Yield the megapixels of results per second, for larger and larger images; the first run of each is not
    counted."""
    for side in _SIDES:
        pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
        pipeline(pixels)
        start = perf_counter()
        result = pipeline(pixels)
        seconds = perf_counter() - start
        yield result.size.pixels / 1e6 / seconds
        if seconds > _SHARE:
            return


def suggestions(device: str) -> list[str]:
    """Return what could be installed to be faster on a device, as sentences."""
    openvino = known_backends().get("openvino")
    if device == "cpu" and openvino and not openvino.installed():
        return [f"OpenVINO computes large networks faster on the CPU: pip install {openvino.package()}"]
    return []
