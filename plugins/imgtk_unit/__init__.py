"""Translation between photos and paintings by UNIT (`translate:unit`). This module imports no torch."""

from __future__ import annotations

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.painting import KEEP_COLOUR, MASK, SCALE, SEED, STRENGTH
from imgtk.params import Choice, Param, Weights
from imgtk.weights.architecture import Architecture


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        OpSpec(
            name="translate:unit",
            impl="imgtk_unit.op:Translate",
            summary="Turn photos into paintings by Monet, or paintings into photos (UNIT).",
            params=(
                Param(
                    "to",
                    Choice(("painting", "photo")),
                    "Domain of the result: painting is the second of the model (b), photo the first (a).",
                    default="painting",
                    positional=True,
                ),
                Param("model", Weights(), "Name of weights, or a file.", default="unit-monet"),
                STRENGTH,
                SCALE,
                KEEP_COLOUR,
                MASK,
                SEED,
            ),
            trainer="imgtk_unit.trainer:UNITTrainer",
            weights=("unit-monet",),
        )
    ]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [Architecture("UNIT", "imgtk_unit.detect:unit", "imgtk, UNIT", "translate:unit", inputs=2)]
