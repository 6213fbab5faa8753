"""Painting and upscaling in one pass: `stylize-sr:monet`. This module imports no torch."""

from __future__ import annotations

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.painting import SEED
from imgtk.upscaling import MODEL, SCALE, TILEABLE
from imgtk.weights.architecture import Architecture


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        OpSpec(
            name="stylize-sr:monet",
            impl="imgtk.upscaling.op:Upscale",
            summary="Turn a small photo into a large painting in the style of Claude Monet.",
            params=(SCALE, MODEL, TILEABLE, SEED),
            preset={"models": {4: "monet-x4"}, "package": "imgtk_stylizesr"},
            trainer="imgtk_stylizesr.trainer:StylizeSR",
            weights=("monet-x4",),
        )
    ]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("StyleUpscaler", "imgtk_stylizesr.detect:style_upscaler", "imgtk", "stylize-sr:monet"),
        Architecture("PaintingUpscaler", "imgtk_stylizesr.detect:painting_upscaler", "imgtk", "stylize-sr:monet"),
    ]
