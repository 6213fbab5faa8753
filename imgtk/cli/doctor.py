"""The command `imgtk doctor`, which prints what a bug report needs."""

from __future__ import annotations

import json
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from imgtk import __version__
from imgtk.cli.catalogue import status
from imgtk.cli.report import FAILED
from imgtk.cli.table import bytes_text
from imgtk.config import config_files
from imgtk.engine import Settings
from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.weights.card import Card
from imgtk.weights.store import added, digest, folder, shipped, store

LIBRARIES = ("torch", "numpy", "opencv-python-headless", "pillow", "safetensors", "pluggy", "click", "lightning-fabric")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--bench", is_flag=True, help="Measure the upscalers, which takes about a minute.")
@click.option("--device", default="auto", show_default=True, help="What to measure: cpu, cuda, mps, xpu …")
def doctor(as_json: bool, bench: bool, device: str) -> int:
    """Show versions, devices, backends, plugins and weights; with --bench, how fast the upscalers are here.

    The exit code is 1 if a plugin or a file of weights is broken.
    """
    facts = {
        "versions": versions(),
        "devices": devices(),
        "backends": backends(),
        "settings": {str(path): "your own" if own else "of the project" for path, own in config_files()},
        "plugins": {p.name: f"{p.distribution} {p.version}: {status(p)}" for p in default().plugins},
        "weights": weights(),
        "ambiguous operators": {
            name: f"brought by {' and '.join(map(str, plugins))}: leave one out by IMGTK_DISABLE_PLUGINS"
            for name, plugins in default().ambiguous.items()
        },
    }
    if bench:
        facts["speed"] = speeds(device)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        for title, section in facts.items():
            if not section:
                continue
            width = max(map(len, section), default=0)
            click.secho(title, bold=True)
            for name, said in section.items():
                click.echo(f"  {name.ljust(width)}  {said}")
    broken = any(p.error for p in default().plugins) or any(said != "ok" for said in facts["weights"].values())
    return FAILED if broken else 0


def versions() -> dict[str, str]:
    found = {"imgtk": __version__, "python": platform.python_version(), "system": platform.platform()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def devices() -> dict[str, str]:
    """Return each device that works here, with its memory and what `--dtype auto` means on it."""
    import torch

    from imgtk.device import available_devices, available_memory, cpu_name, resolve_dtype

    found: dict[str, str] = {}
    for kind in available_devices():
        for index in range(torch.cuda.device_count() if kind == "cuda" else 1):
            device = torch.device(kind, index) if kind == "cuda" else torch.device(kind)
            name = torch.cuda.get_device_name(device) if kind == "cuda" else cpu_name()
            dtype = str(resolve_dtype("auto", device)).removeprefix("torch.")
            found[str(device)] = f"{name}, {bytes_text(available_memory(device))} free, auto is {dtype}"
    return found


def backends() -> dict[str, str]:
    """Return the version of each runtime that can compute networks, or how it is installed."""
    from imgtk.engine.backend import known_backends

    found = {"torch": f"{version('torch')}, on all devices"}
    for name, kind in known_backends().items():
        found[name] = f"{version(name)}, on the CPU" if kind.installed() else f"pip install {kind.package()}"
    return found


def speeds(device: str) -> dict[str, str]:
    """Return the megapixels of results per second by upscaler, what an image takes, and what would help."""
    from imgtk.bench.quick import measure, suggestions
    from imgtk.device import resolve_device

    found: dict[str, str] = {}
    for speed in measure(default(), Settings(device=device)):
        seconds = f"{16 / speed.megapixels:.1f} s for a photo of a megapixel" if speed.megapixels else ""
        found[speed.pipeline] = speed.error or f"{speed.megapixels:.3g} megapixels/s: {seconds}"
    advice = suggestions(resolve_device(device).type)
    return {**found, "to be faster": "; ".join(advice)} if advice else found


def weights() -> dict[str, str]:
    """Return "ok", or what is wrong, for each file of weights: those shipped, and those in the user's store."""
    found: dict[str, str] = {}
    for package in default().packages:
        try:
            for card in shipped(package):
                found[f"{package}/{card.name}"] = condition(card, folder(package))
        except WeightsError as error:
            found[package] = str(error)
    for spec in default().specs:
        origin = default().origin(spec.name)
        package = re.split("[.:]", origin.module)[0] if origin else ""
        for name in spec.weights:
            if f"{package}/{name}" not in found and not any(key.endswith(f"/{name}") for key in found):
                found[f"{package}/{name}"] = f"{spec.name} promises them, and {origin} has no such file"
    return found | {f"yours/{card.name}": condition(card, store()) for card in added()}


def condition(card: Card, place: Path) -> str:
    """Return "ok", or what is wrong with the file that belongs to `card` in the folder `place`."""
    file = place / f"{card.name}.safetensors"
    if not file.is_file():
        return "the file is missing"
    return "ok" if digest(file) == card.sha256 else "the file is damaged"
