"""Import of third-party weights into the user's store: recognised, converted, and compared with the original."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from imgtk.errors import UsageError, WeightsError
from imgtk.weights.architecture import Architecture, described, recognised
from imgtk.weights.card import Card
from imgtk.weights.checkpoint import read_state, save
from imgtk.weights.download import DownloadProgress, check_address, download, place
from imgtk.weights.ncnn import weights_file
from imgtk.weights.public import PublicModel
from imgtk.weights.store import added, digest, files, folder, nearest, store

__all__ = ["TOLERANCE", "ImportedWeights", "add", "pull"]

TOLERANCE = 1 / 255
"""How far the converted network's output may be from the original's, as a share of the output's largest value (or of 1,
where that is more). Half precision keeps 11 bits of each weight; published networks then differ by a tenth of this."""

SIDE = 32
"""Least side of the image on which the two networks are compared, in pixels."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names that are file names everywhere and words of a pipeline."""


@dataclass(frozen=True)
class ImportedWeights:
    """Weights that were added to the store.

    Attributes:
        card: what they are.
        path: their file.
        difference: largest difference between the outputs of the converted network and of the original one, as
            `TOLERANCE` measures it.
        architecture: of the network; it names an operator that takes the weights.
    """

    card: Card
    path: Path
    difference: float
    architecture: Architecture


def add(
    file: str | Path,
    name: str,
    architectures: Iterable[Architecture],
    *,
    packages: Iterable[str] = (),
    licence: str = "unstated",
    summary: str = "",
    origin: str = "",
    force: bool = False,
    expected: tuple[str, int] | None = None,
) -> ImportedWeights:
    """Convert a checkpoint to safetensors, with a model card, in the user's store.

    The architecture is recognised by the tensors, and the converted network is run beside the original one. The store
    is only touched when all is well.

    Args:
        file: in any format that `imgtk.weights.read_state` reads.
        name: by which operators will find the weights.
        architectures: those that are recognised, such as `imgtk.registry.default().architectures`.
        packages: importable names of those that ship weights, whose names cannot be taken.
        licence: SPDX identifier, for the card.
        summary: one line, for the card.
        origin: where the file came from, for the card; by default its name.
        force: replace weights of that name.
        expected: the architecture's name and the scale that the file must have.

    Raises:
        UsageError: the name cannot be used, or is taken.
        WeightsError: the file cannot be used, or the converted network gives something else than the original one.
    """
    known = list(architectures)
    target = _target(name, force, packages)
    file = Path(file).expanduser()
    if file.exists() and not file.is_file():
        raise WeightsError(f"{file} is not a file", hint="Name the file in it." if file.is_dir() else None)
    architecture, original = recognised(read_state(file), known, str(file))
    scale = getattr(original, "scale", None)
    if expected and expected != (architecture.name, scale):
        raise WeightsError(f"{file} holds {architecture.name} x{scale}, not {expected[0]} x{expected[1]} as expected")
    card = Card(
        name,
        summary,
        described(original),
        licence=licence,
        scale=scale,
        origin=origin or file.name,
        origin_sha256=digest(weights_file(file)),
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".adding-") as folder:
            converted = Path(folder) / target.name
            try:
                card = save(converted, original.state_dict(), card)
            except WeightsError as error:
                raise WeightsError(f"{file} cannot be stored: {error.message.replace(str(converted), name)}") from None
            _, again = recognised(read_state(converted), [architecture], name)
            difference = _difference(original, again, architecture.inputs)
            if not difference <= TOLERANCE:  # NaN is not
                raise WeightsError(
                    f"{file}: in half precision the network's output differs by {difference:.2g}, more than "
                    f"{TOLERANCE:.2g}; it was not added",
                    hint=f"Use the file as it is: {architecture.parameter}=PATH.",
                )
            os.replace(converted, target)
            os.replace(converted.with_suffix(".toml"), target.with_suffix(".toml"))
    except OSError as error:
        raise WeightsError(f"cannot write {target}: {error.strerror or error}") from None
    return ImportedWeights(card, target, difference, architecture)


