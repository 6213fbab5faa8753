"""The files that `save` stages write: their names, and whether they can be written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imgtk.engine.plan import Plan
from imgtk.errors import UsageError
from imgtk.io import check_target
from imgtk.io.options import WriteOptions
from imgtk.language.graph import SAVE, Graph

__all__ = ["NAME", "check_saves", "save_files"]

NAME = "{name}"
"""Stands for the image's name in the files of `save` stages."""


def save_files(graph: Graph, name: str | None) -> dict[int, Path]:
    """Return the files that `save` stages write for an image of that name, by the stage's id.

    Raises:
        UsageError: if one of them has `{name}` in it, and there is no name.
    """
    files = {index: str(node.params["file"]) for index, node in enumerate(graph.nodes) if node.op == SAVE}
    if name is None and any(NAME in file for file in files.values()):
        raise UsageError(f"`save` needs a {NAME}, and the image has none", hint="Pass name= with the image.")
    return {index: Path(file.replace(NAME, name or "")) for index, file in files.items()}


def check_saves(plan: Plan, files: Mapping[int, Path], *, overwrite: bool, has_alpha: bool, sixteen_bit: bool) -> None:
    """Find what would keep `save` stages from writing, before anything is computed; `has_alpha` is of the input.

    Raises:
        WriteError: as `check_target`.
        UsageError: if two stages would write one file.
    """
    taken: set[Path] = set()
    alphas = plan.alphas(has_alpha)
    for index, file in files.items():
        size = plan.stages[index].size
        path = check_target(
            file, WriteOptions(overwrite=overwrite), has_alpha=alphas[index], sixteen_bit=sixteen_bit, size=size
        )
        if path.resolve() in taken:
            raise UsageError(f"two save stages would write {path.resolve()}", hint="Give each a file of its own.")
        taken.add(path.resolve())
