"""`imgtk.operator`: operators from functions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

import imgtk
from imgtk.errors import ParameterError, PluginError
from imgtk.params import Number
from imgtk.registry import default
from imgtk.testing import check_op


@imgtk.operator("test:soft", halo=1)
def soft(x: Tensor, strength: Annotated[float, Number(0, 1)] = 1.0, *, sharp: bool = False) -> Tensor:
    """Average the neighbours.

    And more of it.
    """
    blurred = avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.lerp(x, blurred, -strength if sharp else strength)


@imgtk.operator("test:mixed")
def mixed(x: Tensor, other: Tensor, mode: Literal["mean", "max"] = "mean") -> Tensor:
    return (x + other) / 2 if mode == "mean" else torch.maximum(x, other)


def test_it_is_an_operator_like_others() -> None:
    spec = default().spec("test:soft")
    assert spec.summary == "Average the neighbours."
    assert [(p.name, p.positional) for p in spec.params] == [("strength", True), ("sharp", False)]
    check_op("test:soft", strength=0.5)
    check_op("test:mixed")


def test_in_a_pipeline() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    whole = imgtk.Pipeline("test:soft 0.5", device="cpu", dtype="fp32", tile="off")(pixels)
    tiled = imgtk.Pipeline("test:soft strength=0.5", device="cpu", dtype="fp32", tile=16)(pixels)
    assert np.array_equal(whole.pixels, tiled.pixels)
    mixed = imgtk.Pipeline("test:soft sharp | test:mixed @in max", device="cpu")(pixels)
    assert (mixed.pixels.astype(int) >= pixels.astype(int) - 2).all()
    with pytest.raises(ParameterError):
        default().build("test:soft", strength=2)


def test_it_is_still_the_function() -> None:
    x = torch.rand(1, 3, 4, 5)
    assert torch.equal(soft(x, strength=0), x)
    assert soft.spec is default().spec("test:soft")


def test_the_second_of_a_name_takes_its_place() -> None:
    for factor in (2, 3):

        @imgtk.operator("test:larger", scale=factor)
        def larger(x: Tensor, factor: int = factor) -> Tensor:
            return interpolate(x, scale_factor=factor)

        assert imgtk.Pipeline("test:larger", device="cpu")(np.zeros((2, 3), np.uint8)).size == (3 * factor, 2 * factor)


@pytest.mark.parametrize("name", ["upscale:esrgan", "Wrong Name", "save"])
def test_names_that_cannot_be_taken(name: str) -> None:
    with pytest.raises(PluginError):
        imgtk.operator(name)(lambda x: x)


def test_parameters_that_are_not_understood() -> None:
    def unclear(x: Tensor, amount, **more: float) -> Tensor:  # type: ignore[no-untyped-def]
        return x

    with pytest.raises(PluginError, match="'amount' is not understood"):
        imgtk.operator("test:unclear")(unclear)


def test_a_path_is_a_file() -> None:
    @imgtk.operator("test:reads")
    def reads(x: Tensor, file: Path) -> Tensor:
        return x

    assert default().build("test:reads", file="a.png").params == {"file": Path("a.png")}
