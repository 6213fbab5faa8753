"""GAN losses and stabilisers: the same small network, trained by each of them from the same start.

python benchmarks/gan.py --data FOLDER --validation FOLDER

A small pix2pix learns photos of sketches, with the adversarial loss deciding (`adversarial=1`, a little L1). The curves
are of the kernel distance between what it makes of held-out sketches and the photos; the table also says how well the
discriminator tells them apart at the end. One seed, few steps: what falls over does so early, small differences mean
nothing.
"""

from __future__ import annotations

import csv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from common import arguments, record
from imgtk.registry import default
from imgtk.training.run import train

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASE = {
    "batch": "4",
    "crop": "64",
    "side": "256",
    "width": "16",
    "depth": "3",
    "patch_layers": "2",
    "patch_features": "16",
    "pixel": "0.3",
    "colour": "0",
    "perceptual": "0",
    "adversarial": "1",
    "optimizer": "adam",
    "lr": "1e-3",
    "discriminator_lr": "1e-3",
    "ema": "0.95",
    "warmup": "10",
}
VARIANTS: dict[str, dict[str, str]] = {
    "standard": {"gan": "standard"},
    "relativistic": {"gan": "relativistic"},
    "lsgan": {"gan": "lsgan"},
    "hinge": {"gan": "hinge"},
    "lsgan + spectral_norm": {"gan": "lsgan", "spectral_norm": "true"},
    "hinge + spectral_norm": {"gan": "hinge", "spectral_norm": "true"},
    "lsgan + r1": {"gan": "lsgan", "r1": "1"},
    "wasserstein + gradient_penalty": {"gan": "wasserstein", "gradient_penalty": "10"},
    "lsgan, slow discriminator": {"gan": "lsgan", "discriminator_lr": "2e-4"},
    "lsgan without ema": {"gan": "lsgan", "ema": "0"},
}


def curve(name: str, data: Path, validation: Path, steps: int, every: int) -> dict[str, Any]:
    """Train one variant; the kernel distance at every validation, and the losses' mean over the last tenth."""
    spec = default().spec("translate:sketch2photo")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        settings = {**BASE, **VARIANTS[name], "steps": str(steps), "validate_every": str(every)}
        settings |= {"sample_every": str(steps), "checkpoint_every": str(steps)}
        train(spec, data, out, overrides=settings, validation=validation, threads=1, device="cpu")
        with (out / "log.csv").open(newline="") as file:
            rows = [(int(step), figure, float(value)) for step, figure, value in list(csv.reader(file))[1:]]
    distances = {step: value for step, figure, value in rows if figure == "validation/kid"}
    last = [v for step, figure, v in rows if figure == "discriminator/adversarial" and step > 0.9 * steps]
    seconds = [v for _, figure, v in rows if figure == "seconds"]
    return {
        "variant": name,
        "settings": " ".join(f"{key}={value}" for key, value in VARIANTS[name].items()),
        "best_kid": min(distances.values()),
        "last_kid": distances[max(distances)],
        "discriminator_loss": sum(last) / len(last),
        "ms_per_step": 1000 * sorted(seconds)[len(seconds) // 2],
        "kid": distances,
    }


def draw(results: list[dict[str, Any]]) -> Any:
    def drawing(axes: Axes) -> None:
        for number, row in enumerate(results):
            style = ("-", "--")[number >= 5]
            axes.plot(list(row["kid"]), list(row["kid"].values()), style, label=row["variant"], color=f"C{number % 5}")
        axes.set(xlabel="steps", ylabel="kernel distance x 1000", yscale="log", title="Photos of sketches by GAN")
        axes.legend(fontsize=6, ncols=2)

    return drawing


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of photos")
    parser.add_argument("--validation", type=Path, required=True, help="folder of other photos")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=40)
    given = parser.parse_args()
    results = []
    for name in VARIANTS:
        results.append(curve(name, given.data, given.validation, given.steps, given.every))
        print(f"{name}: {results[-1]['last_kid']:.3g}", flush=True)
    record("gan", results, given.out, draw(results))


if __name__ == "__main__":
    main()
