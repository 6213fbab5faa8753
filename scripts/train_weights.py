"""Train the shipped weights one after the other: a queue that can be interrupted and started again.

    python scripts/train_weights.py --photos PHOTOS --validation KODAK --artworks ARTWORKS --paintings MONET --out RUNS

Each line of `QUEUE` is one run of `imgtk train` into a folder of its own. Runs that are complete are skipped, those
that were interrupted continue exactly; what a run prints goes to RUNS/NAME.log. `--large` is the same queue for a GPU.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run: `{artworks}`, `{paintings}`, `{features}`, `{teacher}` and `{runs}` in settings stand for what is named
    on the command line."""

    name: str
    operator: str
    recipe: str
    settings: Mapping[str, str] = field(default_factory=dict)
    large: Mapping[str, str] = field(default_factory=dict)


STARRY_NIGHT, GREAT_WAVE, MONET = (
    f"{{runs}}/{name}/final/{name}.safetensors" for name in ("starry-night", "great-wave", "monet")
)
LARGE_STYLE = {"batch": "16", "crop": "384", "steps": "20000", "width": "64", "blocks": "6"}


def style(name: str, artwork: str, start: str = STARRY_NIGHT) -> Run:
    settings = {"style": f"{{artworks}}/{artwork}", "backbone": "{features}", **({"init": start} if start else {})}
    return Run(name, f"style:{name}", name, settings, LARGE_STYLE)


TEACHER = {"teacher": "{teacher}"}
QUEUE = (
    Run("esrgan-x4-start", "upscale:rrdb", "esrgan-x4-start", TEACHER, {"batch": "64", "steps": "50000"}),
    Run(
        "esrgan-x4",
        "upscale:esrgan",
        "esrgan-x4",
        {**TEACHER, "backbone": "{features}", "init": "{runs}/esrgan-x4-start/final/esrgan-x4-start.safetensors"},
        {"batch": "32", "steps": "30000"},
    ),
    style("starry-night", "vangogh_starry_night_moma_1200.jpg", start=""),
    style("monet", "monet_water_lilies_1919.webp"),
    style("great-wave", "hokusai_great_wave.jpg"),
    style("engraving", "dalziel_rob_roy_engraving.webp", GREAT_WAVE),
    style("scream", "munch_the_scream.webp"),
    style("composition", "kandinsky_composition_vii.jpg"),
    style("mosaic", "roman_mosaic_ducks_massimo.jpg"),
    style("pointillism", "signac_la_calanque_pointillism.webp"),
    style("wheat-field", "vangogh_wheat_field_cypresses.jpg"),
    style("water-lilies", "monet_water_lily_pond_bridge.jpg", MONET),
    Run(
        "photo2monet",
        "translate:photo2monet",
        "photo2monet",
        {"target": "{paintings}", "backbone": "{features}"},
        {"features": "64", "blocks": "9", "crop": "256", "batch": "8", "steps": "60000"},
    ),
    Run("compact-x4-sharp", "upscale:compact", "compact-x4-sharp", TEACHER, {"batch": "64", "steps": "50000"}),
    Run("compact-x4", "upscale:compact", "compact-x4", {}, {"batch": "64", "steps": "100000"}),
    Run("srresnet-x4", "upscale:srresnet", "srresnet-x4", {}, {"batch": "32", "steps": "100000"}),
    Run(
        "srgan-x4",
        "upscale:srgan",
        "srgan-x4",
        {"backbone": "{features}", "init": "{runs}/srresnet-x4/final/srresnet-x4.safetensors"},
        {"batch": "32", "steps": "100000"},
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, text in {
        "photos": "folder of photographs to learn from",
        "validation": "folder of photographs to validate on",
        "artworks": "folder of style images",
        "paintings": "folder of paintings by Claude Monet",
        "features": "file of torchvision's squeezenet1_1",
        "teacher": "file of the network that upscalers copy: RealESRGAN_x4plus",
        "out": "folder of the runs",
    }.items():
        parser.add_argument(f"--{name}", type=Path, required=name in ("photos", "validation", "out"), help=text)
    parser.add_argument("--only", nargs="*", help="names of runs; all by default")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--large", action="store_true", help="larger networks, batches and schedules, for a GPU")
    options = parser.parse_args()
    places = {name: getattr(options, name) for name in ("artworks", "paintings", "features", "teacher")}
    places["runs"] = options.out
    failed = [
        run.name
        for run in QUEUE
        if (not options.only or run.name in options.only) and not complete(run, options, places)
    ]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; see the logs in {options.out}")


def complete(run: Run, options: argparse.Namespace, places: Mapping[str, Path | None]) -> bool:
    """Train what is left of `run`; whether it is complete."""
    out = options.out / run.name
    if any(out.glob("final/*.safetensors")):
        print(f"{run.name}: complete")
        return True
    settings = {**run.settings, **(run.large if options.large else {})}
    missing = [name for name, place in places.items() if place is None and f"{{{name}}}" in "".join(settings.values())]
    if missing:
        print(f"{run.name}: skipped, needs --{' and --'.join(missing)}")
        return True
    command = [sys.executable, "-m", "imgtk", "train", run.operator, "--recipe", run.recipe]
    command += ["--data", str(options.photos), "--validation", str(options.validation), "--out", str(out)]
    command += ["--threads", str(options.threads), *(["--resume"] if (out / "last.ckpt").exists() else [])]
    for name, value in settings.items():
        command += ["--set", f"{name}={value.format(**{key: str(place) for key, place in places.items()})}"]
    print(f"{run.name}: training", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    with open(options.out / f"{run.name}.log", "a", encoding="utf-8") as log:
        return subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode == 0


if __name__ == "__main__":
    main()
