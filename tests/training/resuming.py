"""A training, in one piece and in two."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import torch

from imgtk.op import OpSpec
from imgtk.training.run import train
from imgtk.weights import read_state


def losses(out: Path) -> list[tuple[str, str]]:
    """The figures in the log of a run, without times."""
    with (out / "log.csv").open() as file:
        return [(row["figure"], row["value"]) for row in csv.DictReader(file) if row["figure"] != "seconds"]


def trained_and_resumed(spec: OpSpec, data: Path, folder: Path, settings: Mapping[str, str]) -> Path:
    """Train in `folder` / "whole", and the same with a stop after two steps in `folder` / "parts", and check that
    losses and weights are equal. Returns the weights."""
    whole, parts = folder / "whole", folder / "parts"
    weights = train(spec, data, whole, overrides=settings, device="cpu", dtype="fp32")
    train(spec, data, parts, overrides=settings, device="cpu", dtype="fp32", stop_at=2)
    again = train(spec, data, parts, overrides=settings, device="cpu", dtype="fp32", resume=True)
    assert losses(parts) == losses(whole)
    ours, theirs = read_state(weights), read_state(again)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    return weights
