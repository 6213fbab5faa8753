"""The figures of docs/benchmarks.md, from the committed results.

python benchmarks/summary.py            print them
python benchmarks/summary.py --write    put them between the markers of the page
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
START, END = "<!-- benchmarks -->\n", "<!-- /benchmarks -->"


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return document


def summary() -> str:
    """Return markdown: speed and memory with the command that measures each, and the table of quality."""
    machine = load("speed")["machine"]
    lines = [
        f"Measured on {machine['cpu']}, {machine['memory_gib']} GiB, torch {machine['torch']}. Ratios compare",
        "runs that took turns in one process. The raw results are in `benchmarks/results/`.",
        "",
        "| what | figure | command |",
        "|---|---|---|",
    ]
    for row in load("startup")["results"]:
        if row["command"].startswith("imgtk"):
            lines.append(f"| `{row['command']}` | {row['seconds']:.2f} s | `benchmarks/startup.py` |")
    for row in load("speed")["results"]:
        what = f"`{row['what']}` of {row['input']} against {row['against']}"
        lines.append(f"| {what} | {row['times_as_fast']:.2f} times as fast | `benchmarks/speed.py` |")
    overhead = load("overhead")["results"][1]
    what = f"`{overhead['pipeline'].replace('|', chr(92) + '|')}` of {overhead['input']} against its bare networks"
    percent = round(overhead["overhead_percent"], 1) + 0.0  # no -0.0
    lines.append(f"| {what} | {percent:+.1f} % time | `benchmarks/overhead.py` |")
    noise = load("noise")["results"][0]
    what = f"noise in `{noise['operator']}`, {noise['input']}"
    lines.append(f"| {what} | {noise['cost_percent']:+.1f} % time | `benchmarks/noise.py` |")
    memory = load("memory")["results"]
    first, last = memory[0], memory[-1]
    what = f"memory of `upscale:compact x4` beyond input and output, {first['input']} to {last['input']}"
    figure = f"{first['beyond_mb']:.0f} to {last['beyond_mb']:.0f} MB"
    lines.append(f"| {what} | {figure} | `benchmarks/memory.py` |")
    quality = load("quality")["results"]
    lines += [
        "",
        f"PSNR on Y / SSIM / feature distance ({quality[0]['features']}; less is better), x4, by",
        "`benchmarks/quality.py`; degraded: the inputs are also blurred, noisy, and JPEG of quality 40:",
        "",
    ]
    rows = [row for row in quality if "x4" in row["pipeline"]]
    sets = list(dict.fromkeys(row["set"] for row in rows))
    lines += ["| pipeline | " + " | ".join(sets) + " |", "|---|" + "---|" * len(sets)]
    for name in dict.fromkeys(row["pipeline"] for row in rows):
        cells = [_cell(row) for row in rows if row["pipeline"] == name]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any]) -> str:
    return f"{row['psnr_y']:.2f} / {row['ssim_y']:.3f} / {row['feature_distance']:.3f}"


def main() -> None:
    if sys.argv[1:] != ["--write"]:
        print(summary(), end="")
        return
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    PAGE.write_text(before + START + summary() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
