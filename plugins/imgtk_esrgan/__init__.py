"""Upscaling by networks: ESRGAN's RRDBNet and the compact network of Real-ESRGAN. This module imports no torch."""

from __future__ import annotations

from fractions import Fraction

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec, Param, Scale, Text

_PARAMS = (
    Param(
        "scale",
        Scale(minimum=Fraction(1)),
        "Output pixels per input pixel; what the network does not give is resampled.",
        default=Fraction(4),
        positional=True,
    ),
    Param(
        "model", Text(), "Name of shipped weights (see `imgtk models`), or a .safetensors or .pth file.", default=None
    ),
)


def _upscale(method: str, summary: str, models: dict[int, str], trainer: str) -> OpSpec:
    return OpSpec(
        name=f"upscale:{method}",
        impl="imgtk_esrgan.op:Upscale",
        summary=summary,
        params=_PARAMS,
        preset={"models": models},
        trainer=f"imgtk_esrgan.trainer:{trainer}",
        weights=tuple(models.values()),
    )


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        _upscale("esrgan", "Upscale with invented, sharp detail (ESRGAN).", {4: "esrgan-x4"}, "ESRGAN"),
        _upscale("rrdb", "Upscale faithfully: highest PSNR, softer (RRDBNet).", {4: "rrdb-x4"}, "RRDB"),
        _upscale("compact", "Upscale fast (SRVGGNetCompact).", {4: "compact-x4", 2: "compact-x2"}, "Compact"),
    ]
