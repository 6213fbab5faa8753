"""A small world of operators, one for each kind of parameter."""

from __future__ import annotations

from fractions import Fraction

import pytest

from imgtk.op import OpSpec
from imgtk.params import Choice, Colour, File, Flag, ImageInput, Integer, Number, Param, Scale, Text
from imgtk.registry import Registry

SPECS = (
    OpSpec(
        "upscale:bicubic",
        "nowhere:Class",
        "",
        (
            Param("scale", Scale(minimum=Fraction(1)), "", positional=True),
            Param("model", File(), "", default=None),
        ),
    ),
    OpSpec("upscale:esrgan", "nowhere:Class", "", (Param("scale", Scale(), "", default=Fraction(4), positional=True),)),
    OpSpec(
        "style:monet",
        "nowhere:Class",
        "",
        (
            Param("strength", Number(0, 1), "", default=1.0),
            Param("keep-colour", Flag(), "", default=False),
        ),
    ),
    OpSpec(
        "blend",
        "nowhere:Class",
        "",
        (
            Param("image", ImageInput(), "", positional=True),
            Param("alpha", Number(0, 1), "", default=0.5),
        ),
    ),
    OpSpec(
        "mix",
        "nowhere:Class",
        "",
        (
            Param("first", ImageInput(), "", positional=True),
            Param("amount", Number(), "", default=1.0, positional=True),
            Param("second", ImageInput(), "", positional=True),
            Param("mask", ImageInput(), ""),
        ),
    ),
    OpSpec(
        "label",
        "nowhere:Class",
        "",
        (
            Param("size", Integer(1), "", default=12, positional=True),
            Param("text", Text(), "", positional=True),
            Param("second-text", Text(), "", default="", positional=True),
            Param("place", Choice(("top", "bottom")), "", default="top"),
            Param("ink", Colour(), "", default=(0.0, 0.0, 0.0)),
            Param("bold", Flag(), "", default=False),
            Param("boxed", Flag(), "", default=True, positional=True),
        ),
    ),
)


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.of(*SPECS)
