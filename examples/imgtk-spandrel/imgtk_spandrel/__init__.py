"""`upscale:spandrel` for imgtk. This module is imported to list operators, so it imports neither torch nor spandrel."""

from imgtk import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Param, Text
from imgtk.upscaling import SCALE, TILEABLE, TTA


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        OpSpec(
            name="upscale:spandrel",
            impl="imgtk_spandrel.op:SpandrelUpscale",
            summary="Upscale by any network that spandrel knows (SwinIR, HAT, DAT …).",
            params=(SCALE, Param("model", Text(), "A .safetensors or .pth file."), TTA, TILEABLE),
        )
    ]
