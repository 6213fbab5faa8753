"""Paired translation (pix2pix): `translate:sketch2photo`, and what makes such sketches. Imports no torch."""

from __future__ import annotations

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.painting import MASK, STRENGTH
from imgtk.params import REQUIRED, Number, Param, Weights
from imgtk.weights.architecture import Architecture

TRAINER = "imgtk_pix2pix.trainer:PairedTrainer"

SKETCH = OpSpec(
    name="translate:photo2sketch",
    impl="imgtk_pix2pix.op:PhotoToSketch",
    summary="Draw a pencil sketch, such as sketch2photo takes.",
    params=(
        Param("radius", Number(0.3, 50), "Width of the strokes, in pixels.", default=3.0, positional=True),
        Param("pressure", Number(0, 4), "Darkness of the strokes.", default=1.0),
        Param("lines", Number(0, 4), "Darkness of the outlines.", default=1.0),
        Param("shade", Number(0, 1), "Darkness of the shading.", default=0.25),
        Param("colour", Number(0, 1), "Strength of the crayon colours; 0 for none.", default=0.0),
    ),
)

PHOTO = OpSpec(
    name="translate:sketch2photo",
    impl="imgtk_pix2pix.op:SketchToPhoto",
    summary="Turn a pencil sketch into a photo (pix2pix).",
    params=(
        STRENGTH,
        MASK,
        Param("scale", Number(0.25, 4), "Size of the drawing's strokes: larger for a thick pencil.", default=1.0),
    ),
    preset={"model": "sketch2photo"},
    trainer=TRAINER,
    weights=("sketch2photo",),
)

OWN = OpSpec(
    name="translate:pix2pix",
    impl="imgtk_pix2pix.op:Translate",
    summary="Translate with your own or a third-party pix2pix network.",
    params=(Param("model", Weights(), "A .safetensors or .pth file.", positional=True, default=REQUIRED), STRENGTH),
    trainer=TRAINER,
)


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [SKETCH, PHOTO, OWN]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("SmoothUNet", "imgtk_pix2pix.detect:smooth", "imgtk", "translate:pix2pix"),
        Architecture(
            "TransposedUNet", "imgtk_pix2pix.detect:transposed", "pytorch-CycleGAN-and-pix2pix", "translate:pix2pix"
        ),
    ]
