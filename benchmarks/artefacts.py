"""Artefacts of the shipped networks: weave over smooth areas, and white or flat areas that do not stay what they are.

python benchmarks/artefacts.py [--cards]

`regularity` is that of what a network paints over a smooth image (see `imgtk.nn.regularity`); `white` and `flat` are
the largest differences in 8-bit steps, up to the corners, between a white or a flat image and what an upscaler makes of
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import skimage.data
import torch
from torch import Tensor

from common import arguments, bars, record
from imgtk import Pipeline
from imgtk.nn.regularity import regularity, smooth_image
from imgtk.op import OpSpec
from imgtk.params import REQUIRED
from imgtk.registry import default
from imgtk.weights import Card, locate

SIDE = 48
"""Of white and flat images, in pixels."""
LEVELS = (0.2, 0.5, 0.8)
"""Of red, green and blue, in turn, in flat images."""
PAINTERS = ("style", "translate", "stylize-sr")


def networks() -> Iterator[tuple[OpSpec, str]]:
    """Each shipped network that upscales or paints, with an operator that uses it."""
    seen = set()
    for spec in default().specs:
        family = spec.name.partition(":")[0]
        package = spec.preset.get("package") or spec.impl.partition(".")[0]
        for name in spec.weights:
            if family in (*PAINTERS, "upscale") and (package, name) not in seen:
                seen.add((package, name))
                yield spec, name


def figures(spec: OpSpec, name: str) -> dict[str, float]:
    """The figures of one network."""
    if spec.name.startswith("upscale:"):
        pipeline = Pipeline(f"{spec.name} model={name}", dtype="fp32")
        flat = torch.tensor([LEVELS[i:] + LEVELS[:i] for i in range(3)])[:, :, None, None].expand(-1, -1, SIDE, SIDE)
        return {
            "white": _error(pipeline, torch.ones(1, 3, SIDE, SIDE)),
            "flat": max(_error(pipeline, part) for part in flat.split(1)),
        }
    needed = {param.name: artwork() for param in spec.params if param.default is REQUIRED}
    text = " ".join([spec.name, *(f"{key}={value}" for key, value in needed.items())])
    return {"regularity": regularity(Pipeline(text, dtype="fp32")(smooth_image()).tensor())}


@cache
def artwork() -> str:
    """A file of a style image, for operators that need one: cells in strong colours, which no network has seen."""
    return str(Path(skimage.data.__file__).parent / "ihc.png")


def _error(pipeline: Pipeline, x: Tensor) -> float:
    return 255 * (pipeline(x).tensor() - x[..., :1, :1]).abs().max().item()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--cards", action="store_true", help="also write the figures into the model cards")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for spec, name in networks():
        found = figures(spec, name)
        rows.append({"weights": name, "operator": spec.name, **found})
        if options.cards:
            path = locate(name, spec.preset.get("package") or spec.impl.partition(".")[0]).with_suffix(".toml")
            card = Card.read(path)
            path.write_text(replace(card, scores={**card.scores, "artefacts": found}).toml(), encoding="utf-8")
    woven = {row["weights"]: row["regularity"] for row in rows if "regularity" in row}
    record("artefacts", rows, options.out, bars(woven, "Regularity of paint over a smooth image", "less is better"))


if __name__ == "__main__":
    main()
