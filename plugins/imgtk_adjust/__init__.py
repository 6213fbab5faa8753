"""`adjust:` colours and sharpness, and `blend` of two images."""

from __future__ import annotations

from collections.abc import Iterable

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, ImageInput, Number, Param

MODES = ("normal", "multiply", "screen", "overlay", "darken", "lighten", "difference")


def _amount(name: str, low: float, high: float, help: str, default: float, positional: bool = True) -> Param:
    return Param(name, Number(low, high), help, default=default, positional=positional)


def _radius(default: float) -> Param:
    return _amount("radius", 0, 100, "Standard deviation of the Gaussian, in pixels.", default, positional=False)


def _spec(name: str, impl: str, summary: str, *params: Param) -> OpSpec:
    return OpSpec(name, f"imgtk_adjust.op:{impl}", summary, params)


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return [
        _spec(
            "blend",
            "Blend",
            "Lay another image of the same size over this one.",
            Param("image", ImageInput(), "The image on top: @name or ( chain ).", positional=True),
            _amount("alpha", 0, 1, "Opacity of the image on top.", 0.5),
            Param("mode", Choice(MODES), "How its colours act on those below.", default="normal", positional=True),
        ),
        _spec(
            "adjust:brightness-contrast",
            "BrightnessContrast",
            "Shift and stretch the tones.",
            _amount("brightness", -1, 1, "Added to every channel of 0..1.", 0),
            _amount("contrast", 0, 10, "Factor around middle gray; 1 changes nothing.", 1, positional=False),
        ),
        _spec(
            "adjust:saturation",
            "Saturation",
            "Strengthen or fade the colours.",
            _amount("amount", 0, 10, "Factor; 0 is gray, 1 changes nothing.", 1.3),
        ),
        _spec(
            "adjust:gamma",
            "Gamma",
            "Brighten or darken the middle tones; black and white stay.",
            _amount("gamma", 0.1, 10, "Above 1 brightens: each value is raised to 1/gamma.", 1.2),
        ),
        _spec("adjust:grayscale", "Grayscale", "Take the colours away, keeping the luminance."),
        _spec(
            "adjust:sharpen",
            "Sharpen",
            "Sharpen by an unsharp mask.",
            _amount("amount", 0, 10, "How much of the detail to add again.", 0.5),
            _radius(1),
        ),
        _spec(
            "adjust:blur", "Blur", "Blur by a Gaussian.", _amount("radius", 0, 100, "Standard deviation in pixels.", 2)
        ),
        _spec(
            "adjust:vignette",
            "Vignette",
            "Darken towards the corners, as a lens does.",
            _amount("strength", 0, 0.99, "Light lost in the very corners.", 0.5),
        ),
    ]
