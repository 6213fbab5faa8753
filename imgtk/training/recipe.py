"""Recipes: the hyper-parameters of a training run, from a trainer's defaults, a TOML file and `--set key=value`."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from imgtk.errors import TrainingError
from imgtk.op import OpSpec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["OPTIMIZERS", "SCHEDULES", "Recipe", "load_recipe", "recipe_file", "shipped_recipes"]

SCHEDULES = ("cosine", "linear")
"""Values of `Recipe.schedule`."""
OPTIMIZERS = ("adam", "muon")
"""Values of `Recipe.optimizer`."""


@dataclass(frozen=True)
class Recipe:
    """The settings of every run. Trainers subclass it with fields of their own; the defaults are their standard recipe.

    Attributes:
        name: name of the weights that the run exports.
        steps: number of updates.
        schedule: how the learning rate falls to zero over them: "cosine", or "linear", which keeps it for the first
            half (Zhu et al. 2017, section 4).
        batch: crops per step, over all devices together.
        crop: side of a training crop in pixels of the target.
        optimizer: of the generator: "adam", or "muon", which learns faster on small budgets.
        lr: peak learning rate of the generator.
        warmup: steps over which the learning rate rises linearly to its peak.
        ema: decay of the exponential moving average of the generator's weights, which is validated and exported; 0
            switches it off.
        clip: largest gradient norm; 0 switches clipping off.
        seed: of initialisation and of the data order.
        validate_every, sample_every, checkpoint_every: intervals in steps; the last step does all three.
        held_out: number of training images kept for validation when no validation folder is given.
        init: weights to start from ("" for random initialisation).
        summary, licence, data: for the card of the weights: one line on them, their SPDX licence, and the sources of
            the training images, separated by "; ".
    """

    name: str = "model"
    summary: str = ""
    licence: str = "unstated"
    data: str = ""
    steps: int = 10_000
    schedule: str = "cosine"
    batch: int = 16
    crop: int = 192
    optimizer: str = "adam"
    lr: float = 5e-4
    warmup: int = 100
    ema: float = 0.999
    clip: float = 1.0
    seed: int = 0
    validate_every: int = 500
    sample_every: int = 500
    checkpoint_every: int = 250
    held_out: int = 8
    init: str = ""

    def __post_init__(self) -> None:
        for key in ("steps", "batch", "crop", "validate_every", "sample_every", "checkpoint_every", "held_out"):
            if getattr(self, key) < 1:
                raise TrainingError(f"{key} must be at least 1, got {getattr(self, key)}")
        if self.schedule not in SCHEDULES:
            raise TrainingError(f"unknown schedule {self.schedule!r}", hint=f"Available: {', '.join(SCHEDULES)}.")
        if self.optimizer not in OPTIMIZERS:
            raise TrainingError(f"unknown optimizer {self.optimizer!r}", hint=f"Available: {', '.join(OPTIMIZERS)}.")

    def lr_factor(self, step: int) -> float:
        """Return the learning rate of the update after `step` others, relative to its peak."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        if self.schedule == "linear":
            return min(1.0, 2 * (1 - progress))
        return 0.5 * (1 + math.cos(math.pi * progress))


R = TypeVar("R", bound=Recipe)


def load_recipe(kind: type[R], path: Path | None, overrides: Mapping[str, str]) -> R:
    """Return the recipe of type `kind` with the values of a TOML file (if any), and of `overrides`, put over its
    defaults.

    Raises:
        TrainingError: for an unreadable file, an unknown key (naming the nearest) or a value of the wrong type.
    """
    recipe = kind()
    if path is not None:
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise TrainingError(f"cannot read the recipe {path}: {error}") from None
        recipe = _updated(recipe, document, str(path))
    return _updated(recipe, overrides, "--set")


def shipped_recipes(spec: OpSpec) -> dict[str, Path]:
    """Return the TOML files in the folder `recipes` of the package that an operator's trainer is in, by name."""
    if spec.trainer is None:
        return {}
    folder = Path(str(resources.files(spec.trainer.partition(":")[0].partition(".")[0]))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def recipe_file(spec: OpSpec, recipe: str | None) -> Path | None:
    """Return the TOML file that `recipe` names: a path, or one of `shipped_recipes`; None for None.

    Raises:
        TrainingError: no shipped recipe has that name.
    """
    if recipe is None or Path(recipe).suffix == ".toml":
        return None if recipe is None else Path(recipe)
    shipped = shipped_recipes(spec)
    if recipe not in shipped:
        names = ", ".join(shipped) or "none"
        raise TrainingError(f"{spec.name} has no recipe {recipe!r}", hint=f"Available: {names}. Or give a .toml file.")
    return shipped[recipe]


def _updated(recipe: R, values: Mapping[str, Any], source: str) -> R:
    types = get_type_hints(type(recipe))
    known = {f.name for f in fields(recipe)}
    changes = {}
    for key, value in values.items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Available: {', '.join(sorted(known))}."
            raise TrainingError(f"{source}: this trainer has no setting {key!r}", hint=hint)
        changes[key] = _converted(value, types[key], f"{source}: {key}")
    return replace(recipe, **changes)


def _converted(value: Any, kind: type, where: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        raise TrainingError(f"{where}: expected {_WORDS.get(kind, kind)}, got {value!r}") from None


_WORDS: dict[type, str] = {bool: "true or false", float: "a number", int: "a whole number", str: "a text"}
