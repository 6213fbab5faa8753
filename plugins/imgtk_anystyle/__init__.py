"""Style of any image in one pass: `style:any`. Imports no torch."""

from __future__ import annotations

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.painting import KEEP_COLOUR, MASK, SCALE, SEED, STRENGTH
from imgtk.params import CommaList, ImageFile, Number, Param, Weights
from imgtk.weights.architecture import Architecture

ANY = OpSpec(
    name="style:any",
    impl="imgtk_anystyle.op:AnyStyle",
    summary="Paint in the style of any image, in one pass (AdaIN).",
    params=(
        Param("image", CommaList(ImageFile()), "The style image, or several.", positional=True),
        STRENGTH,
        KEEP_COLOUR,
        MASK,
        SCALE,
        SEED,
        Param("weights", CommaList(Number(0)), "Share of each style image; equal by default.", default=None),
        Param("style-size", Number(0.1, 8), "Size at which style images are read: 2 doubles it.", default=1.0),
        Param("model", Weights(), "Name of weights, or a .safetensors file.", default="any"),
    ),
    trainer="imgtk_anystyle.trainer:AnyStyleTrainer",
    weights=("any",),
)


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [Architecture("AnyStyleNetwork", "imgtk_anystyle.detect:any_style_network", "imgtk", "style:any", inputs=2)]


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [ANY]
