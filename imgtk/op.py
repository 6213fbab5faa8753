"""What an operator is: its description (`OpSpec`) and its behaviour (`ImageOp`).

Discovery imports only this module and the `__init__` of plugins; neither imports torch. `OpSpec.impl` names the code of
the operator, which is imported when it first runs.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from inspect import signature
from math import ceil, floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgtk.errors import BrokenContract, ImgtkError, ParameterError, PluginError, UsageError, blame
from imgtk.geometry import Affine, Box, Extent, Geometry, Size, Window, cut
from imgtk.params import REQUIRED, ImageInput, Param

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from imgtk.context import BuildContext

__all__ = ["MEASURED_PIXELS", "Facts", "ImageOp", "OpSpec", "Planes", "check_output", "in_torch"]

MEASURED_PIXELS = 1 << 20
"""Pixels up to which operators of extent STATISTICS measure all of an image; of larger ones they measure a version of
at most this size."""

CONTEXT = "context"
"""The argument by which a class asks for the `BuildContext`; no parameter may have this name."""


@dataclass(frozen=True)
class OpSpec:
    """The description of an operator, available without importing its code.

    Attributes:
        name: `task:method`, or a bare verb; lower case.
        impl: "package.module:Class", a subclass of `ImageOp`, imported on first use.
        summary: one line, shown by `imgtk ops`.
        params: in the order in which bare words bind.
        preset: keyword arguments always passed to `impl`, so that several names can share one class (`style:monet`, …).
        generates: whether it creates images without an input: it starts a chain, and nothing is piped into it.
        trainer: "package.module:Class", a subclass of `imgtk.training.Trainer`, for `imgtk train NAME`.
        weights: names of shipped weights that the operator may load, the default first.
        blend: combines several operators with the same `blend` into one: users join their names, `style:monet+scream`.
    """

    name: str
    impl: str
    summary: str
    params: tuple[Param, ...] = ()
    preset: Mapping[str, Any] = field(default_factory=dict)
    generates: bool = False
    trainer: str | None = None
    weights: tuple[str, ...] = ()
    blend: Callable[[Sequence[OpSpec]], OpSpec] | None = None

    @property
    def piped(self) -> int:
        """Number of images that are piped into it: 1, or 0 if it `generates`."""
        return 0 if self.generates else 1

    @property
    def inputs(self) -> int:
        """Number of input images at most: the piped one, and one per `ImageInput` parameter."""
        return self.piped + len(self.image_params)

    @property
    def least_inputs(self) -> int:
        """Number of input images at least: without those that may be left out."""
        return self.piped + sum(param.default is REQUIRED for param in self.image_params)

    @property
    def image_params(self) -> tuple[Param, ...]:
        return tuple(p for p in self.params if isinstance(p.type, ImageInput))

    def param(self, name: str) -> Param | None:
        return next((p for p in self.params if p.name == name or p.keyword == name), None)

    def build(self, context: BuildContext, /, **params: Any) -> ImageOp:
        """Import the implementation and construct it.

        Args:
            context: what the pipeline provides; passed on if the class has an argument `context`.
            params: the parameters, by name with underscores. They are converted; missing ones take their defaults.

        Raises:
            ParameterError: for an unknown, missing or wrong parameter.
            PluginError: if there is no such implementation.
            OperatorError: if it fails by a bug of its own.
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
        try:
            op: ImageOp = implementation(**values)
        except ImgtkError:
            raise
        except (Exception, SystemExit) as error:
            raise blame(context.told(self.name), "when it was built", error) from error
        return op


class Planes(Enum):
    """Which planes of its images an operator sees. A tensor has 3 channels of colour, or 4 with alpha: opacity from 0
    to 1, straight (colours are not multiplied by it)."""

    COLOUR = "colour"  # 3 channels in and out; the engine applies the operator's geometry to alpha
    ALL = "all"  # each input as it is, with 3 channels or 4; as many out as the first has (without any: 3)
    ALPHA = "alpha"  # 4 channels in, opaque where there is no alpha, and 4 out
    FLAT = "flat"  # 4 channels in, and 3 out: the result has no alpha


