"""Speed on the CPU: networks against the plain script, `upscale:fast` against `upscale:compact`, bicubic against
`cv2.resize`.

    python benchmarks/speed.py

The plain script is what most upscalers ship: the network in float32 and NCHW, over tiles with padding, from 8-bit
pixels to 8-bit pixels. It gets the same weights, the same tiles and the same padding as the pipeline.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import cv2
import numpy as np
import torch

from common import arguments, bars, record, seconds
from imgtk import Image, Pipeline
from imgtk.geometry import Box, Size
from imgtk.registry import default
from imgtk.testing import sample_image
from imgtk.upscaling.op import Upscale


def plain_script(network: torch.nn.Module, pixels: np.ndarray, scale: int, tile: int, padding: int) -> np.ndarray:
    """Upscale (H, W, 3) uint8 tile by tile in float32 and NCHW."""
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(255).contiguous()
    height, width = x.shape[2:]
    output = torch.empty(1, 3, height * scale, width * scale)
    with torch.no_grad():
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                box = Box(left, top, min(left + tile, width), min(top + tile, height))
                outer_left, outer_top = max(0, left - padding), max(0, top - padding)
                part = network(x[..., outer_top : box.bottom + padding, outer_left : box.right + padding])
                inner = box.shifted(-outer_left, -outer_top)
                output[..., top * scale : box.bottom * scale, left * scale : box.right * scale] = part[
                    ..., inner.top * scale : inner.bottom * scale, inner.left * scale : inner.right * scale
                ]
    return output[0].permute(1, 2, 0).clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def pixels_of(size: Size) -> np.ndarray:
    return (sample_image(*size)[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def compare_network(name: str, size: Size, tile: int, repeat: int, model: str | None) -> dict[str, Any]:
    params = {"scale": "x4", **({"model": model} if model else {})}
    op = default().build(name, **params)
    assert isinstance(op, Upscale)
    network, padding = op.network.float(), op.geometry.halo
    pixels = pixels_of(size)
    pipeline = Pipeline(f"{name} x4" + (f" model={model}" if model else ""), device="cpu", tile=tile)
    image = Image(pixels)
    times = seconds(
        {
            "plain": lambda: plain_script(network, pixels, 4, tile, padding),
            "imgtk": lambda: pipeline(image),
        },
        repeat,
    )
    return {
        "what": f"{name} x4",
        "input": str(size),
        "tile": tile,
        "padding": padding,
        "against": "plain script",
        "seconds": times["imgtk"],
        "other_seconds": times["plain"],
        "times_as_fast": times["plain"] / times["imgtk"],
    }


def compare_pipelines(text: str, other: str, size: Size, repeat: int) -> dict[str, Any]:
    """Return one pipeline against another."""
    image = Image(pixels_of(size))
    pipelines = {text: Pipeline(text, device="cpu"), other: Pipeline(other, device="cpu")}
    times = seconds({name: partial(pipeline, image) for name, pipeline in pipelines.items()}, repeat)
    return {
        "what": text,
        "input": str(size),
        "against": other,
        "seconds": times[text],
        "other_seconds": times[other],
        "times_as_fast": times[other] / times[text],
    }


def compare_bicubic(size: Size, repeat: int) -> dict[str, Any]:
    """Return the operator on a float tensor against `cv2.resize` on the same memory."""
    op = default().build("upscale:bicubic", scale="x4")
    x = sample_image(*size)
    array = x[0].permute(1, 2, 0).numpy()
    times = seconds(
        {
            "opencv": lambda: cv2.resize(array, op.output_size(size), interpolation=cv2.INTER_CUBIC),
            "imgtk": lambda: op(x),
        },
        repeat,
    )
    return {
        "what": "upscale:bicubic x4",
        "input": str(size),
        "against": "cv2.resize",
        "seconds": times["imgtk"],
        "other_seconds": times["opencv"],
        "times_as_fast": times["opencv"] / times["imgtk"],
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument("--width", type=int, default=384, help="of the networks' input, 3:2")
    parser.add_argument("--tile", type=int, default=192, help="side of a tile in input pixels")
    parser.add_argument("--op", nargs="*", default=["upscale:esrgan", "upscale:compact"], help="operators to measure")
    parser.add_argument("--model", help="weights instead of the operators' own")
    options = parser.parse_args()
    size = Size(options.width, options.width * 2 // 3)
    rows = [compare_network(name, size, options.tile, options.repeat, options.model) for name in options.op]
    rows += [compare_pipelines(f"upscale:fast {x}", f"upscale:compact {x}", size, options.repeat) for x in ("x4", "x2")]
    rows += [compare_bicubic(Size(*sides), 8 * options.repeat) for sides in ((384, 256), (1536, 1024))]
    ratios = {f"{row['what']}\n{row['input']}\nagainst {row['against']}": row["times_as_fast"] for row in rows}
    record("speed", rows, options.out, bars(ratios, "Speed on the CPU", "times as fast"))


if __name__ == "__main__":
    main()
