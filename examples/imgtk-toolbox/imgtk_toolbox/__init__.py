"""A command, presets and public weights. This module imports no library: the command does."""

from imgtk import hookimpl
from imgtk.command import Command
from imgtk.preset import Preset
from imgtk.weights.public import PublicModel


@hookimpl
def imgtk_presets() -> list[Preset]:
    return [
        Preset(
            "postcard",
            "resize:area width=1748 height=1240 fit=shrink | adjust:saturation 1.15",
            "For a postcard at 300 dpi: at most 148 by 105 mm, and brighter colours.",
            {"dpi": 300, "format": "jpg"},
        )
    ]


@hookimpl
def imgtk_commands() -> list[Command]:
    return [Command("sizes", "imgtk_toolbox.command:sizes", "Print the sizes of images.")]


@hookimpl
def imgtk_public_weights() -> list[PublicModel]:
    return [
        PublicModel(
            name="4x_Example",
            summary="A made-up address: put that of weights here, which an architecture of yours or imgtk's can read.",
            url="https://example.org/4x_Example.pth",
            architecture="RRDBNet",
            scale=4,
            licence="CC-BY-4.0",
        )
    ]
