"""Style by Gram matrices: trained networks (`style:monet` …) and optimisation (`style:gram`). Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from imgtk.hookspecs import hookimpl
from imgtk.op import REQUIRED, File, Flag, Integer, Number, OpSpec, Param, ParamType, Text
from imgtk.weights.architecture import Architecture

STYLES = {
    "monet": "Paint as Claude Monet painted the Woman with a Parasol.",
    "starry-night": "Paint as Vincent van Gogh painted The Starry Night.",
    "great-wave": "Print as Katsushika Hokusai printed The Great Wave off Kanagawa.",
    "composition": "Paint as Wassily Kandinsky painted Composition VII.",
}
"""The shipped styles: `style:NAME`, and one file of weights each."""


@dataclass(frozen=True)
class CommaList(ParamType):
    """Several values of one type, separated by commas; the value is a tuple."""

    item: ParamType

    def convert(self, value: object) -> tuple[Any, ...]:
        if isinstance(value, str):
            value = [word.strip() for word in value.split(",")]
        items = value if isinstance(value, (list, tuple)) else [value]
        if not items or not all(self.item.accepts(item) for item in items):
            raise self._fail(value)
        return tuple(self.item.convert(item) for item in items)

    def describe(self) -> str:
        return f"{self.item.describe()}, or several separated by commas"

    def format(self, value: tuple[Any, ...]) -> str:
        return ",".join(self.item.format(item) for item in value)


STRENGTH = Param(
    "strength", Number(0, 1), "How much of the style: 0 leaves the picture as it is.", default=1.0, positional=True
)
KEEP_COLOUR = Param("keep-colour", Flag(), "Keep the picture's colours and take only the style's light.", default=False)
TRAINER = "imgtk_gramstyle.trainer:StyleTrainer"


def _trained(name: str, summary: str) -> OpSpec:
    return OpSpec(
        name=f"style:{name}",
        impl="imgtk_gramstyle.op:Stylise",
        summary=summary,
        params=(STRENGTH, KEEP_COLOUR),
        preset={"model": name},
        colours=True,
        trainer=TRAINER,
        weights=(name,),
    )


OWN = OpSpec(
    name="style:fast",
    impl="imgtk_gramstyle.op:Stylise",
    summary="Paint with a style network that you trained.",
    params=(Param("model", Text(), "Its .safetensors file.", positional=True, default=REQUIRED), STRENGTH, KEEP_COLOUR),
    colours=True,
    trainer=TRAINER,
)

GRAM = OpSpec(
    name="style:gram",
    impl="imgtk_gramstyle.gram:GramStyle",
    summary="Paint in the style of any picture, by optimisation (Gatys).",
    params=(
        Param("image", CommaList(File()), "The style picture, or several.", positional=True),
        STRENGTH,
        KEEP_COLOUR,
        Param("weights", CommaList(Number(0)), "How much of each style picture; equal if left out.", default=None),
        Param("steps", Integer(1, 100_000), "Steps of the optimiser.", default=200),
        Param("size", Integer(32, 8192), "Longest side at which strokes are painted.", default=640),
        Param("style-size", Number(0.1, 8), "Size of the style picture relative to the painted one.", default=1.5),
        Param("style", Number(0), "Weight of the style.", default=10.0),
        Param("content", Number(0), "Weight of the content.", default=2.0),
        Param("tv", Number(0), "Weight of smoothness (total variation).", default=30.0),
        Param("seed", Integer(0), "Of the random shifts.", default=0),
        Param("backbone", Text(), "Feature network: imgtk, or a SqueezeNet or VGG file.", default="imgtk"),
    ),
    colours=True,
    trainer="imgtk_gramstyle.distil:FeatureTrainer",
)


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [Architecture("StyleNetwork", "imgtk_gramstyle.detect:style_network", "imgtk", "style:fast")]


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [*(_trained(name, summary) for name, summary in STYLES.items()), OWN, GRAM]
