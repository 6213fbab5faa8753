"""Finding weights: those that packages ship in their `weights/` folder, and files of the user's."""

from __future__ import annotations

from difflib import get_close_matches
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from imgtk.errors import WeightsError
from imgtk.weights.card import Card

__all__ = ["digest", "folder", "locate", "shipped"]

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")


def folder(package: str) -> Path:
    """Where `package` (an importable name) ships its weights; the folder need not exist. Its code is not run."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package!r} is no installed package", name=package)
    return Path(spec.submodule_search_locations[0]) / "weights"


def shipped(package: str) -> list[Card]:
    """The cards of the weights that `package` ships, by name."""
    return [Card.read(path) for path in sorted(folder(package).glob("*.toml"))]


def locate(model: str | Path, package: str) -> Path:
    """The file of `model`.

    Args:
        model: the name of weights that `package` ships, or else the path of a file; `~` is expanded.
        package: importable name of the package whose shipped weights may be named.

    Raises:
        WeightsError: when there is no such thing, with the nearest name; or when it is a folder.
    """
    names = sorted(path.stem for path in folder(package).glob("*.safetensors"))
    if str(model) in names:
        return folder(package) / f"{model}.safetensors"
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, not a file of weights", hint="Name the file in it.")
    if path.suffix.lower() in SUFFIXES or len(path.parts) > 1:
        raise WeightsError(f"there is no file of weights {path}", hint="Check the path.")
    nearest = get_close_matches(str(model), names, n=1, cutoff=0.5)
    offer = f"Did you mean {nearest[0]}? " if nearest else ""
    raise WeightsError(
        f"{str(model)!r} is neither shipped with {package} nor a file",
        hint=f"{offer}Shipped are: {', '.join(names) or 'none'}.",
    )


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return sha256(path.read_bytes()).hexdigest()
