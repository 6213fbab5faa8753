"""A library for super-resolution plugins: the operator, its parameters, trainers and degradations.

This module imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from imgtk.op import OpSpec
from imgtk.params import Choice, Flag, Integer, Number, Param, ParamType, Scale, Weights

__all__ = ["CONSISTENCY", "MODEL", "SCALE", "TILEABLE", "TTA", "Mixture", "upscaler"]


class Mixture(ParamType):
    """Weights and their shares: `a.safetensors:0.8,b.safetensors:0.2`; the value is a tuple of (name, share).

    A share follows its part's last colon; names may hold colons (`C:\\models\\a.pth:1`) and commas. Python may also
    give the pairs, or a mapping. Shares are -1..2 (those beyond 0..1 extrapolate) and add up to 1 within `TOLERANCE`.
    """

    TOLERANCE = 1e-3

    _PART = re.compile(r"\s*([^\s,].*?):([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?:,|$)", re.DOTALL)

    def convert(self, value: object) -> tuple[tuple[str, float], ...]:
        pairs: Any = tuple(value.items()) if isinstance(value, Mapping) else value
        try:
            text = value if isinstance(value, str) else self.format(pairs)
        except (TypeError, ValueError):
            raise self._fail(value) from None
        parts: list[tuple[str, float]] = []
        position = 0
        while position < len(text) or not parts:
            part = self._PART.match(text, position)
            if not part:
                raise self._fail(value)
            parts.append((part[1], float(part[2])))
            position = part.end()
        if not isinstance(value, str) and parts != [(str(name), float(share)) for name, share in pairs]:
            raise self._fail(value)  # such names cannot be told from shares
        if not all(-1 <= share <= 2 for _, share in parts):
            raise ValueError(f"expected shares from -1 to 2, got {text!r}")
        total = sum(share for _, share in parts)
        if abs(total - 1) > self.TOLERANCE:
            raise ValueError(f"expected shares that add up to 1, but those of {text!r} add up to {total:g}")
        return tuple(parts)

    def describe(self) -> str:
        return "weights with shares that add up to 1: a:0.8,b:0.2"

    def reads(self, value: Sequence[tuple[str, float]]) -> list[str]:
        return [name for name, _ in value]

    def format(self, value: Sequence[tuple[str, float]]) -> str:
        return ",".join(f"{name}:{float(share)!r}" for name, share in value)


@dataclass(frozen=True)
class Views(Integer):
    """1, or 8."""

    def convert(self, value: object) -> int:
        number = super().convert(value)
        if number not in (1, 8):
            raise self._fail(value)
        return number

    def describe(self) -> str:
        return "1 or 8"


SCALE = Param(
    "scale",
    Scale(minimum=Fraction(1)),
    "Output pixels per input pixel. Scales that the network lacks are resampled.",
    default=Fraction(4),
    positional=True,
)
MODEL = Param(
    "model", Weights(), "Name of weights (see `imgtk models`), or a .safetensors, .pth or .param file.", default=None
)
INTERPOLATE = Param(
    "interpolate", Mixture(), "Instead of model=: networks to interpolate, each with its share.", default=None
)
DENOISE = Param(
    "denoise",
    Number(0, 1),
    "How much noise and JPEG artefacts to remove: 0 keeps them, 1 is the default.",
    default=None,
)
TTA = Param("tta", Views(), "8 averages over the rotations and flips of the image; takes 8 times as long.", default=1)
TILEABLE = Param(
    "tileable",
    Choice(("x", "y", "both")),
    "For textures: treat the image as periodic, so that no seam appears.",
    default=None,
)
CONSISTENCY = Param(
    "consistency",
    Flag(),
    "Keep low frequencies and flat areas as in the input; by default for shipped weights only.",
    default=None,
)


def upscaler(
    method: str,
    summary: str,
    *,
    package: str,
    models: Mapping[int, str],
    trainer: str | None = None,
    denoise: tuple[str, str] | None = None,
    others: Sequence[str] = (),
    cleans: Sequence[str] = (),
) -> OpSpec:
    """Return the spec of `upscale:METHOD`, an operator around an `imgtk.upscaling.network.UpscalingNetwork`.

    Args:
        package: importable name of the package that ships the weights.
        models: names of the shipped weights by their native scale.
        trainer: "package.module:Class", a subclass of `imgtk.upscaling.trainer.FidelityTrainer`.
        denoise: names of two shipped weights that interpolate well, one of which keeps what is wrong with an image
            and the other removes it. The operator then has the parameter `denoise`.
        others: names of further shipped weights, which are only taken when `model=` names them.
        cleans: names of shipped weights that remove noise and JPEG artefacts.
    """
    params = (SCALE, MODEL, INTERPOLATE, *([DENOISE] if denoise else []), TTA, TILEABLE, CONSISTENCY)
    weights = tuple(dict.fromkeys((*models.values(), *(denoise or ()), *others)))
    preset = {"models": dict(models), "package": package, "ships": weights, "cleans": tuple(cleans)}
    return OpSpec(
        name=f"upscale:{method}",
        impl="imgtk.upscaling.op:Upscale",
        summary=summary,
        params=params,
        preset={**preset, **({"denoise_pair": denoise} if denoise else {})},
        trainer=trainer,
        weights=weights,
    )
