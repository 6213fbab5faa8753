"""Composition: layers, text, alpha, and plain images to begin with. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from imgtk.geometry import GRAVITIES
from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, Colour, File, Flag, ImageInput, Integer, Number, Param, Text
from imgtk_compose.params import Dimensions

MODES = ("normal", "multiply", "screen", "overlay", "darken", "lighten", "difference")
FAR = 1 << 20
"""Pixels from which on a place makes no sense."""


def _spec(name: str, impl: str, summary: str, *params: Param, **more: Any) -> OpSpec:
    return OpSpec(name, f"imgtk_compose.{impl}", summary, params, **more)


def _other(image: str) -> tuple[Param, Param]:
    """Another image: of the pipeline, or a file."""
    return (
        Param("image", ImageInput(), f"{image}: @name or ( chain ).", default=None, positional=True),
        Param("file", File(), f"{image}, as a file instead.", default=None, positional=True),
    )


def _place(gravity: str, margin: int) -> tuple[Param, ...]:
    return (
        Param("x", Integer(-FAR, FAR), "Its left edge, in pixels, instead of gravity.", default=None),
        Param("y", Integer(-FAR, FAR), "Its top edge, in pixels, instead of gravity.", default=None),
        Param("gravity", Choice(tuple(GRAVITIES)), "Where it lies.", default=gravity),
        Param("margin", Integer(0, FAR), "Between it and the edge of the image, in pixels.", default=margin),
    )


def _opacity(default: float, **more: Any) -> Param:
    return Param("opacity", Number(0, 1), "0 is transparent, 1 opaque.", default=default, **more)


LAYERS = (
    _spec(
        "overlay",
        "overlay:Overlay",
        "Lay another image on this one.",
        *_other("The image on top"),
        *_place("center", 0),
        Param("scale", Number(0.001, 100), "Factor of its size.", default=1.0),
        _opacity(1.0),
        Param("mode", Choice(MODES), "How its colours act on those below.", default="normal"),
        preset={"relative": False},
    ),
    _spec(
        "watermark",
        "overlay:Overlay",
        "Lay a faint image on a corner.",
        *_other("The watermark"),
        *_place("south-east", 10),
        Param("scale", Number(0.001, 10), "Its width, as a part of the image's.", default=0.2),
        _opacity(0.4),
        preset={"relative": True, "mode": "normal"},
    ),
    _spec(
        "text",
        "overlay:Text",
        "Write on the image.",
        Param("text", Text(), "What; \\n begins another line.", positional=True),
        Param("font", File(), "A font file, such as DejaVuSans.ttf; by default Pillow's own font.", default=None),
        Param("size", Number(1, 4096), "Of the letters, in pixels.", default=32.0),
        *_place("south", 10),
        Param("colour", Colour(), "Of the letters.", default=(1.0, 1.0, 1.0)),
        Param("outline", Colour(), "Around the letters, so that they are legible anywhere.", default=None),
        _opacity(1.0),
    ),
)

ALPHA = (
    _spec(
        "mask",
        "opacity:Mask",
        "Make transparent what is black in another image.",
        *_other("The mask"),
        Param("invert", Flag(), "Make the white transparent instead.", default=False),
    ),
    _spec("alpha:remove", "opacity:Remove", "Drop transparency: hidden colours appear."),
    _spec("alpha:set", "opacity:Set", "Give all pixels the same opacity.", _opacity(1.0, positional=True)),
    _spec(
        "alpha:from-luma",
        "opacity:FromLuma",
        "Make the dark transparent.",
        Param("invert", Flag(), "Make the bright transparent instead, as the paper of a drawing.", default=False),
    ),
    _spec(
        "background",
        "opacity:Background",
        "Lay a transparent image on a colour.",
        Param("colour", Colour(), "Behind the image.", positional=True),
    ),
)


SIZE = Param("size", Dimensions(), "Such as 512x512; by default that of the input.", default=None, positional=True)

GENERATORS = (
    _spec(
        "generate:colour",
        "generate:Plain",
        "Make an image of one colour.",
        SIZE,
        Param("colour", Colour(), "Which.", default=(1.0, 1.0, 1.0), positional=True),
        generates=True,
    ),
    _spec(
        "generate:gradient",
        "generate:Gradient",
        "Make a gradient between two colours.",
        SIZE,
        Param("direction", Choice(("down", "right", "out")), "out: from the middle.", default="down", positional=True),
        Param("start", Colour(), "The first colour.", default=(0.0, 0.0, 0.0), positional=True),
        Param("end", Colour(), "The last colour.", default=(1.0, 1.0, 1.0), positional=True),
        generates=True,
    ),
    _spec(
        "generate:noise",
        "generate:Noise",
        "Make noise around middle gray.",
        SIZE,
        Param("grain", Number(0, 20), "Softness, in pixels; 0 for single pixels.", default=0.0),
        Param("colour", Flag(), "Whether red, green and blue differ.", default=False),
        Param("seed", Integer(0, (1 << 31) - 1), "Another one gives other noise; by default --seed.", default=None),
        generates=True,
    ),
)


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return [*LAYERS, *ALPHA, *GENERATORS]
