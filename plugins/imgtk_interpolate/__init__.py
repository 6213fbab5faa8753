"""`upscale:` and `resize:` by interpolation: nearest, bilinear, bicubic, lanczos, area."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, Integer, Number, Param, Scale
from imgtk.preset import Preset

_IMPL = "imgtk_interpolate.op:Interpolate"
_KERNELS = {
    "nearest": "by the nearest pixel (hard edges, for pixel art and masks)",
    "bilinear": "by linear interpolation (soft, never overshoots)",
    "bicubic": "by cubic interpolation over 4 pixels (the usual baseline)",
    "lanczos": "by a windowed sinc over 8 pixels (sharpest, rings most)",
    "area": "by area averaging (never rings; best for strong reduction)",
}
_SIDE = Integer(minimum=1, maximum=1_000_000)


def _slope(default: float, meaning: str) -> Param:
    return Param("a", Number(-1, 0), f"Slope of the cubic; {default:g} is {meaning}.", default=default)


def _upscale(kernel: str) -> OpSpec:
    scale = Param("scale", Scale(minimum=Fraction(1)), "Factor for both sides.", positional=True)
    return OpSpec(
        name=f"upscale:{kernel}",
        impl=_IMPL,
        summary=f"Enlarge {_KERNELS[kernel]}.",
        params=(scale, _slope(-0.75, "OpenCV's")) if kernel == "bicubic" else (scale,),
        preset={"kernel": kernel},
    )


def _resize(kernel: str) -> OpSpec:
    params = (
        Param("scale", Scale(), "Factor for both sides.", default=None, positional=True),
        Param("width", _SIDE, "New width in pixels. Without height, the proportions are kept.", default=None),
        Param("height", _SIDE, "New height in pixels. Without width, the proportions are kept.", default=None),
        Param(
            "fit",
            Choice(("inside", "shrink", "stretch")),
            "If both are given: inside keeps the proportions, shrink also never enlarges, stretch distorts.",
            default="inside",
        ),
    )
    return OpSpec(
        name=f"resize:{kernel}",
        impl=_IMPL,
        summary=f"Resize {_KERNELS[kernel]}.",
        params=(*params, _slope(-0.5, "that of MATLAB and Pillow")) if kernel == "bicubic" else params,
        preset={"kernel": kernel},
    )


@hookimpl
def imgtk_presets() -> list[Preset]:
    return [
        Preset(
            "web",
            "resize:area width=2048 height=2048 fit=shrink",
            "For a web page: sides of at most 2048 pixels, as WebP.",
            {"format": "webp", "quality": 82},
        )
    ]


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return [build(kernel) for build in (_upscale, _resize) for kernel in _KERNELS]
