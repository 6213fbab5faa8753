"""`adjust:lut`: a table of colours from a .cube file (Adobe, "Cube LUT Specification 1.0", 2013)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.errors import ParameterError, ReadError
from imgtk.nn.bands import in_bands
from imgtk.op import Facts
from imgtk_adjust.base import Adjustment

__all__ = ["Cube", "Lut", "read_cube"]

LARGEST = {"LUT_1D_SIZE": 65536, "LUT_3D_SIZE": 256}
"""Largest sizes in the specification."""
RANGES = ("LUT_1D_INPUT_RANGE", "LUT_3D_INPUT_RANGE")
"""Keywords of DaVinci Resolve instead of DOMAIN_MIN and DOMAIN_MAX."""


@dataclass(frozen=True, eq=False)
class Cube:
    """A table of colours.

    Attributes:
        table: (size, 3) for each channel alone, or (blue, green, red, 3), float32.
        low, high: the colours (3,) of its first and its last entry.
    """

    table: np.ndarray
    low: np.ndarray
    high: np.ndarray


def read_cube(path: Path) -> Cube:
    """Read a .cube file.

    Raises:
        ReadError: there is no such file, or it is not a complete table.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as lines:
            return _parsed(lines)
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ReadError(f"{path} is not a .cube file that can be used: {error}") from None


def _parsed(lines: Iterable[str]) -> Cube:
    """Return the table; raises ValueError, saying what is wrong."""
    domain = {"DOMAIN_MIN": [0.0] * 3, "DOMAIN_MAX": [1.0] * 3}
    kind, size = "", 0
    rows = iter(lines)
    first: list[str] = []
    for line in islice(rows, 1000):
        word, _, rest = line.strip().partition(" ")
        if word in LARGEST:
            if kind:
                raise ValueError(f"it has both {kind} and {word}")
            kind, size = word, int(rest)
            if not 2 <= size <= LARGEST[word]:
                raise ValueError(f"{word} {size} is not from 2 to {LARGEST[word]}")
        elif word in domain:
            domain[word] = _numbers(rest, 3)
        elif word in RANGES:
            domain = {name: [end] * 3 for name, end in zip(domain, _numbers(rest, 2), strict=True)}
        elif word and word[0] in "+-.0123456789":
            first = [line]
            break
    if not kind:
        raise ValueError("neither LUT_3D_SIZE nor LUT_1D_SIZE comes before its table")
    count = size if kind == "LUT_1D_SIZE" else size**3
    table = _table([*first, *(line for line in islice(rows, 2 * count) if _is_data(line))], count)
    low, high = np.array(domain["DOMAIN_MIN"], np.float32), np.array(domain["DOMAIN_MAX"], np.float32)
    if not (low < high).all():
        raise ValueError("DOMAIN_MIN is not below DOMAIN_MAX")
    return Cube(table if kind == "LUT_1D_SIZE" else table.reshape(size, size, size, 3), low, high)


def _is_data(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _numbers(text: str, count: int) -> list[float]:
    values = [float(word) for word in text.split()]
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"{text.strip()!r} is not {count} numbers")
    return values


def _table(rows: list[str], count: int) -> np.ndarray:
    if len(rows) != count:
        raise ValueError(f"its size asks for {count} colours, but it has {len(rows)}")
    values = [row.split() for row in rows]
    wrong = next((row for row, words in zip(rows, values, strict=True) if len(words) != 3), None)
    if wrong is not None:
        raise ValueError(f"{wrong.strip()[:60]!r} is not 3 numbers")
    table = np.array(values, np.float32)
    if not np.isfinite(table).all():
        raise ValueError("it has values that are not finite")
    return table


class Lut(Adjustment):
    """Look each colour up in a table, with linear interpolation in one or three dimensions.

    Args:
        file: the .cube file.
        strength: from 0 (the image itself) to 1.

    Raises:
        ReadError: see `read_cube`.
        ParameterError: the file is no .cube.
    """

    facts = Facts(batched=True, needs_float32=True, may_add_colour=True)

    def __init__(self, file: Path, strength: float) -> None:
        if file.suffix.lower() != ".cube":
            raise ParameterError(
                f"adjust:lut: {file} is not a .cube file", hint="Export the table as .cube: every grading program can."
            )
        self.file, self.strength = file, strength
        self.cube = read_cube(file)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        table = self.table.to(x)
        look_up = _by_channel if table.ndim == 2 else _by_colour

        def found(x: Tensor) -> Tensor:
            result = look_up(table, self.places(x))
            return result if self.strength == 1 else torch.lerp(x, result, self.strength)

        return in_bands(found, x)

    @cached_property
    def table(self) -> Tensor:
        table = torch.from_numpy(self.cube.table)
        return table if table.ndim == 2 else _atlas(table)

    def places(self, x: Tensor) -> list[Tensor]:
        """Return the red, green and blue of (N, 3, H, W) as places in the table: (N, H, W), from 0 to its last."""
        last = len(self.cube.table) - 1
        ends = zip(self.cube.low.tolist(), self.cube.high.tolist(), x.unbind(1), strict=True)
        return [((channel - low) * (last / (high - low))).clamp_(0, last) for low, high, channel in ends]

    def summary(self) -> Mapping[str, str]:
        return {"table": self.file.name}


def _atlas(table: Tensor) -> Tensor:
    """Return a table (blue, green, red, 3) as an image (1, 6, H, W) of its slices, one below the other: each with the
    colours of the next slice beside its own, and its last row twice, so that none runs into the next."""
    pairs = torch.cat([table, torch.cat([table[1:], table[-1:]])], 3)
    rows = torch.cat([pairs, pairs[:, -1:]], 1)
    return rows.flatten(0, 1).movedim(-1, 0)[None].contiguous()


def _by_colour(atlas: Tensor, places: Sequence[Tensor]) -> Tensor:
    """Interpolate trilinearly: `grid_sample` within slices, which is quicker than in three dimensions, and between
    two. It takes x and y from -1 to 1."""
    red, green, blue = places
    height, size = atlas.shape[2:]
    below = blue.floor().clamp_(max=size - 2)
    down = torch.add(green, below, alpha=size + 1)
    grid = torch.stack([red * (2 / (size - 1)) - 1, down * (2 / (height - 1)) - 1], -1)
    both = F.grid_sample(atlas.expand(len(red), -1, -1, -1), grid, padding_mode="border", align_corners=True)
    return torch.lerp(both[:, :3], both[:, 3:], (blue - below)[:, None])


def _by_channel(table: Tensor, places: Sequence[Tensor]) -> Tensor:
    channels = []
    for values, place in zip(table.unbind(1), places, strict=True):
        below = place.long().clamp_(max=len(table) - 2)
        channels.append(torch.lerp(values[below], values[below + 1], place - below))
    return torch.stack(channels, 1)
