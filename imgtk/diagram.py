"""Draws graphs of operators as SVG, for notebooks and `imgtk plan --svg`. Imports no library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["DiagramNode", "svg"]

_LETTER, _LINE = 7.3, 17
"""Width of a letter and height of a line of the monospaced text, in pixels."""
_PADDING, _GAP_ACROSS, _GAP_DOWN, _MARGIN = 10, 44, 22, 8


@dataclass(frozen=True)
class DiagramNode:
    """A box of a diagram.

    Attributes:
        lines: its text; the first line is bold.
        inputs: the boxes that arrows come from, all before this one, by their places.
        stored: whether it has a double border.
    """

    lines: tuple[str, ...]
    inputs: tuple[int, ...] = ()
    stored: bool = False


def svg(nodes: Sequence[DiagramNode]) -> str:
    """Return the SVG text of a graph, drawn from left to right.

    Args:
        nodes: the boxes, in an order in which each comes after its inputs.
    """
    columns = _columns(nodes)
    sizes = [_size(node) for node in nodes]
    places: list[tuple[float, float]] = [(0, 0)] * len(nodes)
    left, bottom = float(_MARGIN), 0.0
    for column in range(max(columns, default=0) + 1):
        members = [index for index, at in enumerate(columns) if at == column]
        top = float(_MARGIN)
        for index in members:
            places[index] = (left, top)
            top += sizes[index][1] + _GAP_DOWN
        bottom = max(bottom, top - _GAP_DOWN)
        left += max(sizes[index][0] for index in members) + _GAP_ACROSS if members else 0
    width, height = left - _GAP_ACROSS + _MARGIN, bottom + _MARGIN
    arrows = [_arrow(places[s], sizes[s], places[i], sizes[i]) for i, node in enumerate(nodes) for s in node.inputs]
    boxes = [_box(node, place, size) for node, place, size in zip(nodes, places, sizes, strict=True)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12">',
            '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#777"/></marker></defs>',
            *arrows,
            *boxes,
            "</svg>\n",
        ]
    )


def _columns(nodes: Sequence[DiagramNode]) -> list[int]:
    """Return the column of each box: one more than that of its farthest input."""
    columns: list[int] = []
    for node in nodes:
        columns.append(max((columns[source] + 1 for source in node.inputs), default=0))
    return columns


def _size(node: DiagramNode) -> tuple[float, float]:
    longest = max((len(line) for line in node.lines), default=0)
    return longest * _LETTER + 2 * _PADDING, len(node.lines) * _LINE + 2 * _PADDING - 4


def _box(node: DiagramNode, place: tuple[float, float], size: tuple[float, float]) -> str:
    (left, top), (width, height) = place, size
    frame = f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="5" fill="#fff" stroke="#777"/>'
    if node.stored:
        frame += (
            f'<rect x="{left + 3:g}" y="{top + 3:g}" width="{width - 6:g}" height="{height - 6:g}" rx="3" '
            'fill="none" stroke="#777"/>'
        )
    rows = [
        f'<text x="{left + _PADDING:g}" y="{top + _PADDING + 9 + _LINE * number:g}" fill="#222" '
        f'font-weight="{"normal" if number else "bold"}">{escape(line)}</text>'
        for number, line in enumerate(node.lines)
    ]
    return frame + "".join(rows)


def _arrow(
    start: tuple[float, float], start_size: tuple[float, float], end: tuple[float, float], end_size: tuple[float, float]
) -> str:
    x0, y0 = start[0] + start_size[0], start[1] + start_size[1] / 2
    x1, y1 = end[0], end[1] + end_size[1] / 2
    middle = (x0 + x1) / 2
    curve = f"M{x0:g},{y0:g} C{middle:g},{y0:g} {middle:g},{y1:g} {x1 - 1:g},{y1:g}"
    return f'<path d="{curve}" fill="none" stroke="#777" marker-end="url(#arrow)"/>'
