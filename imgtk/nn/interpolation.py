"""Network interpolation: one network out of several, by averaging their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor, nn

from imgtk.errors import WeightsError

__all__ = ["interpolated"]

Network = TypeVar("Network", bound=nn.Module)


def interpolated(networks: Sequence[Network], shares: Sequence[float], names: Sequence[str]) -> Network:
    """Return the network whose parameters are averages, in float32, of those of `networks` (ESRGAN, Wang et al. 2018,
    section 3.4).

    What it makes lies between what they make if they were trained from one another.

    Args:
        networks: at least one; the first is changed into the result.
        shares: how much each counts; divided by their sum, which is not 0.
        names: their names, for messages.

    Raises:
        WeightsError: the networks differ in more than the values of their tensors.
    """
    result, averages = networks[0], dict[str, Tensor]()
    for network, share, name in zip(networks, shares, names, strict=True):
        difference = _difference(result, network)
        if difference:
            raise WeightsError(
                f"{names[0]} and {name} cannot be interpolated: {difference}",
                hint="Use networks of one architecture and size, one of which was trained from the other.",
            )
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                averages[key] = averages.get(key, 0) + value.float() * (share / sum(shares))
    result.load_state_dict({**result.state_dict(), **averages}, assign=True)
    return result.requires_grad_(False)


def _difference(one: nn.Module, other: nn.Module) -> str:
    """Return how the second network differs from the first in more than its numbers; "" if it does not."""
    if type(one) is not type(other):
        return f"one is {type(one).__name__}, the other {type(other).__name__}"
    scale, other_scale = (getattr(network, "scale", 1) for network in (one, other))
    if scale != other_scale:
        return f"one is x{scale}, the other x{other_scale}"
    ours, theirs = one.state_dict(), other.state_dict()
    for key, value in ours.items():
        if key not in theirs:
            return f"only the first has {key}"
        if theirs[key].shape != value.shape:
            return f"{key} has shape {tuple(value.shape)} in the first, {tuple(theirs[key].shape)} in the second"
    return next((f"only the second has {key}" for key in theirs if key not in ours), "")
