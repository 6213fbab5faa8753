"""Colours and textures of another image, without networks: `style:colour` and `style:texture`. Imports no torch."""

from __future__ import annotations

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.painting import KEEP_COLOUR, MASK, STRENGTH
from imgtk.params import Choice, ImageFile, Integer, Number, Param

COLOUR = OpSpec(
    name="style:colour",
    impl="imgtk_transfer.colour:ColourTransfer",
    summary="Transfer the colours of another image (optimal transport, Reinhard).",
    params=(
        Param("image", ImageFile(), "Image with the colours.", positional=True),
        STRENGTH,
        Param(
            "method",
            Choice(("transport", "reinhard")),
            "transport matches the distribution of colours; reinhard matches mean and spread of each channel.",
            default="transport",
            positional=True,
        ),
    ),
)

TEXTURE = OpSpec(
    name="style:texture",
    impl="imgtk_transfer.texture:TextureTransfer",
    summary="Assemble the image from pieces of another (image quilting).",
    params=(
        Param("image", ImageFile(), "Image with the texture.", positional=True),
        STRENGTH,
        KEEP_COLOUR,
        MASK,
        Param("size", Integer(64, 4096), "Longest side in pixels at which to search for pieces.", default=800),
        Param("block", Integer(8, 512), "Side of the largest pieces in pixels, at that size.", default=32),
        Param("style-size", Number(0.1, 8), "Size of the texture relative to the image.", default=1.0),
        Param("steps", Integer(1, 8), "Passes over the image, each with smaller pieces.", default=4),
        Param("coherence", Number(0, 1), "How much pieces match their neighbours rather than the image.", default=0.2),
        Param("seed", Integer(0), "Seed of the choice between equally good pieces; by default --seed.", default=None),
    ),
)


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [COLOUR, TEXTURE]
