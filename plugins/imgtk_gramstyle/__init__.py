"""Style by Gram matrices: trained networks (`style:monet` …) and optimisation (`style:gram`). Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imgtk.command import Command
from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.painting import KEEP_COLOUR, MASK, SCALE, SEED, STRENGTH
from imgtk.params import REQUIRED, CommaList, ImageFile, Integer, Number, Param, Weights
from imgtk.preset import Preset
from imgtk.weights.architecture import Architecture

STYLES = {
    "monet": "Paint in the style of Claude Monet's Water Lilies.",
    "starry-night": "Paint in the style of Vincent van Gogh's The Starry Night.",
    "great-wave": "Print in the style of Katsushika Hokusai's The Great Wave off Kanagawa.",
    "composition": "Paint in the style of Wassily Kandinsky's Composition VII.",
    "scream": "Paint in the style of Edvard Munch's The Scream.",
    "mosaic": "Lay a mosaic in the style of a Roman one.",
    "engraving": "Engrave in the style of the Brothers Dalziel.",
    "pointillism": "Paint in dots, in the style of Paul Signac's La Calanque.",
    "water-lilies": "Paint in the style of Claude Monet's Water Lily Pond.",
    "wheat-field": "Paint in the style of Vincent van Gogh's Wheat Field with Cypresses.",
}
"""The shipped styles: `style:NAME`, and one file of weights each."""
HARSH = frozenset(("mosaic", "engraving"))
"""Styles of such contrast that bfloat16 would show."""


MIX = Param("mix", CommaList(Number(0, 1)), "Share of each style after the first; equal if left out.", default=None)
PAINTING = (STRENGTH, KEEP_COLOUR, MASK, SCALE, SEED)
STROKES = {"monet": 1.5}
"""Sizes of strokes that suit a style better than 1: Monet's smaller ones become dots where an image is flat."""
TRAINER = "imgtk_gramstyle.trainer:StyleTrainer"


def _blended(specs: Sequence[OpSpec]) -> OpSpec:
    """Return one style of several: `style:monet+great-wave mix=0.3`."""
    first, *others = (spec.preset["model"] for spec in specs)
    return replace(
        specs[0],
        name=f"style:{'+'.join([first, *others])}",
        summary="Paint in a style between several.",
        params=(MIX, *PAINTING),
        preset={"model": first, "others": others},
        trainer=None,
        weights=(first, *others),
    )


def _trained(name: str, summary: str) -> OpSpec:
    return OpSpec(
        name=f"style:{name}",
        impl="imgtk_gramstyle.op:Stylise",
        summary=summary,
        params=tuple(replace(p, default=STROKES.get(name, 1.0)) if p is SCALE else p for p in PAINTING),
        preset={"model": name},
        trainer=TRAINER,
        weights=(name,),
        blend=_blended,
    )


OWN = OpSpec(
    name="style:fast",
    impl="imgtk_gramstyle.op:Stylise",
    summary="Paint with your own or a third-party style network.",
    params=(Param("model", Weights(), "A .safetensors or .pth file.", positional=True, default=REQUIRED), *PAINTING),
    trainer=TRAINER,
)

GRAM = OpSpec(
    name="style:gram",
    impl="imgtk_gramstyle.gram:GramStyle",
    summary="Paint in the style of any image, by optimisation (Gatys).",
    params=(
        Param("image", CommaList(ImageFile()), "The style image, or several.", positional=True),
        STRENGTH,
        KEEP_COLOUR,
        MASK,
        Param("weights", CommaList(Number(0)), "Share of each style image; equal by default.", default=None),
        Param("steps", Integer(1, 100_000), "Steps of the optimiser.", default=200),
        Param("size", Integer(32, 8192), "Longest side in pixels at which to paint.", default=1024),
        Param("style-size", Number(0.1, 8), "Size of the style image relative to the painted image.", default=2.5),
        Param("style", Number(0), "Weight of the style.", default=10.0),
        Param("content", Number(0), "Weight of the content.", default=3.0),
        Param("palette", Number(0), "Weight of the style's colours.", default=1.0),
        Param("tv", Number(0), "Weight of smoothness (total variation).", default=30.0),
        Param("seed", Integer(0), "Seed of the random shifts; by default --seed.", default=None),
        Param("backbone", Weights(), "Feature network: imgtk, or a SqueezeNet or VGG file.", default="imgtk"),
    ),
    trainer="imgtk_gramstyle.distil:FeatureTrainer",
)


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("StyleNetwork", "imgtk_gramstyle.detect:style_network", "imgtk", "style:fast"),
        Architecture(
            "TransformerNet", "imgtk_gramstyle.detect:transformer_net", "PyTorch's fast_neural_style", "style:fast"
        ),
        Architecture(
            "Features",
            "imgtk.nn.features:recognise",
            "torchvision",
            "style:gram",
            parameter="backbone",
        ),
    ]


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [*(_trained(name, summary) for name, summary in STYLES.items()), OWN, GRAM]


@hookimpl
def imgtk_presets() -> list[Preset]:
    return [Preset(name, f"style:{name}", summary) for name, summary in STYLES.items()]


@hookimpl
def imgtk_commands() -> list[Command]:
    return [Command("styles", "imgtk_gramstyle.command:styles", "Paint an image in every style, on one sheet.")]
