"""Public weights: where each file is, what it holds, and under which licence. Plugins bring them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["PublicModel", "read_public"]


@dataclass(frozen=True)
class PublicModel:
    """Weights that somebody has published.

    Attributes:
        name: what `imgtk models pull` takes, and then `model=`.
        summary: what it is for, on one line.
        url: address of the file.
        architecture: of the network in it, by the name that plugins give it.
        scale: output pixels per input pixel.
        licence: SPDX identifier that the file's project states.
        sha256: hex digest of the file, where one has been published; else "".
    """

    name: str
    summary: str
    url: str
    architecture: str
    scale: int
    licence: str
    sha256: str = ""

    @property
    def file(self) -> str:
        """Name of the file."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2])


def read_public(path: Path) -> list[PublicModel]:
    """Return the rows of a TOML file, tables called `models`, whose keys are those of `PublicModel`."""
    return [PublicModel(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["models"]]
