"""Restoration: noise, JPEG artefacts, blur and darkness removed, gray images coloured (`restore:`), missing parts
filled in (`inpaint:`), and margins added (`outpaint`).

This module imports no torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import ImageFile, ImageInput, Integer, Number, Param, ParamType, Weights
from imgtk.weights.architecture import Architecture

STRONGEST_NOISE = 60
"""Standard deviation in 8-bit steps of the strongest Gaussian noise that the network was trained on: its level 1."""
MOST_STOPS = 5
"""Binary logarithm of the largest gain that the network for dark images was trained on."""


@dataclass(frozen=True)
class OrAuto(Number):
    """Accepts a number, or `auto`, whose value is None."""

    def convert(self, value: object) -> float | None:  # type: ignore[override]
        return None if value in (None, "auto") else super().convert(value)

    def describe(self) -> str:
        return f"auto, or {super().describe()}"

    def format(self, value: float | None) -> str:
        return "auto" if value is None else super().format(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"const": "auto"}, super().schema()]}


@dataclass(frozen=True)
class Margin(ParamType):
    """Width of a margin: pixels, or a percentage of the side of the image, whose value is a Fraction.

    >>> Margin().convert("12.5%")
    Fraction(1, 8)
    """

    pixels = Integer(0, 999_999)

    def convert(self, value: object) -> int | Fraction:
        if isinstance(value, Fraction) and value >= 0:
            return value
        percentage = re.fullmatch(r"(\d{1,3}(\.\d{1,6})?)%", str(value))
        if percentage:
            return Fraction(percentage[1]) / 100
        try:
            return self.pixels.convert(value)
        except ValueError:
            raise self._fail(value) from None

    def describe(self) -> str:
        return f"{self.pixels.describe()}, or a percentage such as 10%"

    def format(self, value: int | Fraction) -> str:
        return str(value) if isinstance(value, int) else f"{float(value * 100):.6f}".rstrip("0").rstrip(".") + "%"

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.pixels.schema(), {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})?%$"}]}


def _restorer(method: str, impl: str, summary: str, *level: Param, model: str = "") -> OpSpec:
    model = model or method
    return OpSpec(
        name=f"restore:{method}",
        impl=f"imgtk_restore.op:{impl}",
        summary=summary,
        params=(*level, Param("model", Weights(), "Name of weights, or a file.", default=model)),
        trainer="imgtk_restore.trainer:RestoreTrainer",
        weights=(model,),
    )


_where = (
    Param(
        "mask",
        ImageFile(),
        "Gray image of the same size, white where to fill; by default transparent parts are filled.",
        default=None,
    ),
    Param("where", ImageInput(), "The mask as an image of the pipeline, instead of mask=.", default=None),
)


def _inpainter(method: str, summary: str) -> OpSpec:
    return OpSpec(
        name=f"inpaint:{method}",
        impl="imgtk_restore.inpaint:ClassicInpaint",
        summary=summary,
        params=(
            *_where,
            Param("radius", Number(1, 32), "Radius in pixels of the neighbourhood that is used.", default=5.0),
        ),
        preset={"method": method},
    )


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        _restorer(
            "denoise",
            "Denoise",
            "Remove noise.",
            Param(
                "strength",
                OrAuto(0, STRONGEST_NOISE),
                "Standard deviation of the noise in 8-bit steps; by default the network estimates it.",
                default=None,
                positional=True,
            ),
        ),
        _restorer(
            "jpeg",
            "DeJPEG",
            "Remove the blocks and ripples of JPEG.",
            Param(
                "quality",
                OrAuto(1, 100),
                "Quality of the JPEG file; by default the network sees it.",
                default=None,
                positional=True,
            ),
        ),
        _restorer("deblur", "Deblur", "Sharpen what is mildly out of focus or blurred by motion."),
        _restorer(
            "lowlight",
            "LowLight",
            "Brighten dark images, and remove the noise that this shows.",
            Param(
                "stops",
                OrAuto(0, MOST_STOPS),
                "How much brighter the darkest parts become, each stop twice; by default what the image needs.",
                default=None,
                positional=True,
            ),
            model="denoise",
        ),
        OpSpec(
            name="restore:colourise",
            impl="imgtk_restore.colourise:Colourise",
            summary="Give gray images likely colours.",
            params=(
                Param("saturation", Number(0, 4), "Strength of the colours; 0 for none.", default=1.0, positional=True),
                Param("model", Weights(), "Name of weights, or a file.", default="colourise"),
            ),
            trainer="imgtk_restore.colour_trainer:ColouriseTrainer",
            weights=("colourise",),
        ),
        OpSpec(
            name="restore:auto",
            impl="imgtk_restore.auto:Auto",
            summary="Measure noise, JPEG blocks, blur and darkness, and remove what there is.",
            params=(
                Param(
                    "like",
                    ImageFile(),
                    "Measure this image for all; `imgtk plan` then shows what is done.",
                    default=None,
                ),
            ),
            weights=("denoise", "jpeg", "deblur"),
        ),
        OpSpec(
            name="inpaint:network",
            impl="imgtk_restore.inpaint:NetworkInpaint",
            summary="Fill masked parts by a network that continues lines and edges.",
            params=(*_where, Param("model", Weights(), "Name of weights, or a file.", default="inpaint")),
            trainer="imgtk_restore.fill_trainer:InpaintTrainer",
            weights=("inpaint",),
        ),
        OpSpec(
            name="outpaint",
            impl="imgtk_restore.outpaint:Outpaint",
            summary="Add margins that continue the image, made of patches of it.",
            params=(
                *(
                    Param(side, Margin(), f"What to add {where}: pixels, or a percentage.", positional=True)
                    for side, where in (
                        ("left", "on the left"),
                        ("top", "above"),
                        ("right", "on the right"),
                        ("bottom", "below"),
                    )
                ),
                Param("seed", Integer(0), "Seed of what is invented; by default --seed.", default=None),
            ),
        ),
        _inpainter("telea", "Fill masked parts by Telea's method, for thin and small objects."),
        _inpainter("ns", "Fill masked parts along lines of equal brightness (Navier-Stokes)."),
    ]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("RestorationNet", "imgtk_restore.detect:restoration", "imgtk", "restore:denoise"),
        Architecture("ColouriseNet", "imgtk_restore.detect:colouriser", "imgtk", "restore:colourise"),
        Architecture("InpaintNet", "imgtk_restore.detect:inpainting", "imgtk", "inpaint:network"),
    ]
