"""Model cards: what a set of weights is, how it was made and what it scores, as TOML beside the weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import msgspec

from imgtk.errors import WeightsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Card"]


@dataclass(frozen=True)
class Card:
    """The model card of one set of weights.

    Attributes:
        name: as users write it (`model=NAME`); the stem of both files.
        summary: one line for `imgtk models`; may be empty.
        architecture: network and its size, "RRDBNet, 23 blocks, 16.7 M parameters".
        trained: one sentence: iterations, from what, on which machine.
        recipe: name of the recipe that makes the weights again; empty for third-party weights.
        licence: SPDX identifier of the weights' licence.
        data: the sources of the training images, each with its licence.
        scale: output pixels per input pixel; None for networks that keep the size.
        scores: by benchmark, the score by metric: `{"Set5": {"psnr_y": 31.5}}`.
        origin: the URL or the name of the file that third-party weights were converted from; empty for ours.
        origin_sha256: hex digest of that file; of a pair of ncnn's files, that of the `.bin`.
        sha256: hex digest of the weights file; `save` fills it in.
    """

    name: str
    summary: str
    architecture: str
    trained: str = "unstated"
    recipe: str = ""
    licence: str = "unstated"
    data: tuple[str, ...] = ()
    scale: int | None = None
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    origin: str = ""
    origin_sha256: str = ""
    sha256: str = ""

    @classmethod
    def read(cls, path: Path) -> Card:
        """Return the card in a TOML file; raises WeightsError if it is missing, no TOML, or no card."""
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            if unknown := table.keys() - {f.name for f in fields(cls)}:
                raise ValueError(f"unknown key {min(unknown)!r}")
            return msgspec.convert({"summary": "", **table}, cls)
        except (OSError, ValueError, msgspec.ValidationError) as error:  # ValueError: no TOML, no UTF-8, or ours
            raise WeightsError(f"{path} is not a readable card: {error}") from None

    def toml(self) -> str:
        """Return the card as TOML, without what is empty; `Card.read` gives it back."""
        table = asdict(self)
        scores = table.pop("scores")
        lines = [f"{key} = {_value(value)}" for key, value in table.items() if value not in (None, "", ())]
        for benchmark, row in scores.items():
            lines += ["", f"[scores.{_value(benchmark)}]"]
            lines += [f"{_value(metric)} = {_value(float(score))}" for metric, score in row.items()]
        return "\n".join(lines) + "\n"


def _value(value: str | float | tuple[str, ...]) -> str:
    """Return a TOML value. JSON strings are TOML strings, but for DEL, which TOML wants escaped."""
    if isinstance(value, tuple):
        return "[\n" + "".join(f"    {_value(item)},\n" for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
