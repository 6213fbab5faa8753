"""What noise costs: networks that paint with it, against themselves when they leave it out.

python benchmarks/noise.py
"""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from common import arguments, bars, record, seconds
from imgtk.device import resolve_device, resolve_dtype
from imgtk.language import parse
from imgtk.nn.normalise import AddNoise, Source
from imgtk.registry import default
from imgtk.testing import sample_image

OPERATORS = ("style:monet", "style:scream")


def left_out(self: AddNoise, x: Tensor, source: Source) -> Tensor:
    return x


def cost(name: str, x: Tensor, repeat: int) -> dict[str, Any]:
    """Return the row of the painting operator `name`, for the image `x`."""
    node = parse(name, default()).nodes[-1]
    op = default().build(node.op, **node.params)
    op.to(x.device, x.dtype)

    @torch.inference_mode()
    def with_noise() -> Tensor:
        return op(x)

    def without_noise() -> Tensor:
        with patch.object(AddNoise, "forward", left_out):
            return with_noise()

    times = seconds({"with": with_noise, "without": without_noise}, repeat)
    return {
        "operator": name,
        "input": f"{x.shape[3]}x{x.shape[2]}",
        "device": str(x.device),
        "seconds": times["with"],
        "seconds_without": times["without"],
        "cost_percent": 100 * (times["with"] / times["without"] - 1),
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=9, help="runs of each; the median counts")
    parser.add_argument("--width", type=int, default=1024, help="of the input, 4:3")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = resolve_device(options.device)
    x = sample_image(options.width, options.width * 3 // 4).to(device, resolve_dtype("auto", device))
    rows = [cost(name, x, options.repeat) for name in OPERATORS]
    costs = {row["operator"]: row["cost_percent"] for row in rows}
    record("noise", rows, options.out, bars(costs, "Time that noise takes", "percent"))


if __name__ == "__main__":
    main()
