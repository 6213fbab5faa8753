"""Write docs/reference.md, the reference of the built-in operators: python scripts/operator_reference.py

`page()` returns the text; a test compares it with the file.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path

from imgtk.cli.catalogue import default_text, usage
from imgtk.op import OpSpec
from imgtk.params import Param
from imgtk.registry import default

DOCS = Path(__file__).parents[1] / "docs"
INTRODUCTION = """\
# Operators

These operators come with imgtk. `imgtk ops` also lists those of the plugins that you installed, and `imgtk help OP`
prints the parameters of one. A positional parameter needs no name: see [the pipeline language](pipelines.md#arguments).

Each example shows a part of the input on the left and of the result on the right, at 1:1. Where the geometry changes,
it shows all of both at half their size; of `generate:`, the result alone. Inputs of `denoise:`, `inpaint:` and
`restore:` were damaged for the example. `python scripts/operator_images.py` draws them.
"""
ARGUMENTS = {
    "adjust:match-histogram": "{image}",
    "alpha:from-luma": "invert | background #ffd000",
    "alpha:remove": "",
    "alpha:set": "0.4 | background white",
    "background": "#305080",
    "border": "12 colour=#8b0000",
    "crop": "120 160 gravity=smart",
    "extend": "60",
    "fit": "200 200 contain colour=#203040",
    "flip": "h",
    "generate:gradient": "200x200 out orange navy",
    "generate:colour": "200x200 teal",
    "generate:noise": "200x200 grain=1 colour",
    "mask": "( adjust:threshold otsu ) | background #203040",
    "montage": "( adjust:invert ) ( flip ) ( adjust:sepia ) columns=2 gap=6 colour=white",
    "outpaint": "60 60 60 60",
    "overlay": "{image} scale=0.25 gravity=south-east margin=12",
    "pad": "440 340 colour=#203040",
    "perspective": "60,40,340,0,400,300,20,250",
    "rotate": "20 colour=#203040",
    "straighten": "8",
    "text": "'Cat, 2008' outline=black size=30",
    "tile-grid": "( crop 90 150 ) ( flip | crop 400 99 ) ( adjust:sepia ) columns=2 gap=6 width=190 height=140",
    "transpose": "",
    "trim": "fuzz=0.01",
    "watermark": "{image} scale=0.3",
    "adjust:auto-levels": "0.01",
    "adjust:brightness-contrast": "0.1 contrast=1.3",
    "adjust:clahe": "4",
    "adjust:curves": "0:0,0.25:0.12,0.7:0.85,1:1",
    "adjust:duotone": "navy #ffe8b0",
    "adjust:exposure": "0.8",
    "adjust:gamma": "1.8",
    "adjust:hue": "90",
    "adjust:levels": "0.15 0.8",
    "adjust:lut": "{cube}",
    "adjust:saturation": "1.6",
    "adjust:sharpen": "1.5",
    "adjust:threshold": "otsu",
    "adjust:tonemap": "filmic srgb",
    "adjust:vignette": "0.9",
    "adjust:white-balance": "temperature=4000",
    "blend": "( adjust:blur 6 ) 0.7 screen",
    "denoise:bilateral": "0.5",
    "denoise:median": "2",
    "denoise:nlm": "0.09",
    "denoise:wavelet": "0.08",
    "filter:detail": "2",
    "filter:edge": "3",
    "filter:gaussian": "3",
    "filter:halftone": "6 colour",
    "filter:noise": "0.07",
    "filter:pixelate": "10",
    "generate:glyph": "Hamburg size=128",
    "generate:texture": "400x300 {texture}",
    "generate:landscape": "128x128 count=9",
    "generate:vae": "128x128 count=9",
    "generate:vaegan": "128x128 count=9",
    "style:any": "{image}",
    "style:colour": "{image}",
    "style:gram": "{image} steps=100",
    "style:texture": "{image}",
}
"""What stands after an operator's name, where that alone is no example; names in braces are those of `FILES`."""
BY_TASK = {"upscale": "x4", "resize": "x0.5"}
FILES = {"image": "coffee.jpg", "texture": "gravel.jpg", "cube": "warm.cube"}
"""What the page calls the files of examples."""


def page() -> str:
    """Return the Markdown of the page."""
    registry = default()
    names = [name for plugin in registry.plugins if plugin.distribution == "imgtk" for name in plugin.operators]
    specs = sorted((registry.spec(name) for name in names), key=lambda spec: (":" not in spec.name, spec.name))
    parts = [INTRODUCTION]
    for task, group in groupby(specs, key=lambda spec: spec.name.partition(":")[0] if ":" in spec.name else "others"):
        parts.append(f"\n## {task}\n")
        parts += [section(spec) for spec in group]
    return "".join(parts)


def section(spec: OpSpec) -> str:
    """Return what the page says about one operator."""
    lines = ["", f"### {spec.name}", "", spec.summary, ""]
    if (DOCS / "images" / "ops" / image_name(spec.name)).exists():
        lines += [f"![{spec.name}](images/ops/{image_name(spec.name)})", "", f"*`{example(spec.name)}`*", ""]
    lines += ["```text", " ".join([spec.name, *map(usage, spec.params)]), "```"]
    if spec.params:
        lines += ["", "| parameter | takes | default | what it does |", "|---|---|---|---|"]
        lines += [row(param) for param in spec.params]
    if spec.weights:
        lines += ["", f"Shipped weights: {', '.join(f'`{name}`' for name in spec.weights)}."]
    if spec.trainer:
        lines += ["", f"To train a network for it: `imgtk train {spec.name}` ([training](training.md))."]
    return "\n".join([*lines, ""])


def row(param: Param) -> str:
    """Return a parameter's row of the table."""
    name = f"`{param.name}`" + (" (positional)" if param.positional else "")
    cells = (name, param.type.describe(), default_text(param), param.help)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def example(name: str, **files: object) -> str:
    """Return a pipeline that shows an operator, with these files, or with names for them."""
    arguments = ARGUMENTS.get(name, BY_TASK.get(name.partition(":")[0], ""))
    return f"{name} {arguments}".strip().format(**(files or FILES))


def image_name(operator: str) -> str:
    """Return the file name of an operator's example: "upscale:esrgan" -> "upscale-esrgan.webp"."""
    return f"{operator.replace(':', '-')}.webp"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    (DOCS / "reference.md").write_text(page(), encoding="utf-8")
