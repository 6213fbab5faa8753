"""Checkpoints of runs: `last.ckpt`, with everything for exact resuming, including random states."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imgtk.errors import TrainingError
from imgtk.training.recipe import Recipe

__all__ = ["random_state", "read_checkpoint", "restore_random", "write_checkpoint"]


def write_checkpoint(path: Path, recipe: Recipe, state: Mapping[str, Any]) -> None:
    """Write the recipe and the state of a run to `path`, which is complete or untouched."""
    part = path.with_suffix(".part")
    torch.save({"recipe": asdict(recipe), **state}, part)
    os.replace(part, path)


def read_checkpoint(path: Path, recipe: Recipe, device: torch.device) -> dict[str, Any]:
    """Return the state of a run from its checkpoint, on `device`.

    The intervals of validation, samples and checkpoints may change when a run is resumed. Settings that the checkpoint
    lacks are newer than it, and are not compared.

    Raises:
        TrainingError: it cannot be read, or was made with another recipe.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        then, now = state["recipe"], asdict(recipe)
    except Exception as error:
        raise TrainingError(
            f"cannot read the checkpoint {path}: {error}", hint="Start again in another --out."
        ) from None
    changed = [key for key in now if key in then and then[key] != now[key] and not key.endswith("_every")]
    if changed:
        raise TrainingError(
            f"{path} was made with another recipe: {', '.join(changed)} differ",
            hint="Resume with the recipe and settings the run was started with.",
        )
    return state


def random_state(data: torch.Generator, device: torch.device) -> dict[str, Any]:
    """Return the states of all random generators of a run: its own for the data, and those of torch, numpy and
    Python."""
    numpy_state = np.random.get_state(legacy=False)
    return {
        "data": data.get_state(),
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in numpy_state["state"].items()},
        "python": list(random.getstate()[1]),
    }


def restore_random(state: Mapping[str, Any], data: torch.Generator, device: torch.device) -> None:
    """Take back what `random_state` gave."""
    data.set_state(state["data"].cpu())
    torch.set_rng_state(state["torch"].cpu())
    if state["device"] is not None:
        torch.cuda.set_rng_state(state["device"].cpu(), device)
    mersenne = np.random.get_state(legacy=False)
    mersenne["state"] = {"key": np.array(state["numpy"]["key"], np.uint32), "pos": state["numpy"]["pos"]}
    np.random.set_state(mersenne)
    random.setstate((3, tuple(state["python"]), None))
