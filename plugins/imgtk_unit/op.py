"""`translate:unit`: one pass through the encoder of one domain and the decoder of the other."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from imgtk.errors import WeightsError
from imgtk.painting.op import Paint
from imgtk.registry import default
from imgtk.weights import read_state
from imgtk.weights.architecture import network_of
from imgtk_unit.network import DOMAINS, UNIT, Translation

__all__ = ["Translate", "load_unit"]


class Translate(Paint):
    """Make a painting of a photo, or a photo of a painting.

    Args:
        to: domain of the result, of `imgtk_unit.network.DOMAINS`; the picture is taken to be of the other one.
        strength: from 0 (the picture itself) to 1.
        model: name of shipped weights, or a file.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, to: str, strength: float, model: str) -> None:
        super().__init__(model, "imgtk_unit", strength)
        self.target = to

    @cached_property
    def network(self) -> Translation:
        """The way through the stored network that is asked for."""
        (origin,) = (domain for domain in DOMAINS if domain != self.target)
        return Translation(load_unit(self.path), origin, self.target)


def load_unit(path: Path) -> UNIT:
    """The network in a checkpoint, on the CPU, in float32, ready for inference.

    Raises:
        WeightsError: as `imgtk.weights.read_state` and `imgtk.weights.architecture.network_of`, or it is not a UNIT.
    """
    network = network_of(read_state(path), default().architectures, str(path))
    if not isinstance(network, UNIT):
        raise WeightsError(f"{path} holds {type(network).__name__}, which does not translate in two directions")
    return network.float()
