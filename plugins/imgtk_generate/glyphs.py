"""How glyphs are laid out: in cells, on sheets and in words. This module imports no torch."""

from __future__ import annotations

import string

__all__ = ["BASELINE", "CAPITAL", "CELL", "CHARACTERS", "COLUMNS"]

CHARACTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits
"""What the network draws, in the order of its classes."""
CELL = 64
"""Side in pixels of a glyph's cell, in which it lies in the middle."""
BASELINE = 46
"""Rows of a cell above the baseline."""
CAPITAL = 34
"""Height of capitals in pixels of a cell."""
COLUMNS = 8
"""Cells side by side on a sheet."""
