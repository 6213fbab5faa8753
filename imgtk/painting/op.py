"""`Paint`: the operator for networks that repaint an image and normalise by statistics of the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from imgtk import network_op
from imgtk.context import BuildContext
from imgtk.geometry import Extent, Geometry
from imgtk.network_op import NetworkOp
from imgtk.nn.border import continued
from imgtk.nn.noise import Noise
from imgtk.nn.normalise import NormalisingNetwork, Source
from imgtk.op import Facts
from imgtk.weights.architecture import Architecture

__all__ = ["MARGIN", "Paint", "load_network", "paint", "with_margin"]

MARGIN = 64
"""Minimum number of pixels by which images are extended on all sides while they are painted. Networks paint a frame
along the borders, which no loss has seen; it is cut off with the margin."""


class Paint(NetworkOp):
    """Repaint by a network.

    The network normalises by statistics of the whole image (`measure`), so all tiles are painted alike.

    Args:
        model: name of shipped weights, or a file.
        package: importable name of the package that ships them.
        strength: from 0 (the image itself) to 1.
        context: of the pipeline that builds the operator.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    forward_fn: NormalisingNetwork

    def __init__(self, model: str, package: str, strength: float = 1.0, *, context: BuildContext) -> None:
        super().__init__(model, package=package, context=context)
        self.strength = strength

    def load(self, path: Path) -> NormalisingNetwork:
        return load_network(path, self.context.architectures)

    @cached_property
    def facts(self) -> Facts:
        return Facts(batched=True, may_add_colour=True)

    @cached_property
    def geometry(self) -> Geometry:
        return Geometry(halo=self.network.radius, multiple=self.network.multiple, extent=Extent.STATISTICS)

    @cached_property
    def margin(self) -> int:
        """`MARGIN`, as the next multiple of the network's."""
        return -(-MARGIN // self.network.multiple) * self.network.multiple

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self._finished(self.forward_fn(with_margin(x, self.margin)), x)

    def measure(self, x: Tensor) -> list[Tensor]:
        return self.forward_fn.measure(with_margin(x, self.margin))

    def apply(self, x: Tensor, statistics: list[Tensor]) -> Tensor:
        return self._finished(self.forward_fn.apply_moments(with_margin(x, self.margin), statistics), x)

    def _finished(self, painted: Tensor, x: Tensor) -> Tensor:
        """Return the result for `x`, given the output of the network with the margin."""
        height, width = x.shape[2:]
        painted = painted[:, :, self.margin : self.margin + height, self.margin : self.margin + width]
        return painted if self.strength == 1 else torch.lerp(x.to(painted.dtype), painted, self.strength)


def load_network(path: Path, architectures: Iterable[Architecture]) -> NormalisingNetwork:
    """Load the network of a checkpoint on the CPU, in float32, ready for inference.

    Args:
        path: the checkpoint.
        architectures: those that it may be of, such as `BuildContext.architectures`.

    Raises:
        WeightsError: as `imgtk.weights.read_state` and `imgtk.weights.architecture.network_of`, or it does not repaint.
    """
    refusal = "which does not repaint images at their own size"
    return network_op.load_network(path, architectures, NormalisingNetwork, refusal).float()


def paint(
    network: Callable[[Tensor, Source], Tensor], x: Tensor, margin: int = MARGIN, noise: Noise | None = None
) -> Tensor:
    """Return the output of a network for (N, 3, H, W), which it sees `with_margin`.

    Args:
        network: a `NormalisingNetwork`, or a wrapper of one.
        noise: for the image with its margin; by default that of an image which starts there.
    """
    height, width = x.shape[2:]
    painted = network(with_margin(x, margin), Source(noise=noise))
    return painted[..., margin : margin + height, margin : margin + width]


def with_margin(x: Tensor, margin: int = MARGIN) -> Tensor:
    """Return (N, 3, H, W), continued by `margin` pixels on each side: mirrored, or repeated where it is too small for
    that."""
    return continued(x, margin, margin, margin, margin)
