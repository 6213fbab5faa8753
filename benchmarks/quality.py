"""Quality: PSNR, SSIM (on luma, by the super-resolution protocol) and feature distance of the shipped upscalers.

    python benchmarks/quality.py --data FOLDER

FOLDER holds the usual benchmarks as SET/image_SRF_4/NAME_HR.png and NAME_LR.png. With --cards the figures also go into
the cards of the shipped weights.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from common import arguments, record
from imgtk import Image, Pipeline
from imgtk.metrics import feature_distance, psnr_y, ssim_y
from imgtk.nn.features import load_features
from imgtk.weights import locate, shipped

UPSCALERS = (
    "upscale:bicubic x{} a=-0.5",  # the bicubic of the papers
    "upscale:lanczos x{}",
    "upscale:compact x{}",
    "upscale:rrdb x{}",
    "upscale:esrgan x{}",
)


def score(pipeline: Pipeline, folder: Path, scale: int, features: Any) -> dict[str, float]:
    """Averages over the pairs of a folder; `mean_colour` is the largest shift of a channel's mean, in 8-bit steps."""
    scores = []
    for path in sorted(folder.glob("*_HR.png")):
        target = Image.open(path).tensor()
        source = Image.open(path.with_name(path.name.replace("_HR", "_LR")))
        output = pipeline(source).tensor()
        shift = (output.mean((0, 2, 3)) - source.tensor().mean((0, 2, 3))).abs().max().item()
        scores.append(
            {
                "psnr_y": psnr_y(output, target, border=scale),
                "ssim_y": ssim_y(output, target, border=scale),
                "feature_distance": feature_distance(output, target, features),
                "mean_colour": 255 * shift,
            }
        )
    return {"pictures": len(scores), **{key: mean(s[key] for s in scores) for key in scores[0]}}


def write_cards(rows: list[dict[str, Any]]) -> None:
    """Put the scores of "upscale:METHOD xSCALE" into the card of the shipped METHOD-xSCALE."""
    for card in shipped("imgtk_esrgan"):
        method, _, scale = card.name.rpartition("-")
        measured = [row for row in rows if row["pipeline"] == f"upscale:{method} {scale}"]
        if measured:
            keys = ("psnr_y", "ssim_y", "feature_distance", "mean_colour")
            scores = {row["set"]: {key: round(row[key], 4) for key in keys} for row in measured}
            path = locate(card.name, package="imgtk_esrgan").with_suffix(".toml")
            path.write_text(replace(card, scores={**card.scores, **scores}).toml(), encoding="utf-8")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmark sets")
    parser.add_argument("--sets", nargs="*", default=["Set5", "Set14", "BSD100"])
    parser.add_argument("--scale", type=int, nargs="*", default=[4, 2])
    parser.add_argument("--op", nargs="*", default=UPSCALERS, help="pipelines to measure; {} is the scale")
    parser.add_argument("--features", default="imgtk", help="feature network: imgtk, or a SqueezeNet or VGG file")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--cards", action="store_true", help="write the figures into the cards of the weights")
    options = parser.parse_args()
    features = load_features(options.features)
    rows = []
    for template in options.op:
        for scale in options.scale:
            text = template.format(scale)
            pipeline = Pipeline(text, dtype=options.dtype)
            for data in options.sets:
                folder = options.data / data / f"image_SRF_{scale}"
                if folder.is_dir():
                    row = {"pipeline": text, "set": data, "features": features.name}
                    rows.append({**row, **score(pipeline, folder, scale, features)})
    if options.cards:
        write_cards(rows)

    def draw(axes: Any) -> None:
        for name in dict.fromkeys(row["pipeline"] for row in rows):
            ours = [row for row in rows if row["pipeline"] == name]
            place = [mean(row[key] for row in ours) for key in ("feature_distance", "psnr_y")]
            axes.plot(*place, "o")
            axes.annotate(name.removeprefix("upscale:"), place, textcoords="offset points", xytext=(6, 4))
        axes.margins(x=0.2, y=0.15)
        axes.set(
            title="Upscalers, mean of the sets", xlabel="feature distance (less is better)", ylabel="PSNR on Y, dB"
        )

    record("quality", rows, options.out, draw)


if __name__ == "__main__":
    main()
