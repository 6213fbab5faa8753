"""Networks of spandrel as `UpscalingNetwork`s."""

from __future__ import annotations

from pathlib import Path

from spandrel import ImageModelDescriptor, ModelDescriptor, ModelLoader, ModelTiling, UnsupportedModelError
from torch import Tensor

from imgtk.errors import WeightsError
from imgtk.upscaling.network import UpscalingNetwork
from imgtk.weights import read_state

__all__ = ["SpandrelNetwork", "load"]

PURPOSES = ("SR", "Restoration")
"""What a network may be for; inpainting needs a mask, and networks for faces want one face of a given size."""

HALO = 32
"""Context around a tile in input pixels. Spandrel does not say how far its networks look; this is what hides the seams
of most that may be tiled."""


class SpandrelNetwork(UpscalingNetwork):
    """A network that spandrel has loaded. It keeps its output within 0..1.

    Args:
        descriptor: what spandrel's loader gives.
    """

    def __init__(self, descriptor: ImageModelDescriptor) -> None:
        super().__init__()
        self.model = descriptor.model  # registers its parameters, so that moving this network moves it
        self.descriptor = descriptor
        self.scale = descriptor.scale
        self.multiple = descriptor.size_requirements.multiple_of
        self.tiles = descriptor.tiling is ModelTiling.SUPPORTED and not descriptor.size_requirements.square

    @property
    def halo(self) -> int:
        return HALO

    @property
    def description(self) -> str:
        return " ".join([self.descriptor.architecture.name, *self.descriptor.tags])

    def forward(self, x: Tensor) -> Tensor:
        # Many networks take the layout of their tensors for granted. The descriptor pads what is below the least size.
        return self.descriptor(x.contiguous())


def load(path: Path) -> SpandrelNetwork:
    """Return the network in a checkpoint, on the CPU, in float32.

    The file is read as imgtk reads all weights: without running code of its.

    Raises:
        WeightsError: it cannot be read, spandrel does not know the network, or it is not one from an RGB image to an
            RGB image.
    """
    state = dict(read_state(path))
    try:
        descriptor: ModelDescriptor = ModelLoader().load_from_state_dict(state)
    except UnsupportedModelError:
        raise WeightsError(f"spandrel does not know the network in {path}") from None
    except Exception as error:  # architectures fail in their own ways on what only resembles them
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"spandrel cannot load {path}: {reason}") from None
    if descriptor.purpose not in PURPOSES or (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise WeightsError(
            f"{path} holds {descriptor.architecture.name} for {descriptor.purpose}, with {descriptor.input_channels} "
            f"channels in and {descriptor.output_channels} out; only networks from RGB to RGB images can be used"
        )
    return SpandrelNetwork(descriptor.eval())
