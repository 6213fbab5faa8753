"""Installs plugins into the environment that imgtk runs in, and remembers them.

What imgtk computes with (`FROZEN`) keeps its version: a plugin that needs another one is refused. What was installed is
remembered by environment in `plugins.json` in the folder where programs keep data of the user's, so that it can be
restored after the environment was made anew, as `uv tool upgrade` and `pipx reinstall` do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from importlib.metadata import PackageNotFoundError, distribution, distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zipfile import ZipFile

import platformdirs

from imgtk.errors import PluginError, UsageError
from imgtk.weights.card import Card

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "FROZEN",
    "Addition",
    "directory",
    "install",
    "installer",
    "listed",
    "losing_command",
    "missing",
    "planned",
    "remembered",
    "uninstall",
]

FROZEN = ("imgtk", "torch", "torchvision", "numpy", "opencv-python-headless", "pillow")
"""Distributions whose version no plugin changes."""


@dataclass(frozen=True)
class Addition:
    """A distribution that an installation would add.

    Attributes:
        name, version: of it.
        licence: of its code, as it states it.
        weights: the licences of the weights in it, by their names; None where its files are not at hand.
    """

    name: str
    version: str
    licence: str
    weights: dict[str, str] | None = None


def directory() -> list[dict[str, Any]]:
    """Return the plugins of the directory that ships with imgtk: name, summary, brings, repository, licence …"""
    rows: list[dict[str, Any]] = json.loads((Path(__file__).parent / "directory.json").read_text(encoding="utf-8"))
    return rows


def listed(requirement: str) -> str:
    """Return what to install for the name of a plugin: where the directory says that it is, or the name itself."""
    places = {row["name"]: row.get("install") for row in directory()}
    return places.get(_normal(requirement)) or requirement


def installer(action: str) -> list[str]:
    """Return the command that changes this environment: pip's, or uv's where there is no pip, as `uv tool` makes them.

    Args:
        action: "install" or "uninstall".

    Raises:
        PluginError: if there is neither.
    """
    if _has_pip():
        return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", action]
    if uv := shutil.which("uv"):
        return [uv, "pip", action, "--python", sys.executable]
    raise PluginError(
        "there is neither pip nor uv to install with",
        hint=f"Install pip: {sys.executable} -m ensurepip",
    )


def losing_command() -> str:
    """Return the command by which this environment loses its plugins: that of pipx or of `uv tool`, if one of them made
    it, else ""."""
    makers = {"pipx_metadata.json": "pipx reinstall", "uv-receipt.toml": "uv tool upgrade"}
    return next((command for file, command in makers.items() if (Path(sys.prefix) / file).is_file()), "")


def planned(requirements: Sequence[str], *, upgrade: bool = False, options: Sequence[str] = ()) -> list[Addition]:
    """Return what installing would add, without doing it.

    Args:
        requirements: names of packages, with versions if they matter; files, folders or URLs.
        upgrade: whether packages that are there are brought up to date.
        options: of pip, such as `--index-url`.

    Raises:
        PluginError: if pip cannot find them, or not without changing what is `FROZEN`.
    """
    requirements = [listed(word) for word in requirements]
    with _constraints() as pins, tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = [*installer("install"), "--dry-run", "-c", str(pins), *options, *(["--upgrade"] if upgrade else [])]
        if not _has_pip():  # uv has no report, and tells no licences
            said = _run([*words, *requirements])
            return [Addition(name, version, "unknown") for name, version in re.findall(r"(?m)^ \+ (\S+)==(\S+)", said)]
        _run([*words, "--report", str(report), *requirements])
        rows = json.loads(report.read_text(encoding="utf-8"))["install"]
    return [_addition(row) for row in rows]


def install(
    requirements: Sequence[str], *, upgrade: bool = False, editable: bool = False, options: Sequence[str] = ()
) -> list[str]:
    """Install packages, and remember them.

    Args:
        requirements, upgrade, options: as for `planned`.
        editable: whether a folder is installed as it is, so that changes to it count at once.

    Returns:
        The names of the distributions that were added or changed.

    Raises:
        PluginError: as `planned` does.
    """
    requirements = [listed(word) for word in requirements]
    before = _versions()
    editables = [word for folder in requirements for word in ("-e", str(Path(folder).resolve()))]
    with _constraints() as pins:
        words = [*installer("install"), "-c", str(pins), *options, *(["--upgrade"] if upgrade else [])]
        _run([*words, *(editables if editable else requirements)])
    after = _versions()
    spelt = {}
    for word in requirements:
        direct = "://" in word or Path(word).exists()
        spec = str(Path(word).resolve()) if direct and "://" not in word else word
        spelt[_installed_from(spec) if direct else _name(word)] = f"-e {spec}" if editable else spec
    _remember({**remembered(), **spelt})
    return [name for name in after if after[name] != before.get(name)]


def uninstall(name: str) -> None:
    """Remove a plugin's distribution, and forget it.

    Raises:
        UsageError: if it is not installed, or no plugin.
        PluginError: if it cannot be removed.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise UsageError(f"{name} is not installed", hint="`imgtk plugins` lists what is.") from None
    if _normal(name) == "imgtk" or not any(entry.group == "imgtk" for entry in found.entry_points):
        raise UsageError(f"{name} is no plugin of imgtk", hint="`imgtk plugins` lists them.")
    _run([*installer("uninstall"), "--quiet", *(["--yes"] if _has_pip() else []), name])
    _remember({known: spec for known, spec in remembered().items() if known != _normal(name)})


