"""The interface of networks for `Upscale`, and loading one from a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from imgtk import network_op
from imgtk.geometry import Box
from imgtk.nn.noise import COARSE_STEP, Noise, noise_in
from imgtk.weights.architecture import Architecture, State

__all__ = ["UpscalingNetwork", "load_network"]


class UpscalingNetwork(nn.Module):
    """A network from (N, 3, H, W) to (N, 3, H * scale, W * scale), RGB, nominally 0..1.

    Attributes:
        scale: output pixels per input pixel.
        multiple: what the input's sides must be multiples of.
        halo: context around a tile, in input pixels, for which its output is that of the whole image.
        description: class and size in a few words: "RRDBNet, 23 blocks".
        noisy: whether it takes noise, `COARSE_STEP` times as large as the image: `forward(x, white, coarse)`.
    """

    scale: int
    multiple: int = 1
    noisy: bool = False

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

    def noise_in(self, box: Box, seed: int = 0, period: tuple[int | None, int | None] = (None, None)) -> Noise:
        """Return the noise for region `box` of an image, in its pixels; see `imgtk.nn.noise.noise_in`."""
        across, down = (None if length is None else COARSE_STEP * length for length in period)
        return noise_in(Box(*(COARSE_STEP * edge for edge in box)), seed, (across, down))

    def further_inputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return what the network takes beside an image `x` that starts at the origin, by the names of ONNX inputs."""
        whole = Box(0, 0, x.shape[3], x.shape[2])
        return self.noise_in(whole).to(x.device, x.dtype).named() if self.noisy else {}

    def with_inputs(self, x: Tensor, white: Tensor, coarse: Tensor) -> Tensor:
        """Return the output for `x`, given its `further_inputs`."""
        output: Tensor = self(x, white, coarse)
        return output

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
    return network_op.load_network(Path(path), architectures, UpscalingNetwork, "which is not an upscaling network")
