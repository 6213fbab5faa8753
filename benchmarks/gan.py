"""GAN losses and stabilisers: the same small network, trained by each of them from the same start.

    python benchmarks/gan.py --data FOLDER --validation FOLDER                  photos of sketches
    python benchmarks/gan.py --data FOLDER --validation FOLDER --from-nothing   landscapes of random numbers

A small pix2pix learns photos of sketches, with the adversarial loss deciding (`adversarial=1`, a little L1); a small
generator of `generate:landscape` learns from the adversarial loss alone. The curves are of the kernel distance between
what it makes and held-out photos; the table also says how well the discriminator tells them apart at the end. One seed,
few steps: what falls over does so early, small differences mean nothing. Discriminators of features should look through
another network than the kernel distance: `--backbone FILE`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from common import arguments, record
from imgtk.registry import default
from imgtk.training.run import train

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Comparison:
    """One network, and the settings that are compared.

    Attributes:
        name: of the file of results.
        operator: whose trainer is used.
        title: of the drawing.
        base: settings of all variants.
        variants: settings of each variant, by its name.
    """

    name: str
    operator: str
    title: str
    base: dict[str, str]
    variants: dict[str, dict[str, str]]


COMMON = {
    "adversarial": "1",
    "optimizer": "adam",
    "lr": "1e-3",
    "discriminator_lr": "1e-3",
    "ema": "0.95",
    "warmup": "10",
}
SKETCHES = Comparison(
    name="gan",
    operator="translate:sketch2photo",
    title="Photos of sketches by GAN",
    base={
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
        **COMMON,
    },
    variants={
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
    },
)
PIXELS = {"discriminator": "pixels", "spectral_norm": "false", "augment": "false"}
FEATURES = {"discriminator": "features", "spectral_norm": "true", "projected": "false", "augment": "false"}
NOTHING = Comparison(
    name="gan-nothing",
    operator="generate:landscape",
    title="Landscapes from nothing by GAN",
    base={
        "batch": "8",
        "width": "8",
        "code": "64",
        "reconstructed": "0",
        "discriminator_features": "32",
        **COMMON,
    },
    variants={
        "lsgan": {**PIXELS, "gan": "lsgan"},
        "hinge": {**PIXELS, "gan": "hinge"},
        "hinge + spectral_norm": {**PIXELS, "gan": "hinge", "spectral_norm": "true"},
        "hinge + r1": {**PIXELS, "gan": "hinge", "r1": "1"},
        "hinge + spectral_norm + augment": {**PIXELS, "gan": "hinge", "spectral_norm": "true", "augment": "true"},
        "wasserstein + gradient_penalty": {**PIXELS, "gan": "wasserstein", "gradient_penalty": "10"},
        "features": FEATURES,
        "features, projected": {**FEATURES, "projected": "true"},
        "features, projected + augment": {**FEATURES, "projected": "true", "augment": "true"},
        "the last without ema": {**FEATURES, "projected": "true", "augment": "true", "ema": "0"},
    },
)


def curve(comparison: Comparison, name: str, given: Any) -> dict[str, Any]:
    """Train one variant; the kernel distance at every validation, and the losses' mean over the last tenth."""
    spec, variant = default().spec(comparison.operator), comparison.variants[name]
    with TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        settings = {**comparison.base, **variant, "steps": str(given.steps), "validate_every": str(given.every)}
        settings |= {"backbone": given.backbone, "sample_every": str(given.steps), "checkpoint_every": str(given.steps)}
        train(spec, given.data, out, overrides=settings, validation=given.validation, threads=1, device="cpu")
        with (out / "log.csv").open(newline="") as file:
            rows = [(int(step), figure, float(value)) for step, figure, value in list(csv.reader(file))[1:]]
    distances = {step: value for step, figure, value in rows if figure == "validation/kid"}
    last = [v for step, figure, v in rows if figure == "discriminator/adversarial" and step > 0.9 * given.steps]
    seconds = [v for _, figure, v in rows if figure == "seconds"]
    return {
        "variant": name,
        "settings": " ".join(f"{key}={value}" for key, value in variant.items()),
        "best_kid": min(distances.values()),
        "last_kid": distances[max(distances)],
        "discriminator_loss": sum(last) / len(last),
        "ms_per_step": 1000 * sorted(seconds)[len(seconds) // 2],
        "kid": distances,
    }


def draw(results: list[dict[str, Any]], title: str) -> Any:
    def drawing(axes: Axes) -> None:
        for number, row in enumerate(results):
            style = ("-", "--")[number >= 5]
            axes.plot(list(row["kid"]), list(row["kid"].values()), style, label=row["variant"], color=f"C{number % 5}")
        axes.set(xlabel="steps", ylabel="kernel distance x 1000", yscale="log", title=title)
        axes.legend(fontsize=6, ncols=2)

    return drawing


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of photos")
    parser.add_argument("--validation", type=Path, required=True, help="folder of other photos")
    parser.add_argument("--from-nothing", action="store_true", help="landscapes of random numbers, not of sketches")
    parser.add_argument("--backbone", default="imgtk", help="feature network of discriminators")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--every", type=int, default=40)
    given = parser.parse_args()
    comparison = NOTHING if given.from_nothing else SKETCHES
    results = []
    for name in comparison.variants:
        results.append(curve(comparison, name, given))
        print(f"{name}: {results[-1]['last_kid']:.3g}", flush=True)
    record(comparison.name, results, given.out, draw(results, comparison.title))


if __name__ == "__main__":
    main()
