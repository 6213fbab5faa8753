"""Composition: layers, text, alpha, and plain images to begin with. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from imgtk.dimensions import Dimensions
from imgtk.geometry import GRAVITIES
from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, Colour, File, Flag, ImageInput, Integer, Number, Param, Text

MODES = ("normal", "multiply", "screen", "overlay", "darken", "lighten", "difference")
FAR = 999_999
"""Pixels from which on a place makes no sense."""


def _spec(name: str, impl: str, summary: str, *params: Param, **more: Any) -> OpSpec:
    return OpSpec(name, f"imgtk_compose.{impl}", summary, params, **more)


def _other(image: str) -> tuple[Param, Param]:
    """Return another image: of the pipeline, or a file."""
    return (
        Param("image", ImageInput(), f"{image}: @name or ( chain ).", default=None, positional=True),
        Param("file", File(), f"{image}, as a file instead.", default=None, positional=True),
    )


def _place(gravity: str, margin: int) -> tuple[Param, ...]:
    return (
        Param("x", Integer(-FAR, FAR), "Left edge in pixels; overrides gravity.", default=None),
        Param("y", Integer(-FAR, FAR), "Top edge in pixels; overrides gravity.", default=None),
        Param("gravity", Choice(tuple(GRAVITIES)), "Position in the image.", default=gravity),
        Param("margin", Integer(0, FAR), "Distance from the edge of the image, in pixels.", default=margin),
    )


def _opacity(default: float, **more: Any) -> Param:
    return Param("opacity", Number(0, 1), "0 is transparent, 1 opaque.", default=default, **more)


LAYERS = (
    _spec(
        "overlay",
        "overlay:Overlay",
        "Overlay another image.",
        *_other("The image on top"),
        *_place("center", 0),
        Param("scale", Number(0.001, 100), "Factor for the size of the overlay.", default=1.0),
        _opacity(1.0),
        Param("mode", Choice(MODES), "How its colours act on those below.", default="normal"),
        preset={"relative": False},
    ),
    _spec(
        "watermark",
        "overlay:Overlay",
        "Add a watermark.",
        *_other("The watermark"),
        *_place("south-east", 10),
        Param("scale", Number(0.001, 10), "Width of the watermark, as a share of the image's width.", default=0.2),
        _opacity(0.4),
        preset={"relative": True, "mode": "normal"},
    ),
    _spec(
        "text",
        "overlay:Text",
        "Write text on the image.",
        Param("text", Text(), "What; \\n begins another line.", positional=True),
        Param("font", File(), "A font file, such as DejaVuSans.ttf; by default Pillow's own font.", default=None),
        Param("size", Number(1, 4096), "Size of the letters, in pixels.", default=32.0),
        *_place("south", 10),
        Param("colour", Colour(), "Colour of the letters.", default=(1.0, 1.0, 1.0)),
        Param("outline", Colour(), "Colour of an outline, which keeps the text legible anywhere.", default=None),
        _opacity(1.0),
    ),
)

ALPHA = (
    _spec(
        "mask",
        "opacity:Mask",
        "Set the opacity from another image: black is transparent.",
        *_other("The mask"),
        Param("invert", Flag(), "Make white transparent instead.", default=False),
    ),
    _spec("alpha:remove", "opacity:Remove", "Remove transparency and show hidden colours."),
    _spec("alpha:set", "opacity:Set", "Give all pixels the same opacity.", _opacity(1.0, positional=True)),
    _spec(
        "alpha:from-luma",
        "opacity:FromLuma",
        "Make dark colours transparent.",
        Param(
            "invert", Flag(), "Make bright colours transparent instead, such as the paper of a drawing.", default=False
        ),
    ),
    _spec(
        "background",
        "opacity:Background",
        "Fill transparency with a colour.",
        Param("colour", Colour(), "Colour behind the image.", positional=True),
    ),
)


SIZE = Param("size", Dimensions(), "Size such as 512x512; by default that of the input.", default=None, positional=True)

GENERATORS = (
    _spec(
        "generate:colour",
        "generate:Plain",
        "Create an image of one colour.",
        SIZE,
        Param("colour", Colour(), "Colour of the image.", default=(1.0, 1.0, 1.0), positional=True),
        generates=True,
    ),
    _spec(
        "generate:gradient",
        "generate:Gradient",
        "Create a gradient between two colours.",
        SIZE,
        Param("direction", Choice(("down", "right", "out")), "out: from the middle.", default="down", positional=True),
        Param("start", Colour(), "First colour.", default=(0.0, 0.0, 0.0), positional=True),
        Param("end", Colour(), "Last colour.", default=(1.0, 1.0, 1.0), positional=True),
        generates=True,
    ),
    _spec(
        "generate:noise",
        "generate:Noise",
        "Create noise around middle gray.",
        SIZE,
        Param("grain", Number(0, 20), "Size of the grain in pixels; 0 for single pixels.", default=0.0),
        Param("colour", Flag(), "Coloured noise instead of gray.", default=False),
        Param("seed", Integer(0, (1 << 31) - 1), "Seed of the noise; by default --seed.", default=None),
        generates=True,
    ),
)


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return [*LAYERS, *ALPHA, *GENERATORS]
