"""Finding weights: in the `weights/` folders of packages, in the user's store, and in other files.

The store is the folder that the environment variable IMGTK_WEIGHTS names, or else `weights` in the user's data folder
(`~/.local/share/imgtk/weights` on Linux).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from imgtk.errors import WeightsError
from imgtk.weights.card import Card

__all__ = ["added", "digest", "files", "folder", "locate", "nearest", "remove", "shipped", "store"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".param")


def folder(package: str) -> Path:
    """Find where a package ships its weights; the folder need not exist. The code of the package is not run.

    Args:
        package: its importable name.

    Raises:
        WeightsError: no package of that name is installed.
    """
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # of a package around it, or of its name
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"there is no package {package!r} to look for weights in",
            hint="Install it. If the plugin is yours: `package` is the importable name of what ships the weights.",
        )
    return Path(spec.submodule_search_locations[0]) / "weights"


def shipped(package: str) -> list[Card]:
    """Read the cards of the weights that `package` ships, by name. Raises WeightsError as `folder` and `Card.read`."""
    return [Card.read(path) for path in sorted(folder(package).glob("*.toml"))]


def store() -> Path:
    """Return the user's own folder of weights; it need not exist."""
    given = os.environ.get("IMGTK_WEIGHTS")
    return Path(given).expanduser() if given else platformdirs.user_data_path("imgtk", appauthor=False) / "weights"


def added() -> list[Card]:
    """Return the cards of the weights in the user's store, by name; those without a readable card get one that
    says so."""
    cards = []
    for path in files(store()).values():
        try:
            cards.append(Card.read(path.with_suffix(".toml")))
        except WeightsError:
            cards.append(Card(path.stem, "The card is missing or damaged.", "unknown"))
    return cards


def remove(name: str) -> None:
    """Take weights out of the user's store. Raises WeightsError if there are none of that name, or they stay."""
    yours = files(store())
    if name not in yours:
        raise WeightsError(
            f"there are no weights {name!r} in {store()}", hint=f"{nearest(name, yours)}Yours are: {_listed(yours)}."
        )
    try:
        yours[name].unlink()
        yours[name].with_suffix(".toml").unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(f"cannot remove {yours[name]}: {error.strerror}") from None


def locate(model: str | Path, package: str, others: Iterable[str] = (), public: Iterable[str] = ()) -> Path:
    """Return the file of `model`.

    Args:
        model: the name of shipped weights, or else of weights in the user's store, or else the path of a file; `~` is
            expanded.
        package: importable name of the package whose shipped weights may be named.
        others: further such packages; of equal names, that of `package` is meant.
        public: names of public weights, which can be pulled.

    Raises:
        WeightsError: when there is no such thing, with the nearest name; when it is a folder; or when one of the
            packages is not installed.
    """
    ours = {name: path for other in (*others, package) for name, path in files(folder(other)).items()}
    theirs = files(store())
    named = {**theirs, **ours}
    if str(model) in named:
        return named[str(model)]
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, not a file of weights", hint="Name the file in it.")
    if path.suffix.lower() in SUFFIXES or len(path.parts) > 1:
        raise WeightsError(f"there is no file of weights {path}", hint="Check the path.")
    if str(model) in public:
        raise WeightsError(
            f"{str(model)!r} is not on this machine", hint=f"`imgtk models pull {model}` downloads it and adds it."
        )
    raise WeightsError(
        f"{str(model)!r} is neither shipped, nor in your store of weights, nor a file",
        hint=f"{nearest(str(model), named)}Shipped are: {_listed(ours)}. Yours are: {_listed(theirs)}.",
    )


def files(folder: Path) -> dict[str, Path]:
    """Return the files of weights in a folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a question that starts a hint, "Did you mean …? ", or "" if no name is similar."""
    near = get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]}? " if near else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def digest(path: Path) -> str:
    """Return SHA-256 of a file, in hex."""
    return sha256(path.read_bytes()).hexdigest()
