"""What the super-resolution plugins share: the operator, its parameters, trainers and degradations.

This module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from imgtk.op import OpSpec, Param, Scale, Text

__all__ = ["upscaler"]

PARAMS = (
    Param(
        "scale",
        Scale(minimum=Fraction(1)),
        "Output pixels per input pixel; what the network does not give is resampled.",
        default=Fraction(4),
        positional=True,
    ),
    Param("model", Text(), "Name of weights (see `imgtk models`), or a .safetensors or .pth file.", default=None),
)


def upscaler(
    method: str, summary: str, *, package: str, models: Mapping[int, str], trainer: str | None = None
) -> OpSpec:
    """The spec of `upscale:METHOD`, an operator around an `imgtk.upscaling.network.UpscalingNetwork`.

    Args:
        package: importable name of the package that ships the weights.
        models: names of the shipped weights by their native scale.
        trainer: "package.module:Class", a subclass of `imgtk.upscaling.trainer.FidelityTrainer`.
    """
    return OpSpec(
        name=f"upscale:{method}",
        impl="imgtk.upscaling.op:Upscale",
        summary=summary,
        params=PARAMS,
        preset={"models": dict(models), "package": package},
        trainer=trainer,
        weights=tuple(models.values()),
    )