def remembered() -> dict[str, str]:
    """Return the requirements that were installed into this environment, by the distributions' names. Editable folders
    are "-e FOLDER"."""
    try:
        found = json.loads(_memory().read_text(encoding="utf-8")).get(sys.prefix, {})
    except (OSError, ValueError):
        return {}
    return {str(name): str(spec) for name, spec in found.items()}


def missing() -> list[str]:
    """Return what is `remembered` and no longer there, as it was asked for."""
    return [spec for name, spec in remembered().items() if name not in _versions()]


def _name(requirement: str) -> str:
    """Return the distribution that a requirement such as "imgtk-sepia>=1" names."""
    return _normal(re.split(r"[\s<>=!~;\[@]", requirement.strip(), maxsplit=1)[0])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed_from(place: str) -> str:
    """Return the distribution that was installed from a path or URL (PEP 610)."""
    for found in distributions():
        direct = json.loads(found.read_text("direct_url.json") or "{}").get("url", "")
        if place in (direct, unquote(urlsplit(direct).path)):
            return _normal(found.metadata["Name"] or "")
    return place


def _memory() -> Path:
    return platformdirs.user_data_path("imgtk", appauthor=False) / "plugins.json"


def _remember(specs: dict[str, str]) -> None:
    path = _memory()
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        table = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({**table, sys.prefix: specs}, indent=2), encoding="utf-8")
    os.replace(draft, path)


def _versions() -> dict[str, str]:
    return {_normal(each.metadata["Name"] or ""): each.version for each in distributions()}


@contextmanager
def _constraints() -> Iterator[Path]:
    """Yield a file that pins what is `FROZEN` to the versions that are installed."""
    pins = []
    for name in FROZEN:
        try:
            pins.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "constraints.txt"
        path.write_text("\n".join(pins), encoding="utf-8")
        yield path


def _has_pip() -> bool:
    return find_spec("pip") is not None


def _run(command: Sequence[str]) -> str:
    """Run pip or uv. Returns what it said on standard error. Raises PluginError with it."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if not done.returncode:
        return done.stderr
    conflict = re.search(r"The conflict is caused by:\n(.+?)\n\n", done.stdout, re.DOTALL)
    if conflict:
        told = " ".join(conflict[1].split())
        raise PluginError(
            f"the installation failed: {told}",
            hint="imgtk keeps the versions of what it computes with. Ask the plugin's authors for wider bounds.",
        )
    said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
    told = "\n  ".join(line.removeprefix("ERROR: ") for line in said[-8:])
    raise PluginError(f"the installation failed:\n  {told}")


def _addition(row: dict[str, Any]) -> Addition:
    """Return one row of pip's report (pip's "installation report" format, version 1)."""
    told = row["metadata"]
    url = urlsplit(row.get("download_info", {}).get("url", ""))
    file = Path(unquote(url.path))
    is_wheel = url.scheme == "file" and file.suffix == ".whl"
    classifiers = [line for line in told.get("classifier", []) if line.startswith("License ::")]
    licence = (
        told.get("license_expression")  # which pip before 24.1 does not report
        or (url.scheme == "file" and _expression(file))
        or told.get("license")
        or ", ".join(line.rpartition(":: ")[2] for line in classifiers)
        or "not stated"
    )
    return Addition(told["name"], told["version"], licence.splitlines()[0], _cards(file) if is_wheel else None)


def _expression(source: Path) -> str:
    """Return the SPDX expression that a wheel or a project's folder states; "" if there is none."""
    project = source / "pyproject.toml"
    if project.is_file():
        licence = tomllib.loads(project.read_text("utf-8")).get("project", {}).get("license")
        return licence if isinstance(licence, str) else ""
    if source.suffix != ".whl":
        return ""
    with ZipFile(source) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return str(message_from_bytes(archive.read(name)).get("License-Expression", ""))


def _cards(wheel: Path) -> dict[str, str]:
    """Return the licences of the weights in a wheel, by their names."""
    with ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        cards = [name for name in archive.namelist() if re.fullmatch(r"\w+/weights/[\w.-]+\.toml", name)]
        found = (Card.read(Path(archive.extract(name, folder))) for name in cards)
        return {card.name: card.licence for card in found}
