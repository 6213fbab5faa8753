"""`NetworkOp`: an operator whose work is one network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from imgtk.context import BuildContext
from imgtk.errors import WeightsError
from imgtk.geometry import Geometry
from imgtk.op import ImageOp
from imgtk.weights import read_state
from imgtk.weights.architecture import Architecture, network_of

__all__ = ["NetworkOp", "load_network"]

N = TypeVar("N", bound=nn.Module)


class NetworkOp(ImageOp):
    """What a network gives, with weights by name or from a file.

    By itself it is a whole operator, for networks from (N, 3, H, W) to (N, 3, H * scale, W * scale) that tell as
    attributes, where these are not the defaults: `scale` (1), `halo` (0: pixels around a tile that count), `multiple`
    (1: what sides must be multiples of) and `description` (their class), in a few words.

    Args:
        models: names of weights, or files: one, unless a class mixes several.
        package: importable name of the package that ships them.
        context: of the pipeline that builds the operator.

    Attributes:
        kind: class of the networks that it takes. Files of others are refused by name.
        models, paths: what the network is from: names, and files.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    kind: ClassVar[type[nn.Module]] = nn.Module

    def __init__(self, *models: str, package: str, context: BuildContext) -> None:
        self.context = context
        self.models = list(models)
        self.paths = [context.locate(model, package) for model in models]

    @cached_property
    def network(self) -> Any:
        """The network as stored."""
        return self.load(self.paths[0])

    def load(self, path: Path) -> Any:
        """Load the network of a checkpoint, as `load_network`. Raises WeightsError."""
        return load_network(path, self.context.architectures, self.kind)

    @property
    def weight_files(self) -> Sequence[Path]:
        return self.paths

    @cached_property
    def geometry(self) -> Geometry:
        network = self.network
        scale = Fraction(getattr(network, "scale", 1))
        return Geometry(scale, getattr(network, "halo", 0), multiple=getattr(network, "multiple", 1))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.forward_fn(x)

    def summary(self) -> Mapping[str, str]:
        size = sum(p.numel() for p in self.network.parameters()) / 1e6
        description = getattr(self.network, "description", type(self.network).__name__)
        return {"weights": " + ".join(self.models), "network": f"{description}, {size:.2f} M parameters"}

    def close(self) -> None:
        for held in ("network", "forward_fn"):
            self.__dict__.pop(held, None)


def load_network(
    path: Path, architectures: Iterable[Architecture], kind: type[N], refusal: str = "", hint: str | None = None
) -> N:
    """Load the network of a checkpoint on the CPU, in the file's dtype, ready for inference.

    Args:
        path: the checkpoint.
        architectures: those that it may be of, such as `BuildContext.architectures`.
        kind: class that the network must be of.
        refusal: end of the message about another one, "which is not an upscaling network"; by default it names `kind`.
        hint: what to do then.

    Raises:
        WeightsError: as `imgtk.weights.read_state` and `imgtk.weights.architecture.network_of`, or it is of another
            `kind`.
    """
    network = network_of(read_state(path), architectures, str(path))
    if not isinstance(network, kind):
        refusal = refusal or f"and this operator takes {kind.__name__}"
        hint = hint or "`imgtk models` lists the weights, with their operators."
        raise WeightsError(f"{path} holds {type(network).__name__}, {refusal}", hint=hint)
    return network
