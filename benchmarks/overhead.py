"""Overhead: a chain through the pipeline against the bare operators, one after the other on whole tensors.

python benchmarks/overhead.py
"""

from __future__ import annotations

from functools import reduce

import torch

from common import arguments, bars, record, seconds
from imgtk import Image, Pipeline
from imgtk.device import resolve_device, resolve_dtype
from imgtk.language import parse
from imgtk.language.graph import INPUT
from imgtk.op import ImageOp
from imgtk.registry import default
from imgtk.testing import sample_image


def chain(text: str, device: torch.device, dtype: torch.dtype) -> list[tuple[ImageOp, torch.dtype]]:
    """Return the operators of a pipeline without branches, and what they compute in."""
    ops = []
    for node in parse(text, default()).nodes[INPUT + 1 :]:
        op = default().build(node.op, **node.params)
        precise = torch.float32 if op.facts.needs_float32 else dtype
        op.to(device, precise)
        ops.append((op, precise))
    return ops


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=7, help="runs of each; the median counts")
    parser.add_argument("--width", type=int, default=256, help="of the input, 4:3")
    parser.add_argument("--pipeline", default="upscale:esrgan x4 | style:monet", help="a chain without branches")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = resolve_device(options.device)
    ops = chain(options.pipeline, device, resolve_dtype("auto", device))
    x = sample_image(options.width, options.width * 3 // 4)
    image = Image((x[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())
    tensor = x.to(device)
    whole = Pipeline(options.pipeline, device=options.device, tile="off")
    automatic = Pipeline(options.pipeline, device=options.device)

    def bare() -> torch.Tensor:
        with torch.inference_mode():
            return reduce(lambda value, stage: stage[0](value.to(stage[1])), ops, tensor).cpu()

    names = ("bare operators", "pipeline, one tile", "pipeline, automatic tiles")
    functions = dict(zip(names, (bare, lambda: whole(image), lambda: automatic(image)), strict=True))
    times = seconds(functions, options.repeat)
    rows = [
        {
            "what": name,
            "pipeline": options.pipeline,
            "input": str(image.size),
            "device": str(device),
            "seconds": value,
            "overhead_percent": 100 * (value / times[names[0]] - 1),
        }
        for name, value in times.items()
    ]
    record("overhead", rows, options.out, bars(times, options.pipeline, "seconds"))


if __name__ == "__main__":
    main()
