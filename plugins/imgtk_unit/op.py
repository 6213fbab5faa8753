"""`translate:unit`: one pass through the encoder of one domain and the decoder of the other."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from imgtk.context import BuildContext
from imgtk.network_op import load_network
from imgtk.painting.blend import Blend
from imgtk.painting.strokes import PaintStrokes
from imgtk.weights.architecture import Architecture
from imgtk_unit.network import DOMAINS, UNIT, Translation

__all__ = ["Translate", "load_unit"]


class Translate(PaintStrokes):
    """Make a painting of a photo, or a photo of a painting.

    Args:
        to: domain of the result, of `imgtk_unit.network.DOMAINS`; the image is taken to be of the other one.
        model: name of shipped weights, or a file.
        strength, keep_colour, mask: see `Blend`.
        scale, seed, context: see `PaintStrokes`.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
        ReadError: the mask cannot be read.
    """

    def __init__(
        self,
        to: str,
        model: str,
        strength: float,
        keep_colour: str | None,
        mask: Path | None,
        scale: float,
        seed: int | None = None,
        *,
        context: BuildContext,
    ) -> None:
        super().__init__(model, "imgtk_unit", Blend(strength, keep_colour, mask), scale, seed, context=context)
        self.target = to

    @cached_property
    def network(self) -> Translation:
        """The way through the stored network that is asked for."""
        (origin,) = (domain for domain in DOMAINS if domain != self.target)
        return Translation(load_unit(self.paths[0], self.context.architectures), origin, self.target)


def load_unit(path: Path, architectures: Iterable[Architecture]) -> UNIT:
    """Load the network of a checkpoint on the CPU, in float32, ready for inference.

    Args:
        path: the checkpoint.
        architectures: those that it may be of.

    Raises:
        WeightsError: as `imgtk.weights.read_state` and `imgtk.weights.architecture.network_of`, or it is not a UNIT.
    """
    refusal, hint = "which does not translate in two directions", "translate:unit takes files of UNIT."
    return load_network(path, architectures, UNIT, refusal, hint).float()
