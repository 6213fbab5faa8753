"""What batches save: time of small images that are computed one by one, over that of the same ones in batches.

OMP_NUM_THREADS=1 python benchmarks/batches.py
python benchmarks/batches.py --device cuda --sides 64 128 256 512
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch

from common import arguments, record, seconds
from imgtk import Image, Pipeline
from imgtk.testing import sample_image

PIPELINES = "upscale:compact x4,upscale:esrgan x4,style:scream"


def timed(pipeline: Pipeline, images: list[Image], repeat: int) -> dict[str, float]:
    """Return the seconds that all images take, one by one and together."""
    alone = lambda: [pipeline(image) for image in images]  # noqa: E731
    return seconds({"alone": alone, "batch": lambda: pipeline.batch(images)}, repeat)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--pipelines", default=PIPELINES, help="with commas between")
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64, 128, 256], help="of the images, in pixels")
    parser.add_argument("--batch", type=int, default=8, help="images; less where as many are never put together")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each; the median counts")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for text in options.pipelines.split(","):
        pipeline = Pipeline(text.strip(), device=options.device)
        for side in options.sides:
            pixels = (sample_image(side, side)[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
            batch = min(options.batch, pipeline.most_at_once(pipeline.plan((side, side))))
            images = [Image(pixels.copy()) for _ in range(batch)]
            times = timed(pipeline, images, options.repeat)
            rows.append(
                {
                    "pipeline": text.strip(),
                    "side": side,
                    "batch": batch,
                    "device": str(pipeline.device),
                    "threads": torch.get_num_threads(),
                    "ms_alone": times["alone"] / batch * 1e3,
                    "ms_in_batch": times["batch"] / batch * 1e3,
                    "times_as_fast": times["alone"] / times["batch"],
                }
            )

    def draw(axes: Any) -> None:
        lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            lines[row["pipeline"]].append(row)
        for text, points in lines.items():
            axes.plot([p["side"] for p in points], [p["times_as_fast"] for p in points], "o-", label=text)
        axes.axhline(1, color="gray", linewidth=0.8)
        axes.set(
            title=f"Batches of {options.batch}, {rows[0]['device']}", xlabel="side", ylabel="times as fast as alone"
        )
        axes.set_xscale("log", base=2)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)

    record("batches", rows, options.out, draw)


if __name__ == "__main__":
    main()
