"""Geometry: crops, margins, turns, sizes and grids. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from imgtk.geometry import GRAVITIES
from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, CommaList, Flag, ImageInput, Integer, Number, Param
from imgtk_geometry.params import Fill

MOST = 999_999
"""Longest side that can be asked for, in pixels: it bounds the memory that a typing slip asks for."""
INPUTS = 16
"""Images that a grid takes."""
SMART = (*GRAVITIES, "smart")


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


GRID = (
    *(
        Param(f"image{i}" if i > 1 else "image", ImageInput(), "An additional image.", default=None, positional=True)
        for i in range(1, INPUTS)
    ),
    Param("columns", Integer(1, INPUTS), "Number of columns; one row by default.", default=None),
    Param("gap", Integer(0, MOST), "Gap between the images, in pixels.", default=0),
    _fill("Colour behind the images."),
)

SPECS = (
    _spec(
        "crop",
        "look:crop",
        "Crop the image.",
        _side("width", "Width of the crop, in pixels.", default=None),
        _side("height", "Height of the crop, in pixels.", default=None),
        Param("x", Integer(0, MOST), "Left edge in pixels; overrides gravity.", default=None),
        Param("y", Integer(0, MOST), "Top edge in pixels; overrides gravity.", default=None),
        _gravity(SMART, "Position of the crop; smart chooses the part with most detail."),
        Param("box", CommaList(Integer(0, MOST)), "left,top,right,bottom instead of all these.", default=None),
    ),
    _spec(
        "trim",
        "look:Trim",
        "Cut off a border of one colour, that of the top left pixel.",
        Param("fuzz", Number(0, 1), "Largest difference from that colour, in any channel.", default=0.0),
    ),
    _spec(
        "pad",
        "canvas:Pad",
        "Place the image on a larger canvas.",
        _side("width", "Width of the canvas, in pixels."),
        _side("height", "Height of the canvas, in pixels."),
        _fill("Colour of the canvas."),
        _gravity(GRAVITIES, "Position of the image on the canvas."),
    ),
    _spec(
        "border",
        "canvas:Border",
        "Add a margin of one colour.",
        _margin("Width on each side, in pixels."),
        _fill("Colour of the margin."),
    ),
    _spec(
        "extend",
        "canvas:Extend",
        "Add a margin that continues the image.",
        _margin("Width on each side, in pixels."),
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
    _spec("transpose", "canvas:Transpose", "Swap rows and columns."),
    _spec(
        "rotate",
        "warp:rotate",
        "Rotate the image, without loss by quarter turns.",
        Param("degrees", Number(-36000, 36000), "Angle in degrees, counter-clockwise.", positional=True),
        Param(
            "expand",
            Flag(),
            "Enlarge the canvas to show the whole image; no keeps the size and cuts off corners.",
            default=True,
        ),
        _fill("Colour of the empty corners."),
    ),
    _spec(
        "straighten",
        "warp:Straighten",
        "Straighten the image: rotate it slightly and crop the empty corners.",
        Param("degrees", Number(-45, 45), "Angle in degrees, counter-clockwise.", positional=True),
    ),
    _spec(
        "perspective",
        "warp:Perspective",
        "Map a quadrilateral, such as a photographed page, to a rectangle.",
        Param(
            "corners",
            CommaList(Number(-MOST, MOST)),
            "x,y of the top left, top right, bottom right and bottom left corner, in pixels.",
            positional=True,
        ),
    ),
    _spec(
        "fit",
        "look:fit",
        "Fit any image to a size without distortion.",
        _side("width", "Width in pixels."),
        _side("height", "Height in pixels."),
        Param(
            "mode",
            Choice(("cover", "contain", "inside")),
            "cover crops what does not fit; contain adds margins; inside does neither: one side may be shorter.",
            default="cover",
            positional=True,
        ),
        _gravity(SMART, "Part to keep, smart the one with most detail; or position of the image."),
        _fill("Colour of the margins."),
    ),
    _spec(
        "montage",
        "montage:Montage",
        "Arrange several images in a grid, at their own sizes.",
        *GRID,
    ),
    _spec(
        "tile-grid",
        "montage:TileGrid",
        "Arrange several images in a grid of equal cells, each scaled to cover its cell.",
        *GRID,
        Param("width", Integer(1, MOST), "Width of a cell; that of the first image by default.", default=None),
        Param("height", Integer(1, MOST), "Height of a cell; that of the first image by default.", default=None),
    ),
)


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return SPECS
