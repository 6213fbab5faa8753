"""`upscale:realesrgan` for imgtk. This module is imported to list operators, so it imports no torch."""

from imgtk import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Choice, Param
from imgtk.upscaling import CONSISTENCY, SCALE, TILEABLE, TTA

NETWORK = Param(
    "network",
    Choice(("x4plus", "anime", "video")),
    "x4plus for photos, anime for drawings, video for frames of drawn films (the fastest).",
    default="x4plus",
    positional=True,
)


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        OpSpec(
            name="upscale:realesrgan",
            impl="imgtk_realesrgan.op:RealESRGAN",
            summary="Upscale by Real-ESRGAN's public weights, for images with noise and compression.",
            params=(NETWORK, SCALE, TTA, TILEABLE, CONSISTENCY),
        )
    ]
