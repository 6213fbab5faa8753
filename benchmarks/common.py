"""What the benchmarks share: timing, and results as JSON with the machine and a drawing."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from imgtk.bench.machine import machine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESULTS = Path(__file__).parent / "results"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for NAME.json and NAME.svg")
    return parser


def seconds(functions: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Return median seconds of each function, called in turns so that a busy machine slows all of them, after a
    warm-up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeat + 1):
        for name, function in functions.items():
            start = perf_counter()
            function()
            if turn:
                times[name].append(perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def record(name: str, results: list[dict[str, Any]], out: Path, draw: Callable[[Axes], None]) -> None:
    """Write `results` with the machine to NAME.json, what `draw` draws to NAME.svg, and print a table."""
    out.mkdir(parents=True, exist_ok=True)
    document = {"benchmark": name, "machine": machine(), "results": results}
    (out / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _draw(out / f"{name}.svg", draw)
    keys = list(dict.fromkeys(key for row in results for key in row))
    print("| " + " | ".join(keys) + " |\n|" + "---|" * len(keys))
    for row in results:
        print("| " + " | ".join(_cell(row.get(key, "")) for key in keys) + " |")


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _draw(path: Path, draw: Callable[[Axes], None]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "imgtk"  # the same results give the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    figure.savefig(path, metadata={"Date": None})


def bars(values: Mapping[str, float], title: str, unit: str) -> Callable[[Axes], None]:
    """Return a drawing of horizontal bars, the first on top, each with its value."""

    def draw(axes: Axes) -> None:
        drawn = axes.barh(list(values), list(values.values()), height=0.6)
        axes.bar_label(drawn, fmt="%.3g", padding=3)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set(title=title, xlabel=unit)

    return draw
