"""Style of any picture in one pass: `style:any`. Imports no torch."""

from __future__ import annotations

from imgtk.hookspecs import hookimpl
from imgtk.op import CommaList, File, Integer, Number, OpSpec, Param, Text
from imgtk.weights.architecture import Architecture

ANY = OpSpec(
    name="style:any",
    impl="imgtk_anystyle.op:AnyStyle",
    summary="Paint in the style of any picture, in one pass (AdaIN).",
    params=(
        Param("image", CommaList(File()), "The style picture, or several.", positional=True),
        Param(
            "strength",
            Number(0, 1),
            "How much of the style: 0 leaves the picture as it is.",
            default=1.0,
            positional=True,
        ),
        Param("weights", CommaList(Number(0)), "How much of each style picture; equal if left out.", default=None),
        Param("style-size", Integer(32, 4096), "Longest side at which style pictures are looked at.", default=512),
        Param("model", Text(), "Shipped weights, or a .safetensors file.", default="any"),
    ),
    colours=True,
    trainer="imgtk_anystyle.trainer:AnyStyleTrainer",
    weights=("any",),
)


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [Architecture("AnyStyleNetwork", "imgtk_anystyle.detect:any_style_network", "imgtk", "style:any")]


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [ANY]
