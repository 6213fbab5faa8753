"""`upscale:` and `resize:` by interpolation: nearest, bilinear, bicubic, lanczos, area."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from imgtk.hookspecs import hookimpl
from imgtk.op import Choice, Integer, Number, OpSpec, Param, Scale

_IMPL = "imgtk_interpolate.op:Interpolate"
_KERNELS = {
    "nearest": "the nearest pixel: hard edges, for pixel art and masks",
    "bilinear": "linear between neighbours: soft, never overshoots",
    "bicubic": "Keys' cubic: the usual baseline",
    "lanczos": "windowed sinc, 8 taps: sharpest, rings most",
    "area": "average of the covered area: the cleanest way to shrink by much",
}
_SIDE = Integer(minimum=1, maximum=1_000_000)


def _slope(default: float, meaning: str) -> Param:
    return Param("a", Number(-1, 0), f"slope of the cubic; {default} is {meaning}", default=default)


def _upscale(kernel: str) -> OpSpec:
    scale = Param("scale", Scale(minimum=Fraction(1)), "factor for both sides", positional=True)
    return OpSpec(
        name=f"upscale:{kernel}",
        impl=_IMPL,
        summary=f"Enlarge by {_KERNELS[kernel]}",
        params=(scale, _slope(-0.75, "OpenCV's")) if kernel == "bicubic" else (scale,),
        preset={"kernel": kernel},
    )


def _resize(kernel: str) -> OpSpec:
    params = (
        Param("scale", Scale(), "factor for both sides", default=None, positional=True),
        Param("width", _SIDE, "new width in pixels; without height, height follows", default=None),
        Param("height", _SIDE, "new height in pixels; without width, width follows", default=None),
        Param(
            "fit", Choice(("inside", "stretch")), "with both: keep the proportions, or distort them", default="inside"
        ),
    )
    return OpSpec(
        name=f"resize:{kernel}",
        impl=_IMPL,
        summary=f"Change the size by {_KERNELS[kernel]}",
        params=(*params, _slope(-0.5, "that of MATLAB and Pillow")) if kernel == "bicubic" else params,
        preset={"kernel": kernel},
    )


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return [build(kernel) for build in (_upscale, _resize) for kernel in _KERNELS]
