"""Quality: what `imgtk bench upscale` finds for the shipped upscalers, recorded with the other benchmarks.

    python benchmarks/quality.py --data FOLDER

FOLDER holds the usual benchmarks as SET/image_SRF_4/NAME_HR.png and NAME_LR.png. With --cards the figures also go into
the cards of the shipped weights.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from statistics import mean
from typing import Any

from common import arguments, record
from imgtk.bench.data import find_sets
from imgtk.bench.upscale import default_methods, methods, run
from imgtk.language import parse
from imgtk.nn.features import load_features
from imgtk.registry import default
from imgtk.weights import locate, shipped

FURTHER = ("upscale:esrgan x4 model=esrgan-x4-clean", "upscale:compact x4 model=compact-x4-sharp")
SCORES = ("psnr_y", "ssim_y", "feature_distance", "mean_colour")


def write_cards(rows: list[dict[str, Any]]) -> None:
    """Put the scores of operators that are one network at its own scale into the card of its weights."""
    taken = {text: weights_and_scale(text) for text in dict.fromkeys(row["pipeline"] for row in rows)}
    for package in default().packages:
        for card in shipped(package):
            path = locate(card.name, package=package)
            measured = [row for row in rows if taken[row["pipeline"]] == ([path], card.scale)]
            if measured:
                scores = {row["set"]: {key: round(row[key], 4) for key in SCORES} for row in measured}
                text = replace(card, scores={**card.scores, **scores}).toml()
                path.with_suffix(".toml").write_text(text, encoding="utf-8")


def weights_and_scale(text: str) -> tuple[list[Path], Fraction]:
    """Return the files of weights that the pipeline's last operator takes, and its scale."""
    node = parse(text, default()).nodes[-1]
    op = default().build(node.op, **node.params)
    return list(op.weight_files), op.geometry.scale


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the benchmark sets")
    parser.add_argument("--sets", nargs="*", default=["Set5", "Set14", "BSD100"])
    parser.add_argument("--scale", type=int, nargs="*", default=[4, 2])
    parser.add_argument("--ops", nargs="*", default=default_methods(), help="upscalers to measure, by name")
    parser.add_argument("--pipeline", nargs="*", default=FURTHER, help="pipelines, each at its scale; {} is any")
    parser.add_argument(
        "--degraded", nargs="*", default=["Set5", "Set14"], help="sets that are also measured degraded, at x4"
    )
    parser.add_argument("--features", default="imgtk", help="feature network: imgtk, or a SqueezeNet or VGG file")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--cards", action="store_true", help="write the figures into the cards of the weights")
    options = parser.parse_args()
    features = load_features(options.features)
    rows = []
    for scale in options.scale:
        folders = [options.data / name for name in options.sets]
        present = [folder for folder in folders if (folder / f"image_SRF_{scale}").is_dir()]
        sets = [one for folder in present for one in find_sets(folder, scale)]
        sets += [one.degrade() for one in sets if scale == 4 and one.name in options.degraded]
        pipelines = [text for text in options.pipeline if {f"x{scale}", "x{}"} & set(text.split())]
        contestants = methods(options.ops, pipelines, scale)
        report = run(sets, contestants, scale, features=features, dtype=options.dtype)
        for one in report.sets:
            for result in one.results:
                row = {"pipeline": result.pipeline, "set": one.name, "features": features.name}
                rows.append({**row, "images": one.images, **{key: result.mean[key] for key in SCORES}})
    if options.cards:
        write_cards(rows)

    def draw(axes: Any) -> None:
        for name in dict.fromkeys(row["pipeline"] for row in rows if "x4" in row["pipeline"]):
            ours = [row for row in rows if row["pipeline"] == name and "degraded" not in row["set"]]
            place = [mean(row[key] for row in ours) for key in ("feature_distance", "psnr_y")]
            axes.plot(*place, "o")
            axes.annotate(name.removeprefix("upscale:"), place, textcoords="offset points", xytext=(6, 4))
        axes.margins(x=0.2, y=0.15)
        axes.set(
            title="Upscalers x4, mean of the sets", xlabel="feature distance (less is better)", ylabel="PSNR on Y, dB"
        )

    record("quality", rows, options.out, draw)


if __name__ == "__main__":
    main()
