"""Text as an image, by Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import torch
from PIL import ImageDraw, ImageFont
from torch import Tensor

from imgtk.errors import ParameterError, ReadError

__all__ = ["drawn"]

LARGEST = 1 << 26
"""Pixels of a text at most."""
OUTLINE = 12
"""The part of the letters' size that their outline is wide."""

Colour = tuple[float, float, float]


def drawn(text: str, font: Path | None, size: float, colour: Colour, outline: Colour | None, gravity: str) -> Tensor:
    """Draw text on nothing.

    Args:
        text: its lines.
        font: a font file that FreeType reads; None for Pillow's own.
        size: of the letters, in pixels.
        colour, outline: (r, g, b), 0..1; no outline for None.
        gravity: lines begin together at its west, end together at its east, or have their middles together.

    Returns:
        (1, 4, H, W), as small as the text allows.

    Raises:
        ReadError: the font cannot be read.
        ParameterError: there is nothing to draw, or too much.
    """
    face = _face(font, size)
    align = "left" if "west" in gravity else "right" if "east" in gravity else "center"
    width = max(1, round(size / OUTLINE)) if outline else 0
    canvas = ImageDraw.Draw(PIL.Image.new("L", (1, 1)))
    left, top, right, bottom = canvas.multiline_textbbox((0, 0), text, face, align=align, stroke_width=width)
    across, down = int(np.ceil(right) - np.floor(left)), int(np.ceil(bottom) - np.floor(top))
    if not text.strip() or across <= 0 or down <= 0:
        raise ParameterError("text: there is nothing to draw", hint='Such as: text "Hello"')
    if across * down > LARGEST:
        raise ParameterError(
            f"text: it would have {across} x {down} pixels", hint=f"At most {LARGEST:,} pixels: choose a smaller size."
        )

    def mask(stroke: int) -> Tensor:
        image = PIL.Image.new("L", (across, down))
        place = (-float(np.floor(left)), -float(np.floor(top)))
        ImageDraw.Draw(image).multiline_text(place, text, 255, face, align=align, stroke_width=stroke)
        return torch.from_numpy(np.asarray(image, np.float32) / np.float32(255))[None, None]

    letters = mask(0)
    inside = torch.tensor(colour).view(1, 3, 1, 1).expand(-1, -1, down, across)
    if outline is None:
        return torch.cat([inside, letters], 1)
    return torch.cat([torch.lerp(torch.tensor(outline).view(1, 3, 1, 1), inside, letters), mask(width)], 1)


def _face(font: Path | None, size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if font is None:
        return ImageFont.load_default(size)
    try:
        return ImageFont.truetype(str(font), size)
    except (OSError, ValueError) as error:
        raise ReadError(
            f"text: the font {font} cannot be read: {error}", hint="Give a file such as DejaVuSans.ttf."
        ) from None
