"""`Preset`: a named pipeline with options for the run. Imports no library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["OptionValue", "Preset"]

OptionValue = bool | int | float | str
"""The type of an option's value in a preset or in `imgtk.toml`."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Preset:
    """A named pipeline: `imgtk run :NAME in.jpg`.

    Attributes:
        name: lower case letters, digits and hyphens.
        pipeline: text in imgtk's language.
        summary: one line, shown by `imgtk presets`.
        options: of `imgtk run`, by their long names without leading hyphens: `{"quality": 90}`. The command line
            overrides them.
        origin: the distribution or the file that it is from; imgtk fills it in.

    Raises:
        ValueError: for an invalid name or pipeline.
    """

    name: str
    pipeline: str
    summary: str = ""
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    origin: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"preset name {self.name!r} is not in lower case letters, digits and hyphens")
        if not self.pipeline.strip():
            raise ValueError(f"preset {self.name}: the pipeline is empty")
