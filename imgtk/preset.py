"""`Preset`: a pipeline under a name, with options for the run. Imports no library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["OptionValue", "Preset"]

OptionValue = bool | int | float | str
"""What an option may be set to, in a preset or in `imgtk.toml`."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Preset:
    """A pipeline under a name: `imgtk run :NAME in.jpg`.

    Attributes:
        name: in lower case letters, digits and hyphens.
        pipeline: text in imgtk's language.
        summary: one line, shown by `imgtk presets`.
        options: of `imgtk run`, by their long names without hyphens in front: `{"quality": 90}`. They are defaults:
            what the command line says comes first.
        origin: the distribution or the file that it is from; imgtk fills it in.

    Raises:
        ValueError: for a name or a pipeline that is none.
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
