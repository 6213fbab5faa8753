"""Translation between photos and paintings that was learned without pairs: CycleGAN and CUT. Imports no torch."""

from __future__ import annotations

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.painting import KEEP_COLOUR, MASK, SCALE, SEED, STRENGTH
from imgtk.params import REQUIRED, Param, Weights
from imgtk.weights.architecture import Architecture

OPTIONS = (STRENGTH, SCALE, KEEP_COLOUR, MASK, SEED)
IMPL = "imgtk_cyclegan.op:Translate"
TRAINER = "imgtk_cyclegan.trainer:TranslationTrainer"


def _shipped(name: str, summary: str) -> OpSpec:
    return OpSpec(
        name=f"translate:{name}",
        impl=IMPL,
        summary=summary,
        params=OPTIONS,
        preset={"model": name},
        trainer=TRAINER,
        weights=(name,),
    )


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        _shipped("photo2monet", "Turn a photo into a painting by Claude Monet (CycleGAN)."),
        _shipped("monet2photo", "Turn a painting by Claude Monet into a photo (CycleGAN)."),
        OpSpec(
            name="translate:cyclegan",
            impl=IMPL,
            summary="Translate with your own or a third-party CycleGAN or CUT network.",
            params=(
                Param("model", Weights(), "A .safetensors or .pth file.", positional=True, default=REQUIRED),
                *OPTIONS,
            ),
            trainer=TRAINER,
        ),
    ]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    origins = "CycleGAN, CUT"
    return [
        Architecture("ResnetGenerator", "imgtk_cyclegan.detect:resnet_generator", origins, "translate:cyclegan"),
        Architecture("Painter", "imgtk_cyclegan.detect:painter", "imgtk", "translate:cyclegan"),
    ]
