"""Region arithmetic against a brute-force reading of what it promises."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cached_property

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from imgtk.engine.region import Need, needs, tiles, union
from imgtk.geometry import Box, Geometry, Size, Window, cut
from imgtk.op import Facts, ImageOp


class Fake(ImageOp):
    def __init__(self, geometry: Geometry, position_dependent: bool = False) -> None:
        self._geometry = geometry
        self.facts = Facts(position_dependent=position_dependent)

    @cached_property
    def geometry(self) -> Geometry:
        return self._geometry

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x


def need(op: ImageOp, box: Box, size: Size) -> tuple[Need, Window]:
    (found,), window = needs(op, box, [size], op.output_size(size))
    return found, window


@st.composite
def cases(draw: st.DrawFn) -> tuple[Fake, Size, Box]:
    scale = draw(st.sampled_from([Fraction(1), Fraction(2), Fraction(4), Fraction(1, 2), Fraction(3)]))
    multiple = draw(st.sampled_from([1, 2, 4, 7]))
    op = Fake(Geometry(scale, draw(st.integers(0, 9)), multiple))
    size = Size(draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    out = op.output_size(size)
    left, top = draw(st.integers(0, out.width - 1)), draw(st.integers(0, out.height - 1))
    box = Box(left, top, draw(st.integers(left + 1, out.width)), draw(st.integers(top + 1, out.height)))
    return op, size, box


@given(cases())
def test_what_is_taken_covers_the_region_and_its_halo(case: tuple[Fake, Size, Box]) -> None:
    op, size, box = case
    needed, window = need(op, box, size)
    image = torch.arange(size.pixels, dtype=torch.float32).reshape(1, 1, size.height, size.width)
    taken = needed.take(cut(image, needed.box), needed.box)

    geometry, window = op.geometry, window.input
    assert taken.shape[3] % geometry.multiple == 0
    assert taken.shape[2] % geometry.multiple == 0
    assert taken.shape[2:] == (window.size.height, window.size.width)
    assert needed.box.left >= 0
    assert needed.box.right <= size.width
    assert window.left <= max(0, box.left / geometry.scale - geometry.halo)
    assert window.right >= min(size.width, box.right / geometry.scale + geometry.halo)
    inside = cut(taken, Box(0, 0, size.width - window.left, size.height - window.top))
    expected = cut(image, Box(window.left, window.top, window.right, window.bottom))
    assert torch.equal(inside[..., : expected.shape[2], : expected.shape[3]], expected)
    assert needed.covered == window


def test_the_end_of_a_image_is_mirrored_about_its_last_pixel() -> None:
    op = Fake(Geometry(multiple=8))
    needed, _ = need(op, Box(0, 0, 5, 1), Size(5, 1))
    row = needed.take(torch.arange(5.0).reshape(1, 1, 1, 5), Box(0, 0, 5, 1))
    assert row[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    assert row.shape == (1, 1, 8, 8)


def test_a_tile_at_the_end_mirrors_as_the_whole_image_does() -> None:
    op, size = Fake(Geometry(multiple=8)), Size(9, 8)
    image = torch.arange(72.0).reshape(1, 1, 8, 9)
    whole, _ = need(op, Box.of(size), size)
    part, _ = need(op, Box(8, 0, 9, 8), size)
    taken = whole.take(image, Box.of(size))
    assert torch.equal(part.take(cut(image, part.box), part.box), taken[..., 8:])


@given(cases(), st.booleans(), st.booleans())
def test_a_periodic_image_goes_on_at_its_other_end(case: tuple[Fake, Size, Box], across: bool, down: bool) -> None:
    """What is taken is a region of copies laid side by side, large enough for the halo."""
    plain, size, box = case
    geometry = replace(plain.geometry, periodic=(across, down))
    needed, placed = need(Fake(geometry), box, size)
    image = torch.arange(size.pixels, dtype=torch.float32).reshape(1, 1, size.height, size.width)
    taken = needed.take(cut(image, needed.box), needed.box)

    window = placed.input
    assert taken.shape[2:] == (window.size.height, window.size.width)
    assert all(edge % geometry.multiple == 0 for edge in window)
    assert union(Box.of(size), needed.box) == Box.of(size)
    rows = [i % size.height for i in range(window.top, window.bottom)]
    columns = [i % size.width for i in range(window.left, window.right)]
    expected = image[:, :, rows][..., columns]
    if across:
        assert window.left <= box.left / geometry.scale - geometry.halo
        assert window.right >= box.right / geometry.scale + geometry.halo
    else:
        expected, taken = expected[..., : size.width - window.left], taken[..., : size.width - window.left]
    if down:
        assert window.top <= box.top / geometry.scale - geometry.halo
        assert window.bottom >= box.bottom / geometry.scale + geometry.halo
    else:
        expected, taken = expected[:, :, : size.height - window.top], taken[:, :, : size.height - window.top]
    assert torch.equal(taken, expected)


def test_position_dependent_operators_follow_the_ratio_of_the_sizes() -> None:
    op = Fake(Geometry(Fraction("2.5"), halo=2), position_dependent=True)
    needed, window = need(op, Box(100, 0, 150, 10), Size(101, 7))
    assert window.input.left == 100 * 101 // 253 - 2
    assert needed.rows is None


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 99), st.integers(1, 99))
def test_tiles_cover_every_pixel_once(width: int, height: int, side: int, other: int) -> None:
    boxes = tiles(Size(width, height), Size(side, other))
    cover = torch.zeros(1, 1, height, width)
    for box in boxes:
        assert box.size.width <= side
        assert box.size.height <= other
        cut(cover, box).add_(1)
    assert (cover == 1).all()


def test_tiles_are_nearly_equal() -> None:
    widths = {box.size.width for box in tiles(Size(101, 10), Size(50, 50))}
    assert max(widths) - min(widths) <= 1


@pytest.mark.parametrize(("first", "expected"), [(None, (2, 2, 4, 4)), (Box(0, 3, 1, 9), (0, 2, 4, 9))])
def test_union(first: Box | None, expected: tuple[int, int, int, int]) -> None:
    assert union(first, Box(2, 2, 4, 4)) == expected
