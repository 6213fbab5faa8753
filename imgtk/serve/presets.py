"""Pipelines that the page offers by name."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from imgtk.errors import ImgtkError, UsageError
from imgtk.language.graph import Graph
from imgtk.serve.problem import Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["SHIPPED", "Preset", "read_presets", "usable"]

SHIPPED = Path(__file__).with_name("presets.toml")

log = logging.getLogger("imgtk.serve")


@dataclass(frozen=True)
class Preset:
    """A pipeline with a name.

    Attributes:
        name: what the page shows.
        pipeline: its text.
        summary: what it does, on one line.
    """

    name: str
    pipeline: str
    summary: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def read_presets(path: Path) -> list[Preset]:
    """The presets of a TOML file: `[[preset]]` with `name`, `pipeline` and, if you like, `summary`.

    Raises:
        UsageError: if the file cannot be read, or says something else.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return [Preset(**entry) for entry in table["preset"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read the presets in {path}: {what}", hint="See docs/serve.md.") from None


def usable(presets: list[Preset], parse: Callable[[str], Graph]) -> list[Preset]:
    """The presets whose pipelines `parse` takes; of the others the log tells."""
    found = []
    for preset in presets:
        try:
            parse(preset.pipeline)
        except (ImgtkError, Problem) as error:
            log.info("the preset %r is left out: %s", preset.name, error)
        else:
            found.append(preset)
    return found