def pull(
    source: str,
    name: str | None,
    architectures: Iterable[Architecture],
    *,
    packages: Iterable[str] = (),
    public: Iterable[PublicModel] = (),
    sha256: str = "",
    report: DownloadProgress | None = None,
    force: bool = False,
) -> ImportedWeights:
    """Download weights, and `add` them.

    Where no hash is known, the first download is trusted, and its hash kept in the card: a later one must have it too.

    Args:
        source: the name of one of `public`, or an address.
        name: by which operators will find the weights; None for the public name, or the file's in the address.
        sha256: hex digest that the file must have; by default the published one.
        report: called as the download goes on.
        public: the public weights that are known by name.
        architectures, packages, force: see `add`.

    Raises:
        UsageError: the source is neither; the name cannot be used, or is taken.
        WeightsError: the file cannot be downloaded or used.
    """
    rows = list(public)
    row = next((model for model in rows if source in (model.name, model.url)), None)
    if row is None and "://" not in source:
        raise UsageError(
            f"{source!r} is neither the name of public weights nor a URL",
            hint=f"{nearest(source, [model.name for model in rows])}`imgtk models public` lists the names.",
        )
    url = row.url if row else source
    check_address(url)
    origin = _without_login(url)
    name = name or (row.name if row else re.sub(r"\.\w+$", "", url.partition("?")[0].rpartition("/")[2]))
    _target(name, force, packages)
    pinned = next((card.origin_sha256 for card in added() if card.origin == origin), "")
    file = row.file if row else ""
    kept = place(url, file).exists()
    path = download(url, sha256 or (row.sha256 if row else "") or pinned, report, file)
    if not kept:
        try:
            read_state(path)
        except WeightsError as error:
            path.unlink()
            raise WeightsError(f"the file from {url} was not kept: {error.message}", hint="Check the URL.") from None
    return add(
        path,
        name,
        architectures,
        packages=packages,
        licence=row.licence if row else "unstated",
        summary=row.summary if row else "",
        origin=origin,
        force=force,
        expected=(row.architecture, row.scale) if row else None,
    )


def _without_login(url: str) -> str:
    """Return an address without the name and password that it may begin with: cards are shown to others."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _target(name: str, force: bool, packages: Iterable[str]) -> Path:
    """Return the file in the store for new weights `name`. Raises UsageError if they cannot have it."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"weights cannot be called {name!r}",
            hint="Choose one with --name: at most 100 letters, digits, dots, hyphens and underscores.",
        )
    if any(name in files(folder(package)) for package in packages):
        raise UsageError(f"{name!r} is the name of shipped weights", hint="Choose another with --name NAME.")
    target = store() / f"{name}.safetensors"
    if target.exists() and not force:
        raise UsageError(f"there are weights {name!r} already", hint="--force replaces them; --name NAME keeps both.")
    return target


def _difference(original: nn.Module, converted: nn.Module, inputs: int) -> float:
    """Return the largest difference of their outputs on synthetic images, or on the network's `example_inputs`, as a
    share of the original's largest value or of 1."""
    example: Callable[[], Sequence[Tensor]] | None = getattr(original, "example_inputs", None)
    given = example() if example else _images(original, inputs)

    def outputs(network: nn.Module) -> list[Tensor]:
        return list(_tensors(deepcopy(network).float()(*given)))

    with torch.inference_mode():
        pairs = zip(outputs(original), outputs(converted), strict=True)
        differences = [(got - expected).abs().amax() / expected.abs().amax().clamp(min=1) for expected, got in pairs]
        return torch.stack(differences).amax().item()  # NaN if one is


def _images(network: nn.Module, count: int) -> list[Tensor]:
    """Return synthetic images for a network, (1, 3, H, W)."""
    multiple = getattr(network, "multiple", 1)
    side = -(-SIDE // multiple) * multiple
    generator = torch.Generator().manual_seed(0)
    images = []
    for _ in range(count):
        soft = interpolate(torch.rand(1, 3, 8, 8, generator=generator), size=(side, side), mode="bicubic")
        images.append((0.9 * soft + 0.1 * torch.rand(soft.shape, generator=generator)).clamp(0, 1))
    return images


def _tensors(output: object) -> Iterator[Tensor]:
    """Yield the tensors in what a network gives: one, or several in tuples, lists or dicts."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from _tensors(list(output.values()))
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _tensors(part)
