"""The weights that a run starts from, and those that it writes, with their model card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from imgtk.errors import TrainingError
from imgtk.training.recipe import Recipe
from imgtk.weights import Card, locate, read_state, save
from imgtk.weights.architecture import described

__all__ = ["load_init", "write_weights"]


def load_init(
    network: nn.Module,
    init: str,
    package: str,
    *,
    settings: str = "",
    others: Iterable[str] = (),
    load: Callable[[dict[str, Tensor]], object] | None = None,
) -> None:
    """Load the weights that a run starts from.

    Args:
        network: receives them.
        init: name of weights, or a file; "" does nothing.
        package: importable name of the package whose shipped weights may be named.
        settings: those of the recipe that say how large the network is, for the message: "width and blocks".
        others: further such packages.
        load: takes the tensors by name, instead of `network.load_state_dict`. It raises KeyError, RuntimeError or
            ValueError for those of another network.

    Raises:
        WeightsError: there are no such weights, or they cannot be read.
        TrainingError: they are of another network.
    """
    if not init:
        return
    state = read_state(locate(init, package, others))
    try:
        (load or network.load_state_dict)(state)
    except (KeyError, RuntimeError, ValueError):
        description = getattr(network, "description", type(network).__name__)
        hint = f"Set {settings} to those of the network to start from." if settings else "Name other weights."
        raise TrainingError(f"{init} does not fit {description}", hint=hint) from None


def write_weights(
    network: nn.Module,
    folder: Path,
    recipe: Recipe,
    *,
    name: str,
    summary: str,
    architecture: str,
    trained: str,
    sources: Sequence[str],
    scores: Mapping[str, float],
    scale: int | None = None,
) -> Path:
    """Write the weights of `network` and their model card into `folder`.

    Args:
        recipe: names itself and the licence.
        name: of the weights, and of both files.
        summary: what they are, on one line.
        architecture: the network in a few words; the number of parameters is added.
        trained: for how long, on what, on which machine.
        sources: of the training images; empty ones are left out.
        scores: figures of the last validation.
        scale: output pixels per input pixel, of networks that change the size.

    Returns:
        The weights file.

    Raises:
        WeightsError: a value is not finite in half precision, or the folder cannot be written.
    """
    card = Card(
        name=name,
        summary=summary,
        architecture=described(network, architecture),
        scale=scale,
        trained=trained,
        recipe=recipe.name,
        licence=recipe.licence,
        data=tuple(filter(None, sources)),
        scores={"validation": dict(scores)},
    )
    path = folder / f"{name}.safetensors"
    save(path, network.state_dict(), card)
    return path
