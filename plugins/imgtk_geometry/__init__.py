"""Geometry: crops, margins, turns, sizes and grids. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from imgtk.geometry import GRAVITIES
from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, CommaList, Flag, ImageInput, Integer, Number, Param
from imgtk_geometry.params import Fill

MOST = 1 << 20
"""Longest side that can be asked for, in pixels: it bounds the memory that a typing slip asks for."""
INPUTS = 16
"""Images that a montage takes."""


def _spec(name: str, impl: str, summary: str, *params: Param, **more: Any) -> OpSpec:
    return OpSpec(name, f"imgtk_geometry.{impl}", summary, params, **more)


def _side(name: str, help: str, **more: Any) -> Param:
    return Param(name, Integer(1, MOST), help, positional=True, **more)


def _gravity(words: Iterable[str], help: str) -> Param:
    return Param("gravity", Choice(tuple(words)), help, default="center")


def _fill(help: str) -> Param:
    return Param("colour", Fill(), help, default=(0.0, 0.0, 0.0, 1.0))


def _margin(help: str) -> Param:
    return Param("margin", Integer(1, MOST), help, positional=True)


SPECS = (
    _spec(
        "crop",
        "canvas:Crop",
        "Keep a part of the image.",
        _side("width", "Of the part, in pixels.", default=None),
        _side("height", "Of the part, in pixels.", default=None),
        Param("x", Integer(0, MOST), "Its left edge, instead of gravity.", default=None),
        Param("y", Integer(0, MOST), "Its top edge, instead of gravity.", default=None),
        _gravity((*GRAVITIES, "smart"), "Where it lies; smart: where the image shows most."),
        Param("box", CommaList(Integer(0, MOST)), "left,top,right,bottom instead of all these.", default=None),
    ),
    _spec(
        "pad",
        "canvas:Pad",
        "Put the image on a larger canvas.",
        _side("width", "Of the canvas, in pixels."),
        _side("height", "Of the canvas, in pixels."),
        _fill("Of the canvas."),
        _gravity(GRAVITIES, "Where the image lies on it."),
    ),
    _spec(
        "border",
        "canvas:Border",
        "Add a margin of one colour.",
        _margin("On each side, in pixels."),
        _fill("Of the margin."),
    ),
    _spec(
        "extend",
        "canvas:Extend",
        "Add a margin that goes on with the image.",
        _margin("On each side, in pixels."),
        Param(
            "mode",
            Choice(("reflect", "repeat", "edge")),
            "reflect: the image mirrored; repeat: the image again; edge: its last pixel.",
            default="reflect",
            positional=True,
        ),
    ),
    _spec(
        "flip",
        "canvas:Flip",
        "Mirror the image.",
        Param(
            "direction",
            Choice(("h", "v", "both")),
            "h: left and right; v: top and bottom.",
            default="h",
            positional=True,
        ),
    ),
    _spec("transpose", "canvas:Transpose", "Exchange rows and columns."),
    _spec(
        "rotate",
        "warp:rotate",
        "Turn the image, exactly by quarters.",
        Param("degrees", Number(-36000, 36000), "Counter-clockwise.", positional=True),
        Param("expand", Flag(), "Show all of it; no keeps the size and cuts the corners off.", default=True),
        _fill("Of the empty corners."),
    ),
    _spec(
        "straighten",
        "warp:Straighten",
        "Turn the image a little, and cut its corners upright.",
        Param("degrees", Number(-45, 45), "Counter-clockwise.", positional=True),
    ),
    _spec(
        "perspective",
        "warp:Perspective",
        "Make a rectangle of a quadrilateral, such as a photographed page.",
        Param(
            "corners",
            CommaList(Number(-MOST, MOST)),
            "x,y of its top left, top right, bottom right and bottom left corner, in pixels.",
            positional=True,
        ),
    ),
    _spec(
        "fit",
        "fit:Fit",
        "Bring any image to a size without distorting it.",
        _side("width", "In pixels."),
        _side("height", "In pixels."),
        Param(
            "mode",
            Choice(("cover", "contain", "inside")),
            "cover: cut off what does not fit; contain: add margins; inside: neither, one side may be shorter.",
            default="cover",
            positional=True,
        ),
        _gravity(GRAVITIES, "What is kept, or where the image lies."),
        _fill("Of the margins."),
    ),
    _spec(
        "montage",
        "montage:Montage",
        "Lay several images on a grid.",
        *(
            Param(f"image{i}" if i > 1 else "image", ImageInput(), "A further image.", default=None, positional=True)
            for i in range(1, INPUTS)
        ),
        Param("columns", Integer(1, INPUTS), "Of the grid; without it, one row.", default=None),
        Param("gap", Integer(0, MOST), "Between the images, in pixels.", default=0),
        _fill("Behind the images."),
    ),
)


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return SPECS
