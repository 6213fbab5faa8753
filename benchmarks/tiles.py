"""Tiles against the whole: the largest difference that tiling makes, for every installed operator.

python benchmarks/tiles.py
"""

from __future__ import annotations

from typing import Any

from common import arguments, record
from imgtk import Pipeline
from imgtk.metrics import psnr
from imgtk.op import OpSpec
from imgtk.params import REQUIRED, ImageInput, Scale
from imgtk.registry import default
from imgtk.testing import sample_image


def pipeline_of(spec: OpSpec) -> str | None:
    """Return a pipeline of this operator alone; None if it needs something that cannot be made up, such as a file."""
    words = [spec.name]
    for param in spec.params:
        if isinstance(param.type, ImageInput):
            words.append("( adjust:blur )")
        elif isinstance(param.type, Scale):
            words.append("x0.4" if spec.name.startswith("resize:") else "x4")
        elif param.default is REQUIRED:
            return None
    return " ".join(words)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--width", type=int, default=300, help="of the image, 4:3")
    parser.add_argument("--tile", type=int, default=96, help="side of a tile in input pixels")
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--only", default="", help="only operators whose name starts so")
    options = parser.parse_args()
    x = sample_image(options.width, options.width * 3 // 4)
    rows = []
    for spec in default().specs:
        text = pipeline_of(spec)
        if text is None or not spec.name.startswith(options.only):
            continue
        pipelines = [Pipeline(text, device="cpu", dtype=options.dtype, tile=tile) for tile in ("off", options.tile)]
        whole, tiled = (pipeline(x).tensor() for pipeline in pipelines)
        rows.append(
            {
                "pipeline": text,
                "dtype": options.dtype,
                "tile": options.tile,
                "halo": pipelines[0].plan((options.width, options.width * 3 // 4)).rows[-1].halo,
                "largest_difference": (whole - tiled).abs().max().item(),
                "psnr_db": min(psnr(whole, tiled), 200.0),
            }
        )

    def draw(axes: Any) -> None:
        differences = [max(row["largest_difference"], 1e-9) for row in rows]
        axes.figure.set_figheight(1 + 0.22 * len(rows))
        axes.barh([row["pipeline"] for row in rows], differences)
        axes.axvline(0.5 / 255, color="black", linewidth=0.8)
        axes.invert_yaxis()
        axes.set(
            xscale="log", title="Tiles against the whole", xlabel="largest difference (line: half a step of 8 bits)"
        )

    record("tiles", rows, options.out, draw)


if __name__ == "__main__":
    main()
