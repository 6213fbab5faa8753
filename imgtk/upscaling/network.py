"""The interface of networks for `Upscale`, and loading one from a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from imgtk.errors import WeightsError
from imgtk.weights import read_state
from imgtk.weights.architecture import Architecture, State, network_of

__all__ = ["UpscalingNetwork", "load_network"]


class UpscalingNetwork(nn.Module):
    """A network from (N, 3, H, W) to (N, 3, H * scale, W * scale), RGB, nominally 0..1.

    Attributes:
        scale: output pixels per input pixel.
        multiple: what the input's sides must be multiples of.
        halo: context around a tile, in input pixels, for which its output is that of the whole image.
        description: class and size in a few words: "RRDBNet, 23 blocks".
    """

    scale: int
    multiple: int = 1

    @property
    def halo(self) -> int:
        raise NotImplementedError

    @property
    def description(self) -> str:
        return type(self).__name__

    @property
    def architecture(self) -> str:
        """The description with the number of parameters, for cards and plans."""
        return f"{self.description}, {sum(p.numel() for p in self.parameters()) / 1e6:.2f} M parameters"

    def adapted(self, state: State) -> State:
        """Return the tensors of a network to start training from, changed to what suits this one. Those whose shape
        differs from this network's are left out afterwards."""
        return state


def load_network(path: str | Path, architectures: Iterable[Architecture]) -> UpscalingNetwork:
    """Load the network of a checkpoint on the CPU, in the file's dtype, ready for inference.

    Args:
        path: the checkpoint.
        architectures: those that it may be of, such as `BuildContext.architectures`.

    Raises:
        WeightsError: as `imgtk.weights.read_state` and `imgtk.weights.architecture.network_of`, or it is no upscaler.
    """
    network = network_of(read_state(path), architectures, str(path))
    if not isinstance(network, UpscalingNetwork):
        raise WeightsError(f"{path} holds {type(network).__name__}, which is not an upscaling network")
    return network
