"""A set's figures as the cells of a table: for the terminal and for the page alike."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from imgtk.bench.report import Figures, Metric, SetReport

__all__ = ["TableRow", "rows", "title"]


@dataclass(frozen=True)
class TableRow:
    """One line.

    Attributes:
        name: of the method or the image.
        cells: texts in the order of the set's metrics, "" where there is nothing.
        best: which of them are the best of the methods that were run.
        published: whether it is the literature's.
    """

    name: str
    cells: tuple[str, ...]
    best: tuple[bool, ...]
    published: bool = False


def title(one: SetReport) -> str:
    """Return what a table is about, on one line."""
    inputs = {
        "files": "inputs from files",
        "made": "inputs made by MATLAB's bicubic",
        "degraded": "inputs blurred, shrunk, noisy and JPEG",
    }[one.inputs]
    return f"{one.name}: {one.images} image{'s' * (one.images > 1)}, x{one.scale}, {inputs}"


def rows(one: SetReport, image: str | None = None) -> list[TableRow]:
    """Return one row for each method, with the means, and the published ones after them; or only the figures of
    `image`."""
    figures = {result.method: result.figures[image] if image else result.mean for result in one.results}
    best = {metric.key: _best(metric, list(figures.values())) for metric in one.metrics}
    found = [
        TableRow(
            method,
            tuple(_text(metric, row[metric.key]) for metric in one.metrics),
            tuple(len(figures) > 1 and row[metric.key] in best[metric.key] for metric in one.metrics),
        )
        for method, row in figures.items()
    ]
    if image is None:
        for paper in one.published:
            values: Figures = {"psnr_y": paper.psnr_y, "ssim_y": paper.ssim_y}
            cells = tuple(_text(metric, values.get(metric.key)) for metric in one.metrics)
            found.append(TableRow(f"{paper.method} (published)", cells, (False,) * len(cells), published=True))
    return found


def _best(metric: Metric, figures: list[Figures]) -> list[float]:
    """Return the best value of those that were measured, if any was."""
    known = [value for row in figures if (value := row[metric.key]) is not None]
    return [metric.best(known)] if known else []


def _text(metric: Metric, value: float | None) -> str:
    if value is None:
        return ""
    return metric.text(value) if isfinite(value) else "∞"
