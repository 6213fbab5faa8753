"""How a pipeline computes: the options that every run of it shares. This module imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

from imgtk.errors import UsageError

__all__ = ["Settings", "SettingsOptions"]


@dataclass(frozen=True)
class Settings:
    """How a `Pipeline` computes.

    Attributes:
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" (the fastest for 8-bit images, "fp32" for deeper ones), "fp32", "bf16", "fp16".
        backend: what computes networks on the CPU: "torch", "openvino", "onnxruntime", or "auto": OpenVINO, if it is
            installed, for networks and images so large that it saves time; else torch.
        tile: side of a tile in pixels of the input image; "off" for the whole image at once; None to choose by memory.
        max_memory: bytes that tiles may use, and from which `imgtk run` keeps large images on disk; None for half
            of what is free.
        overwrite: whether `save` stages may replace files.
        seed: of operators that draw at random and have no `seed` of their own.

    Raises:
        UsageError: for a tile that is no size.

    >>> Settings(device="cpu", tile=256).tile
    256
    >>> Settings(tile=0)
    Traceback (most recent call last):
        ...
    imgtk.errors.UsageError: tile must be a number of pixels or 'off', got 0
    """

    device: str = "auto"
    dtype: str = "auto"
    backend: str = "auto"
    tile: int | Literal["off"] | None = None
    max_memory: int | None = None
    overwrite: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tile not in (None, "off") and not (type(self.tile) is int and self.tile >= 1):
            raise UsageError(f"tile must be a number of pixels or 'off', got {self.tile!r}")


class SettingsOptions(TypedDict, total=False):
    """The fields of `Settings`, as keyword arguments."""

    device: str
    dtype: str
    backend: str
    tile: int | Literal["off"] | None
    max_memory: int | None
    overwrite: bool
    seed: int
