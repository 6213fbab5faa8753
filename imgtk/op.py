"""What an operator is: its description (`OpSpec`), and its behaviour (`ImageOp`).

Discovery imports only this module and a plugin's `__init__`; neither imports torch. The operator's code is named by
`OpSpec.impl` and imported when it first runs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from imgtk.errors import ParameterError, PluginError
from imgtk.geometry import Geometry, Size, Window
from imgtk.params import REQUIRED, ImageInput, Param

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from imgtk.context import BuildContext

__all__ = ["MEASURED_PIXELS", "ImageOp", "OpSpec"]

MEASURED_PIXELS = 1 << 20
"""Pixels up to which operators of extent STATISTICS measure all of an image; of larger ones they measure a version of
at most this size."""

CONTEXT = "context"
"""The argument by which a class asks for the `BuildContext`; no parameter may have this name."""


@dataclass(frozen=True)
class OpSpec:
    """What discovery knows of an operator, without importing its code.

    Attributes:
        name: `task:method`, or a bare verb; lower case.
        impl: "package.module:Class", a subclass of `ImageOp`, imported on first use.
        summary: one line, shown by `imgtk ops`.
        params: in the order in which bare words bind.
        preset: keyword arguments always passed to `impl`, for several names over one class (`style:monet`, …).
        may_add_colour: whether the output may be in colour although the input is gray.
        trainer: "package.module:Class", a subclass of `imgtk.training.Trainer`, for `imgtk train NAME`.
        weights: names of shipped weights that the operator may load, the default first.
        blend: makes one operator of several that have the same `blend`: users join their names, `style:monet+scream`.
    """

    name: str
    impl: str
    summary: str
    params: tuple[Param, ...] = ()
    preset: Mapping[str, Any] = field(default_factory=dict)
    may_add_colour: bool = False
    trainer: str | None = None
    weights: tuple[str, ...] = ()
    blend: Callable[[Sequence[OpSpec]], OpSpec] | None = None

    @property
    def inputs(self) -> int:
        """Number of input images: the piped one and one per `ImageInput` parameter."""
        return 1 + len(self.image_params)

    @property
    def image_params(self) -> tuple[Param, ...]:
        return tuple(p for p in self.params if isinstance(p.type, ImageInput))

    def param(self, name: str) -> Param | None:
        return next((p for p in self.params if p.name == name or p.keyword == name), None)

    def build(self, context: BuildContext, /, **params: Any) -> ImageOp:
        """Import the implementation and construct it.

        Args:
            context: what the pipeline that builds gives; passed on if the class takes an argument `context`.
            params: the parameters, by name with underscores. They are converted; those left out take their defaults.

        Raises:
            ParameterError: for an unknown, missing or wrong parameter.
            PluginError: if there is no such implementation.
        """
        known = {p.keyword: p for p in self.params if not isinstance(p.type, ImageInput)}
        for name in params.keys() - known.keys():
            raise ParameterError(f"{self.name} has no parameter {name!r}", hint=f"See `imgtk help {self.name}`.")
        values: dict[str, Any] = dict(self.preset)
        for name, param in known.items():
            if name in params and params[name] != param.default:
                values[name] = param.convert(params[name], self.name)
            elif param.default is REQUIRED:
                raise ParameterError(f"{self.name} needs {param.name}=", hint=f"See `imgtk help {self.name}`.")
            else:
                values[name] = param.default
        module, _, attribute = self.impl.partition(":")
        try:
            implementation = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.name}: cannot import {self.impl}: {error}") from error
        if CONTEXT in signature(implementation).parameters:
            values[CONTEXT] = context
        op: ImageOp = implementation(**values)
        return op


class ImageOp(ABC):
    """An operator, built once with its parameters and then called on images or tiles of images.

    A class that loads weights or draws at random takes an argument `context`, a `BuildContext`, and looks nothing up by
    itself.

    Images are float tensors (1, 3, H, W), RGB, nominally 0..1 (interpolation may overshoot), on the device and in
    the dtype of the last `to`. An operator never changes its input, gives the same output for the same input, and
    knows nothing of files. Most operators are a `geometry` and a `__call__`.

    Attributes:
        position_dependent: set it if the result depends on where a tile lies (masks, vignettes, fractional scales): the
            engine then calls `render` with the tile's `Window`, and with the `statistics` if the extent is STATISTICS.
        batched: set it if a call also takes N images at once, (N, 3, H, W), and gives for each, to rounding, what it
            gives for it alone; so must `render`, `measure` and `apply`.
        needs_float32: set it if reduced precision costs quality; the engine then computes in float32.
        on_step: WHOLE operators that take long call it, when it is set, with the number of steps done and of all.
        backend: builds `forward_fn` in another runtime than torch; the engine sets it before `to`.
        forward_fn: what operators with a `network` call instead of it; `to` makes it.
    """

    position_dependent: ClassVar[bool] = False
    batched: ClassVar[bool] = False
    needs_float32: ClassVar[bool] = False
    on_step: Callable[[int, int], None] | None = None
    backend: Callable[[nn.Module, torch.device, torch.dtype], Callable[[Tensor], Tensor]] | None = None
    forward_fn: Callable[[Tensor], Tensor]

    @property
    def network(self) -> nn.Module | None:
        """Operators whose work is one network, (N, 3, H, W) to (N, 3, H * s, W * s): the network as it is stored, ready
        for inference, always the same one. It can be exported, and computed by other runtimes."""
        return None

    @property
    def weight_files(self) -> Sequence[Path]:
        """The files that `network` is from. The card of each may lie beside it."""
        return ()

    @property
    @abstractmethod
    def geometry(self) -> Geometry:
        """What this operator, with its parameters, needs of its input."""

    @abstractmethod
    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        """(1, 3, H, W) to (1, 3, H * scale, W * scale). `others` are the further inputs, at the size of `x`."""

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Load what the operator needs (weights) and move it to `device` and `dtype`, in channels_last.

        By itself this makes `forward_fn` from the `network`, if there is one.
        """
        if self.network is not None:
            self.forward_fn = (self.backend or in_torch)(self.network, device, dtype)

    def output_size(self, size: Size) -> Size:
        """Size of the output for an input of `size`."""
        return size.scaled(self.geometry.scale)

    def check(self, size: Size) -> None:
        """Raise an ImgtkError if the operator does not suit images of `size`. It is called before anything is
        computed, and not for the small versions of an image that are made for measuring."""
        return

    def measure(self, x: Tensor) -> Any:
        """STATISTICS operators: what `apply` (or `render`) needs to know of the whole image, from a small version of
        it, or from all of it if it is small."""
        raise NotImplementedError(f"{type(self).__name__} has extent STATISTICS and must define measure()")

    def apply(self, x: Tensor, statistics: Any) -> Tensor:
        """STATISTICS operators: like calling, but with the statistics of the whole image; `op(x)` must equal
        `op.apply(x, op.measure(x))` to rounding."""
        raise NotImplementedError(f"{type(self).__name__} has extent STATISTICS and must define apply()")

    def render(self, *inputs: Tensor, window: Window) -> Tensor:
        """Position-dependent operators: exactly the pixels of `window.output`. The inputs cover `window.input`.

        Those of extent STATISTICS define `render(*inputs, window, statistics)`, and no `apply`. They are always given
        what they `measure`, also for an image that is rendered in one piece.
        """
        raise NotImplementedError(f"{type(self).__name__} is position_dependent and must define render()")

    def close(self) -> None:
        """Release what the operator holds; it is not called again."""
        return

    def summary(self) -> Mapping[str, str]:
        """Facts for `imgtk plan`: which weights, what they are."""
        return {}


def in_torch(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A copy of `network` on `device` in `dtype`, in channels_last."""
    import torch

    return deepcopy(network).to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