@dataclass(frozen=True)
class Facts:
    """What the engine must know of an operator with its parameters, besides its `Geometry`.

    Attributes:
        planes: which planes it sees.
        batched: whether a call also takes N images at once, (N, C, H, W), and returns for each, up to rounding, what it
            returns for the image alone.
        needs_float32: whether reduced precision costs quality: the engine then computes in float32.
        position_dependent: whether the result depends on the position of a tile (masks, vignettes, fractional scales).
            Such operators define `render`; those of extent STATISTICS always receive what they measure.
        may_add_colour: whether the output may be in colour although the input is gray.
        gray: whether the output is gray, whatever the input is.
        seed: the seed of its random numbers; None if it uses none.
        frames: frames of the clip that it makes from nothing; `imgtk.frame.frame_number` tells which one to render.
    """

    planes: Planes = Planes.COLOUR
    batched: bool = False
    needs_float32: bool = False
    position_dependent: bool = False
    may_add_colour: bool = False
    gray: bool = False
    seed: int | None = None
    frames: int = 1


class ImageOp(ABC):
    """An operator, built once with its parameters and then called on images or tiles of images.

    A class that loads weights or draws at random takes an argument `context`, a `BuildContext`, and looks nothing up by
    itself.

    Images are float tensors (1, 3, H, W), RGB, nominally 0..1 (interpolation may overshoot), on the device and in
    the dtype of the last `to`; `Facts.planes` gives them alpha. An operator never changes its input, gives the same
    output for the same input, in its dtype or in float32, and knows nothing of files.

    The engine calls `render`, and nothing else, for pixels. Most operators leave that as it is and define one of the
    simple forms:

    - `__call__`, if an output pixel depends on its neighbourhood (`geometry`) or on all of the image (extent WHOLE);
    - `measure` and `apply`, if it also depends on statistics of the whole image (extent STATISTICS).

    Those whose result depends on where a tile lies, and those that move pixels, define `render` instead; what moves
    pixels also defines `output_size`, `regions` and `placement`.

    Attributes:
        forward_fn: what operators with a `network` call instead of it: `to` makes it in torch, and another runtime may
            take its place.
    """

    forward_fn: Callable[..., Tensor]

    @cached_property
    def geometry(self) -> Geometry:
        """What this operator, with its parameters, needs of its input: by default, each pixel for itself."""
        return Geometry()

    @cached_property
    def facts(self) -> Facts:
        """What else the engine must know of this operator, with its parameters."""
        return Facts()

    def output_size(self, *sizes: Size) -> Size:
        """Return the size of the output for inputs of these sizes: by default, that of the first times the scale.

        An operator that does not define this takes only images of one size. One that creates images without an input is
        given the size of the pipeline's input, if there is one, and none otherwise.

        Raises:
            ImgtkError: if the operator does not support images of these sizes.
        """
        if not sizes:
            raise UsageError("the size of the image is not known", hint="Say it, for example 512x512.")
        return sizes[0].scaled(self.geometry.scale)

    def regions(self, box: Box, *sizes: Size) -> Sequence[Box]:
        """Return, for region `box` of the output, the region that it needs of each input (its region of interest).

        By default these are the pixels under the box and the halo around them, or the whole image, as `geometry` says.
        Regions may extend beyond the image: an operator receives the part within, and finds in `Window.input` which
        part that is.
        """
        geometry = self.geometry
        if geometry.extent is Extent.WHOLE:
            return [Box.of(size) for size in sizes]
        across = down = geometry.scale
        if self.facts.position_dependent and sizes:
            output = self.output_size(*sizes)
            across, down = Fraction(output.width, sizes[0].width), Fraction(output.height, sizes[0].height)
        under = Box(floor(box.left / across), floor(box.top / down), ceil(box.right / across), ceil(box.bottom / down))
        return [under.grown(geometry.halo)] * len(sizes)

    def placement(self, *sizes: Size) -> Affine | None:
        """Return where the pixels of the output lie in the first input: by default, scaled to its size.

        Metadata (GeoTIFF, DPI) follow it. None if no matrix describes it, as for a change of perspective: files then
        lack the metadata that depend on it.
        """
        if not sizes:
            return None
        output = self.output_size(*sizes)
        return Affine.scaling(Fraction(sizes[0].width, output.width), Fraction(sizes[0].height, output.height))

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        """Compute exactly the pixels of `window.output`. The engine calls no other method for pixels.

        Args:
            inputs: the pixels of the regions that `window` names; those of an empty region have no width or height.
            window: the region, and the regions that the inputs cover.
            statistics: for extent STATISTICS, the result of `measure` for the whole image; None for a call on all of
                it.

        By default this calls the simple forms, and cuts the region out of their results.
        """
        geometry = self.geometry
        if statistics is not None:
            output = self.apply(inputs[0], statistics)
        elif type(self).__call__ is not ImageOp.__call__:
            output = self(*inputs)
        elif geometry.extent is Extent.STATISTICS:
            output = self.apply(inputs[0], self.measure(inputs[0]))
        else:
            raise BrokenContract("defines neither __call__ nor render")
        expected = self.output_size(*(Size(x.shape[3], x.shape[2]) for x in inputs))
        check_output(output, expected)
        left, top = (int(edge * geometry.scale) for edge in window.input[:2])
        return cut(output, window.output.shifted(-left, -top))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        """Return the output for whole images, (1, 3, H, W) to (1, 3, H * scale, W * scale). `others` are the further
        inputs, at the size of `x` unless the operator defines `output_size`."""
        sizes = [Size(image.shape[3], image.shape[2]) for image in (x, *others)]
        known = {"statistics": self.measure(x)} if self.geometry.extent is Extent.STATISTICS else {}
        return self.render(x, *others, window=Window.whole(self.output_size(*sizes), *sizes), **known)

    def measure(self, x: Tensor) -> Any:
        """Return what `apply` (or `render`) needs to know of the whole image, for extent STATISTICS. `x` is a reduced
        version of the image, or all of it if it is small."""
        raise BrokenContract("has extent STATISTICS and must define measure()")

    def apply(self, x: Tensor, statistics: Any) -> Tensor:
        """Compute the pixels of a region with the statistics of the whole image, for extent STATISTICS. `op(x)` must
        equal `op.apply(x, op.measure(x))` up to rounding."""
        raise BrokenContract("has extent STATISTICS and must define apply()")

    @property
    def network(self) -> nn.Module | None:
        """The network as it is stored, ready for inference, (N, 3, H, W) to (N, 3, H * s, W * s), for operators whose
        work is one network. It is always the same object, and can be exported and computed by other runtimes."""
        return None

    @property
    def weight_files(self) -> Sequence[Path]:
        """The files that `network` is from. The card of each may lie beside it."""
        return ()

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Load what the operator needs (weights) and move it to `device` and `dtype`, in channels_last.

        By itself this makes `forward_fn` from the `network`, if there is one.
        """
        if self.network is not None:
            self.forward_fn = in_torch(self.network, device, dtype)

    def check(self, size: Size) -> None:
        """Raise an ImgtkError if the operator does not support images of `size`. The engine calls it before it
        computes, but not for the reduced versions of an image that are made for measuring."""
        return

    def close(self) -> None:
        """Release what the operator holds; it is not called again."""
        return

    def summary(self) -> Mapping[str, str]:
        """Return the facts for `imgtk plan`, such as the weights."""
        return {}


def check_output(output: object, size: Size, like: Tensor | None = None, channels: int | None = None) -> None:
    """Raise BrokenContract unless `output` is what an operator must return.

    Args:
        output: its result.
        size: the required size.
        like: a tensor with the required number of images, device and dtype; float32 is also allowed.
        channels: the required number.
    """
    import torch

    if not isinstance(output, torch.Tensor):
        raise BrokenContract(f"gives {type(output).__name__}, which is no tensor")
    given = tuple(output.shape)
    expected = (len(like) if like is not None else "N", channels or "C", size.height, size.width)
    same = len(given) == 4 and all(b in ("N", "C", a) for a, b in zip(given, expected, strict=True))
    if not same:
        wanted = ", ".join(map(str, expected))
        raise BrokenContract(f"gives {given}, but its output_size() promises ({wanted})")
    if like is not None and output.dtype not in (like.dtype, torch.float32):
        raise BrokenContract(f"gives {output.dtype}, but must give {like.dtype}, as its input is, or float32")
    if like is not None and output.device != like.device:
        raise BrokenContract(f"gives a tensor on {output.device}, but its input is on {like.device}")


def in_torch(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Return a copy of `network` on `device` in `dtype`, in channels_last."""
    import torch

    return deepcopy(network).to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
