"""`check_op` lets good operators pass and names the promise that a bad one breaks."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor

from imgtk.errors import ParameterError
from imgtk.geometry import Geometry, Window, cut
from imgtk.op import Facts, ImageOp, OpSpec, Planes
from imgtk.params import Number, Param
from imgtk.testing import check_op, sample_image

COUNTER = count()


class Honest(ImageOp):
    """Doubles the size by repeating pixels."""

    facts = Facts(needs_float32=True)

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(scale=Fraction(2))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


class Plain(ImageOp):
    @cached_property
    def geometry(self) -> Geometry:
        return Geometry()


class WrongSize(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x[..., :1]


class Mutates(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x.mul_(0.5)


class Random(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * 0.5 + next(COUNTER) % 5 * 0.1


class NotFinite(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x / 0


class OutOfRange(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * 255


class Layout(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * 0.5 if x.is_contiguous(memory_format=torch.channels_last) else x


class NoHalo(Plain):
    facts = Facts(needs_float32=True)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(x, 5, 1, 2, count_include_pad=False)


class Position(Plain):
    facts = Facts(needs_float32=True)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * torch.linspace(0, 1, x.shape[3])


class Coarse(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return (x + 64) - 64


class Nothing(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return None  # type: ignore[return-value]


class Double(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x.double()


class WidensHalf(Plain):
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x if x.dtype == torch.float32 else x.half()


class Tints(Plain):
    facts = Facts(needs_float32=True)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * torch.tensor([1, 0.9, 0.7], device=x.device)[:, None, None]


class NotGray(Plain):
    facts = Facts(gray=True, may_add_colour=True)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x


class Forgets(Plain):
    facts = Facts(needs_float32=True)

    def __init__(self) -> None:
        self.gains = torch.full((1, 3, 1, 1), 0.5)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x * self.gains


class Undecided(Plain):
    """Through the engine, which calls `render`, it gives something else."""

    facts = Facts(needs_float32=True)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        return cut(inputs[0] / 2, window.inner)


class Moves(Plain):
    """Alpha stays where it was in tiles: they are flipped each by itself."""

    facts = Facts(needs_float32=True, planes=Planes.ALL)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.cat([x[:, :3], x[:, 3:].flip(3)], 1)


def spec(implementation: type, **kwargs: Any) -> OpSpec:
    return OpSpec("test:it", f"{__name__}:{implementation.__name__}", "For a test.", **kwargs)


def test_a_good_operator_passes() -> None:
    check_op(spec(Honest))


@pytest.mark.parametrize(
    ("implementation", "message"),
    [
        (WrongSize, "output_size"),
        (Mutates, "changes its input"),
        (Random, "called again"),
        (NotFinite, "NaN or infinite"),
        (OutOfRange, "nominally 0..1"),
        (Layout, "memory layout"),
        (NoHalo, r"tiles of 24 differ from the whole .* at x = "),
        (Position, "tiles of 24 differ from the whole"),
        (Coarse, "needs_float32"),
        (Nothing, "gives NoneType"),
        (Double, "gives torch.float64"),
        (WidensHalf, "gives torch.float16, but must give torch.bfloat16"),
        (Undecided, "the engine gives something else than a call"),
        (Moves, "with alpha: tiles of 24 differ"),
        (NotGray, r"it promises Facts.gray"),
    ],
)
def test_a_broken_promise_is_named(implementation: type, message: str) -> None:
    with pytest.raises(AssertionError, match=message) as caught:
        check_op(spec(implementation), sizes=[(61, 33)])
    assert str(caught.value).startswith("test:it on a 61x33 image")


def test_colour_from_gray_is_found() -> None:
    with pytest.raises(AssertionError, match=r"a gray 9x5 image: the output is in colour, by 0\..*may_add_colour"):
        check_op(spec(Tints), sizes=[(9, 5)])


def test_what_to_forgets_is_found() -> None:
    with pytest.raises(AssertionError, match=r"test:it: to\(\) does not move all that the operator keeps"):
        check_op(spec(Forgets), sizes=[(9, 5)])


def test_wrong_parameters_are_the_callers_mistake() -> None:
    number = Param("strength", Number(0, 1), "How much.", default=1.0)
    with pytest.raises(ParameterError, match="strength"):
        check_op(spec(Honest, params=(number,)), strength=2)


def test_images_are_the_same_each_time() -> None:
    assert torch.equal(sample_image(9, 5), sample_image(9, 5))
    assert not torch.equal(sample_image(9, 5), sample_image(9, 5, seed=1))
    gray = sample_image(1, 7, gray=True)
    assert gray.shape == (1, 3, 7, 1)
    assert torch.equal(gray[:, :1].expand_as(gray), gray)
