"""Images made from nothing, or from an example (`generate:`). This module imports no torch."""

from __future__ import annotations

from imgtk.dimensions import Dimensions
from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Flag, Integer, Number, Param, Text
from imgtk.weights.architecture import Architecture
from imgtk_generate.params import SCENE, Example, Seeds, model


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    seed = Integer(0, 2**31 - 1)
    return [
        OpSpec(
            name="generate:texture",
            impl="imgtk_generate.texture:Texture",
            summary="Make a texture of any size that looks like an example.",
            params=(
                Param(
                    "size",
                    Dimensions(),
                    "Such as 1024x1024; by default that of the input.",
                    default=None,
                    positional=True,
                ),
                Param("image", Example(), "The example: sand, fur, cloth, bark, clouds …", positional=True),
                Param("tileable", Flag(), "Whether it repeats itself without seams.", default=False),
                Param("seed", seed, "Another one gives another texture; by default --seed.", default=None),
            ),
            generates=True,
        ),
        OpSpec(
            name="generate:glyph",
            impl="imgtk_generate.glyph:Glyph",
            summary="Set a word in a style that no font has, black on white.",
            params=(
                Param("text", Text(), "Letters A to Z and a to z, digits, and spaces.", positional=True),
                Param(
                    "style",
                    Number(-1e6, 1e6),
                    "Which of the styles; between whole numbers lie those between two.",
                    default=0.0,
                ),
                Param("size", Integer(8, 4096), "Height of the image; capitals take half of it.", default=64),
                Param("truncation", Number(0, 2), "How unusual styles are: 0 is the mean of all fonts.", default=0.7),
                Param("seed", Seeds(), "Chooses the style; 1..8 are those of a clip. By default --seed.", default=None),
                Param("frames", Integer(1, 1000), "Frames of a clip that leads from seed to seed.", default=1),
                model("glyph"),
            ),
            generates=True,
            trainer="imgtk_generate.glyph_trainer:GlyphTrainer",
            weights=("glyph",),
        ),
        _scene(
            "landscape",
            "Make small landscapes that look like photos, or encode an image and vary it.",
            "gan_trainer:LandscapeTrainer",
        ),
        _scene(
            "vae",
            "Make small, blurred landscapes with a variational autoencoder, or encode an image and vary it.",
            "vae_trainer:VAETrainer",
        ),
        _scene(
            "vaegan",
            "Make small landscapes like paintings by Claude Monet, or encode an image and vary it.",
            "gan_trainer:VAEGANTrainer",
        ),
    ]


def _scene(name: str, summary: str, trainer: str) -> OpSpec:
    """Return the description of an operator that makes scenes, and whose default weights have its own name."""
    return OpSpec(
        name=f"generate:{name}",
        impl="imgtk_generate.scene:Scene",
        summary=summary,
        params=(*SCENE, model(name)),
        generates=True,
        trainer=f"imgtk_generate.{trainer}",
        weights=(name,),
    )


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("GlyphVAE", "imgtk_generate.detect:glyph", "imgtk", "generate:glyph"),
        Architecture("SceneVAE", "imgtk_generate.detect:scene_vae", "imgtk", "generate:vae"),
        Architecture("SceneVAEGAN", "imgtk_generate.detect:scene_vaegan", "imgtk", "generate:vaegan"),
    ]
