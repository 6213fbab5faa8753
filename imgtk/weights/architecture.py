"""Architectures: recognising the network of a checkpoint by its tensors.

This module imports no torch: plugins describe their architectures with it when they are discovered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from imgtk.errors import PluginError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Architecture", "State", "conv_shape", "count_layers", "described", "network_of", "recognised", "renamed"]

State = Mapping[str, "Tensor"]
"""Tensors by name."""

Detector = Callable[[State], "tuple[nn.Module, State] | None"]


@dataclass(frozen=True)
class Architecture:
    """A network that checkpoints may hold.

    Attributes:
        name: of the network's class, unique among all plugins.
        detect: "package.module:function". The function takes a state dict and gives the network that it belongs to,
            built on the "meta" device, and the state dict under the network's names; None where the tensors are not
            of this architecture. It raises ValueError, saying why, where they are but cannot be used.
        origins: the projects whose checkpoints are recognised, for messages: "ESRGAN, BSRGAN".
        operator: name of an operator that takes it, for the example that users are shown.
        parameter: the operator's parameter that names the weights.
        inputs: how many images of equal size the network's forward takes. A network that takes something else has a
            method `example_inputs()`, which gives a tuple of arguments of its forward, always the same.
    """

    name: str
    detect: str
    origins: str
    operator: str
    parameter: str = "model"
    inputs: int = 1

    def detector(self) -> Detector:
        """Import `detect`. Raises PluginError where that fails."""
        module, _, function = self.detect.partition(":")
        try:
            detector: Detector = getattr(import_module(module), function)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.name}: cannot import {self.detect}: {error}") from error
        return detector


def network_of(state: State, architectures: Iterable[Architecture], source: str = "the checkpoint") -> nn.Module:
    """Return the network that a state dict belongs to, as `recognised` gives it."""
    return recognised(state, architectures, source)[1]


def recognised(
    state: State, architectures: Iterable[Architecture], source: str = "the checkpoint"
) -> tuple[Architecture, nn.Module]:
    """Return the architecture of a state dict, and its network with the tensors in it, in their dtypes, ready for
    inference.

    Args:
        state: tensors by name.
        architectures: those that are tried, in this order.
        source: name of the state dict, for messages.

    Raises:
        WeightsError: the architecture is unknown, its parameters cannot be told, or tensors are missing, left over or
            of the wrong shape or kind.
    """
    known = list(architectures)
    hint = "Available: " + "; ".join(f"{a.name} ({a.origins})" for a in known) + "."
    for inner in (state, *_attributes(state)):
        for architecture in known:
            try:
                found = architecture.detector()(inner)
            except (KeyError, IndexError) as error:
                raise WeightsError(
                    f"{source} looks like {architecture.name}, but {error} is missing", hint=hint
                ) from None
            except ValueError as error:
                raise WeightsError(f"{source} looks like {architecture.name}, but it {error}", hint=hint) from None
            if found:
                network, tensors = found
                _compare(network, tensors, source, hint)
                network.load_state_dict(tensors, assign=True)
                return architecture, network.eval().requires_grad_(False)
    names = ", ".join(sorted(state)[:4])
    raise WeightsError(f"{source}: unknown architecture; its {len(state)} tensors begin with {names}", hint=hint)


def _attributes(state: State) -> Iterator[State]:
    """Yield the networks that a Lightning module may hold in its attributes; only looked for in a state dict that is no
    network's, for networks have parts of such names, too."""
    for name in ("model.", "net.", "network."):
        inner = {key.removeprefix(name): value for key, value in state.items() if key.startswith(name)}
        if inner:
            yield inner


def _compare(network: nn.Module, state: State, source: str, hint: str) -> None:
    wanted = network.state_dict()
    complaints = [f"{name} is missing" for name in wanted.keys() - state.keys()]
    complaints += [f"{name} is left over" for name in state.keys() - wanted.keys()]
    for name in wanted.keys() & state.keys():
        ours, theirs = wanted[name], state[name]
        if theirs.shape != ours.shape:
            complaints.append(f"{name} has shape {tuple(theirs.shape)} instead of {tuple(ours.shape)}")
        elif theirs.is_floating_point() != ours.is_floating_point():
            complaints.append(f"{name} holds {theirs.dtype}, not numbers like {ours.dtype}")
    if complaints:
        more = f", and {len(complaints) - 3} more" if len(complaints) > 3 else ""
        raise WeightsError(
            f"{source} looks like {type(network).__name__}, but {', '.join(sorted(complaints)[:3])}{more}", hint=hint
        )


def described(network: nn.Module, description: str = "") -> str:
    """Return the network in a few words, for cards: "RRDBNet, 23 blocks, 16.70 M parameters".

    Args:
        description: class and size; by default the network's own `description`, or else its class.
    """
    words = description or getattr(network, "description", type(network).__name__)
    return f"{words}, {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters"


def renamed(state: State, table: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Return `state` under new names: for each name the first (pattern, replacement) of `table` that changes it."""
    table = list(table)

    def new(name: str) -> str:
        changed = (re.sub(pattern, ours, name) for pattern, ours in table)
        return next((other for other in changed if other != name), name)

    return {new(name): value for name, value in state.items()}


def conv_shape(state: State, name: str) -> tuple[int, int]:
    """Return output and input channels of a convolution's weight.

    Raises:
        KeyError: it is missing.
        ValueError: it is no convolution's.
    """
    weight = state[name]
    if weight.dim() != 4 or 0 in weight.shape:
        raise ValueError(f"has {name} of shape {tuple(weight.shape)}, which is no convolution's")
    return weight.shape[0], weight.shape[1]


def count_layers(state: State, pattern: str) -> int:
    """Return how many different indices (the pattern's first group) names have. Raises ValueError unless they are 0, 1,
    2 …"""
    indices = {int(found[1]) for name in state if (found := re.match(pattern, name))}
    if indices != set(range(len(indices))):
        raise ValueError("lacks numbered layers between others")
    return len(indices)
