"""Print the table of the recipes that the built-in plugins ship, as it stands in docs/training.md."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from imgtk.errors import TrainingError
from imgtk.op import OpSpec
from imgtk.registry import default
from imgtk.training.recipe import load_recipe, shipped_recipes
from imgtk.training.trainer import trainer_type

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def table() -> list[str]:
    """Return the lines of the table: of each recipe the operator to train, and what it makes."""
    registry = default()
    names = [name for plugin in registry.plugins if plugin.distribution == "imgtk" for name in plugin.operators]
    operators: dict[Path, list[OpSpec]] = {}
    for spec in map(registry.spec, sorted(names)):
        for path in shipped_recipes(spec).values():
            operators.setdefault(path, []).append(spec)
    lines = ["| recipe | operator | makes |", "|---|---|---|"]
    for path in sorted(operators, key=lambda path: (path.parent.parent.name, path.name)):
        summary = tomllib.loads(path.read_text(encoding="utf-8"))["summary"]
        lines.append(f"| `{path.stem}` | `{best(path, operators[path]).name}` | {summary} |")
    return lines


def fits(spec: OpSpec, recipe: Path) -> bool:
    """Return whether the operator's trainer knows all settings of the recipe."""
    assert spec.trainer
    try:
        load_recipe(trainer_type(spec.trainer).recipe_type, recipe, {})
    except TrainingError:
        return False
    return True


def best(recipe: Path, operators: list[OpSpec]) -> OpSpec:
    """Return the operator whose name begins the recipe's; if there is none, the one whose trainer the fewest share."""
    trainers = Counter(spec.trainer for spec in operators)
    fitting = [spec for spec in operators if fits(spec, recipe)]
    if not fitting:
        raise SystemExit(f"no operator can be trained by the recipe {recipe.stem}")

    def rank(spec: OpSpec) -> tuple[bool, int]:
        return recipe.stem.startswith(spec.name.partition(":")[2]), -trainers[spec.trainer]

    return max(fitting, key=rank)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    print("\n".join(table()))
