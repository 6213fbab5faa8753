"""`generate:glyph`: letters and words in a style that no font has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import floor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from imgtk.context import BuildContext
from imgtk.errors import ParameterError
from imgtk.frame import frame_number
from imgtk.geometry import Box, Size, Window
from imgtk.network_op import load_network
from imgtk.nn.resample import resample
from imgtk.op import Facts, ImageOp
from imgtk.weights.architecture import described
from imgtk_generate.codes import between, check_frames, drawn, mixed
from imgtk_generate.glyph_network import GlyphVAE, coverage
from imgtk_generate.glyphs import CELL, CHARACTERS

__all__ = ["Glyph"]

GAP = 5
"""Pixels of a cell between the ink of neighbours, and at both ends of a word."""
SPACE = 16
"""Width of a space."""


class Glyph(ImageOp):
    """Set a word, black on white, or a clip of it that leads from style to style.

    Args:
        text: letters A to Z and a to z, digits, and spaces.
        style: which of the styles that `seed` leads to; those between two whole numbers lead from one to the other.
        size: height of the image in pixels; capitals take about half of it.
        truncation: how far styles go from the mean of all fonts: 0 is that mean, 1 as far as fonts do.
        seed: first and last of the seeds of the styles; None for the pipeline's.
        frames: of the clip, whose first frame has the style of the first seed, and its last that of the last.
        model: name of shipped weights, or a file.
        context: of the pipeline that builds the operator.

    Raises:
        ParameterError: the text is empty, or has characters that the network does not draw; there are several seeds
            for one image, or fewer frames than seeds.
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(
        self,
        text: str,
        style: float,
        size: int,
        truncation: float,
        seed: tuple[int, int] | None,
        frames: int,
        model: str,
        *,
        context: BuildContext,
    ) -> None:
        unknown = sorted(set(text) - set(CHARACTERS) - {" "})
        if unknown:
            raise ParameterError(
                f"generate:glyph: unknown character {unknown[0]!r}", hint="Available: A to Z, a to z, 0 to 9 and space."
            )
        if not text.strip():
            raise ParameterError("generate:glyph: the text is empty", hint="For example: generate:glyph Hello")
        self.text, self.style, self.size, self.truncation, self.model = text, style, size, truncation, model
        first, last = (context.seed, context.seed) if seed is None else seed
        self.seeds, self.frames = range(first, last + 1), frames
        if len(self.seeds) > 1 or frames > 1:
            check_frames(self.seeds, frames)
        self.path = context.locate(model, "imgtk_generate")
        self.architectures = context.architectures

    @property
    def facts(self) -> Facts:
        return Facts(needs_float32=True, position_dependent=True, gray=True, seed=self.seeds[0], frames=self.frames)

    @property
    def weight_files(self) -> Sequence[Path]:
        return (self.path,)

    @cached_property
    def glyphs(self) -> GlyphVAE:
        """The network as stored."""
        return load_network(self.path, self.architectures, GlyphVAE, "which draws no glyphs").float()

    @cached_property
    def words(self) -> Sequence[Tensor]:
        """The field of the whole text for each frame, (1, 1, CELL, width), in parts of `REACH`. They are small, and
        computed on the CPU, so that they are the same on all devices."""
        return [self._word(between(self._codes, frame, self.frames)) for frame in range(self.frames)]

    @cached_property
    def width(self) -> int:
        """Width of the widest word in pixels of a cell, and even for clips."""
        widest = max(word.shape[3] for word in self.words)
        return widest + widest % 2 if self.frames > 1 else widest

    def _word(self, code: Tensor) -> Tensor:
        """Return the field of the text in the style of a code (1, style)."""
        needed = sorted(set(self.text) - {" "})
        characters = torch.tensor([CHARACTERS.index(character) for character in needed])
        with torch.inference_mode():
            styles = self.glyphs.draw_styles(self.truncation * code).expand(len(needed), -1)
            drawn = dict(zip(needed, self.glyphs(styles, characters), strict=True))
        inked = {}
        for character, field in drawn.items():
            columns = (field[0] > 0).any(0).nonzero().flatten().tolist() or [CELL // 2]
            inked[character] = (columns[0], columns[-1] + 1)
        pen, placed = GAP, []
        for character in self.text:
            if character == " ":
                pen += SPACE
                continue
            first, last = inked[character]
            placed.append((pen - first, drawn[character]))
            pen += last - first + GAP
        left = min([start for start, _ in placed] + [0])
        right = max([start + CELL for start, _ in placed] + [pen])
        canvas = torch.full((1, CELL, right - left), -1.0)
        for start, field in placed:
            part = canvas[..., start - left : start - left + CELL]
            torch.maximum(part, field, out=part)
        return canvas[None, ..., -left : pen - left]

    @property
    def _codes(self) -> Tensor:
        """The code of the style of each seed, (N, style)."""
        before = floor(self.style)
        one, other = (
            drawn([(seed * 1_000_003 + number) % 2**63 for seed in self.seeds], self.glyphs.style)
            for number in (before, before + 1)
        )
        return mixed(one, other, self.style - before)

    def output_size(self, *sizes: Size) -> Size:
        even = 2 if self.frames > 1 else 1  # few codecs take odd widths
        return Size(even * max(1, round(self.width * self.size / CELL / even)), self.size)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        word = self.words[frame_number()]
        room = self.width - word.shape[3]
        size = Size(self.width, CELL)
        whole = Window(window.output, window.output_size, Box.of(size), size)
        field = resample(
            pad(word, (room // 2, room - room // 2), value=-1.0), window.output_size, kernel="bicubic", window=whole
        )
        ink = coverage(field, self.size / CELL)
        return (1 - ink).expand(1, 3, -1, -1).to(self.device, self.dtype)

    def summary(self) -> Mapping[str, str]:
        return {"weights": self.model, "network": described(self.glyphs), "seed": str(self.seeds[0])}
