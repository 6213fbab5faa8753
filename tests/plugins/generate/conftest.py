"""A small network of glyphs, and sheets of fonts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from imgtk_generate.glyph_network import GlyphVAE
from imgtk_generate.glyphs import CELL, CHARACTERS, COLUMNS


@pytest.fixture(scope="session")
def glyph_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, which draw blots that differ by character and style."""
    torch.manual_seed(0)
    network = GlyphVAE(4, 3)
    with torch.no_grad():
        network.last.weight.mul_(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope="session")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six sheets whose glyphs are rectangles: the character is the place, the font is the width of the line."""
    folder = tmp_path_factory.mktemp("sheets")
    side = 2 * CELL
    for font in range(6):
        sheet = Image.new("L", (COLUMNS * side, -(-len(CHARACTERS) // COLUMNS) * side), 255)
        pen = ImageDraw.Draw(sheet)
        for index in range(len(CHARACTERS)):
            left, top = index % COLUMNS * side + 10 + index, index // COLUMNS * side + 20 + index // 2
            pen.rectangle((left, top, left + 40, top + 50), outline=0, width=4 + 2 * font)
        sheet.save(folder / f"{font}.png")
    return folder
