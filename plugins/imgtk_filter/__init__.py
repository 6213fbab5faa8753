"""`denoise:` without networks, and `filter:` for blur, edges and patterns. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, Flag, Integer, Number, Param

SIDES = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")


def _spec(name: str, impl: str, summary: str, *params: Param) -> OpSpec:
    return OpSpec(name, f"imgtk_filter.{impl}", summary, params)


def _number(name: str, low: float, high: float, help: str, default: float, positional: bool = True) -> Param:
    return Param(name, Number(low, high), help, default=default, positional=positional)


def _pixels(name: str, low: int, high: int, help: str, default: int, positional: bool = False) -> Param:
    return Param(name, Integer(low, high), help, default=default, positional=positional)


DENOISE = (
    _spec(
        "denoise:median",
        "denoise:Median",
        "Remove specks by a median filter.",
        _pixels("radius", 1, 2, "Radius of the square window: 1 for 3x3, 2 for 5x5.", 1, True),
    ),
    _spec(
        "denoise:bilateral",
        "denoise:Bilateral",
        "Smooth the image but not its edges (bilateral filter).",
        _number("strength", 0.001, 3, "Difference of colours that is smoothed, summed over R, G and B.", 0.15),
        _pixels("radius", 1, 50, "Radius of the window, in pixels.", 5),
    ),
    _spec(
        "denoise:nlm",
        "denoise:NonLocalMeans",
        "Average pixels with similar neighbourhoods (non-local means).",
        _number("strength", 0.001, 1, "Higher values remove more noise and more texture.", 0.05),
        _pixels("search", 1, 50, "Search radius, in pixels.", 10),
        _pixels("patch", 1, 10, "Radius of the compared neighbourhoods, in pixels.", 3),
    ),
    _spec(
        "denoise:wavelet",
        "denoise:Wavelet",
        "Remove noise of all sizes and keep sharp detail (wavelet shrinkage).",
        _number("strength", 0, 1, "Standard deviation of the noise.", 0.05),
        _pixels("levels", 1, 7, "Levels of the transform: the coarsest noise is about 2^levels pixels wide.", 4),
    ),
)

FILTERS = (
    _spec(
        "filter:gaussian",
        "kernels:Gaussian",
        "Blur by a Gaussian.",
        _number("radius", 0.1, 100, "Standard deviation in pixels.", 2),
    ),
    _spec(
        "filter:box",
        "kernels:Box",
        "Blur by averaging over a square.",
        _pixels("radius", 1, 1000, "The square's side is 2 radius + 1 pixels.", 2, True),
    ),
    _spec(
        "filter:edge",
        "kernels:Edge",
        "Show the edges, white on black.",
        Param("method", Choice(("sobel", "scharr", "prewitt")), "Edge detector.", default="sobel", positional=True),
        _number("amount", 0, 100, "Factor of brightness; 1 as in scikit-image.", 1),
    ),
    _spec(
        "filter:emboss",
        "kernels:Emboss",
        "Emboss: a gray relief of the image.",
        _number("amount", 0, 10, "Height of the relief.", 1),
        Param("light", Choice(SIDES), "Direction that the light comes from.", default="north-west", positional=True),
    ),
    _spec(
        "filter:detail",
        "kernels:Detail",
        "Enhance texture without halos along edges.",
        _number("amount", -1, 10, "Amount of texture to add; -1 removes it.", 1),
        _pixels("radius", 1, 100, "Largest size of texture, in pixels.", 4),
    ),
    _spec(
        "filter:pixelate",
        "patterns:Pixelate",
        "Pixelate, for example to hide a face.",
        _pixels("size", 1, 10000, "Side of a square, in pixels.", 16, True),
    ),
    _spec(
        "filter:halftone",
        "patterns:Halftone",
        "Render the image as halftone dots.",
        _number("cell", 2, 1000, "Distance between dots, in pixels.", 6),
        _number("angle", -360, 360, "Angle of the rows of dots, in degrees.", 45, positional=False),
        Param("colour", Flag(), "Print in cyan, magenta and yellow instead of black.", default=False),
    ),
    _spec(
        "filter:noise",
        "patterns:Noise",
        "Add film grain.",
        _number("amount", 0, 1, "Standard deviation.", 0.05),
        _number("size", 0, 20, "Size of the grain in pixels; 0 for single pixels.", 0.5, positional=False),
        Param("seed", Integer(0), "Seed of the grain; by default --seed.", default=None),
    ),
)


@hookimpl
def imgtk_operators() -> Iterable[OpSpec]:
    return [*DENOISE, *FILTERS]
