"""Plain tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import click


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return left-aligned columns under a bold header; columns that are empty in all rows are left out."""
    cells = [[str(value) for value in row] for row in rows]
    kept = [i for i in range(len(header)) if any(row[i] for row in cells)]
    lines = [[header[i].upper() for i in kept], *([row[i] for i in kept] for row in cells)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([click.style(text[0], bold=True), *text[1:]])


def bytes_text(count: int) -> str:
    """Return 1536 -> "1.5 KiB"."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
