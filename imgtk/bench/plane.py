"""The perception-distortion plane (Blau and Michaeli 2018) as SVG: how faithful a method is, and how right it looks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

__all__ = ["plane"]

WIDTH, HEIGHT = 640, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 20, 55
MARGIN = 0.12
"""Share of the range of values that is left free around the points."""

COLOURS = ("#0b6e99", "#c4501b", "#3c7d22", "#8a3fa0", "#a67c00", "#b3003c", "#00796b", "#555555")


def plane(points: Sequence[tuple[str, float, float]], x_label: str, y_label: str) -> str:
    """Return an `<svg>` element.

    Args:
        points: (name, x, y), finite; at least one.
        x_label, y_label: along the axes.
    """
    xs, ys = _Axis([x for _, x, _ in points]), _Axis([y for _, _, y in points])
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def across(value: float) -> float:
        return LEFT + xs.place(value) * (right - LEFT)

    def down(value: float) -> float:
        return bottom - ys.place(value) * (bottom - TOP)

    parts = [f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" class="frame"/>']
    for value, text in xs.ticks:
        x = across(value)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}" class="grid"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
    for value, text in ys.ticks:
        y = down(value)
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>')
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{escape(y_label)}</text>'
    )
    labels: list[tuple[float, float]] = []
    for number, (name, x_value, y_value) in sorted(enumerate(points), key=lambda item: -item[1][2]):
        x, y, colour = across(x_value), down(y_value), COLOURS[number % len(COLOURS)]
        end = x > (LEFT + right) / 2  # the label goes to the side where there is more room
        label = y + 4
        while any(abs(label - other) < 13 and abs(x - at) < 150 for at, other in labels):
            label += 1
        labels.append((x, label))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
        parts.append(
            f'<text x="{x - 9 if end else x + 9:.1f}" y="{label:.1f}" text-anchor="{"end" if end else "start"}" '
            f'fill="{colour}" font-weight="600">{escape(name)}</text>'
        )
    style = "svg{font:12px system-ui,sans-serif;max-width:100%}.frame{fill:none;stroke:#999}.grid{stroke:#e6e6e6}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">'
        f"<style>{style}</style>{''.join(parts)}</svg>"
    )


class _Axis:
    """A range with some room around the values, and round numbers in it."""

    def __init__(self, values: Sequence[float]) -> None:
        span = max(values) - min(values) or abs(values[0]) * 0.1 or 1.0
        self.low, self.high = min(values) - MARGIN * span, max(values) + MARGIN * span

    def place(self, value: float) -> float:
        """Return 0 at the lower end, 1 at the upper."""
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """About five round values in the range, each with its text."""
        raw = (self.high - self.low) / 5
        power = floor(log10(raw))
        step = next(factor for factor in (1, 2, 5, 10) if factor * 10**power >= raw) * 10**power
        digits = max(0, -floor(log10(step)))
        return [(i * step, f"{i * step:.{digits}f}") for i in range(ceil(self.low / step), floor(self.high / step) + 1)]
