"""`Upscale`: the operator for all upscaling networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.errors import ParameterError
from imgtk.geometry import Box, Geometry, Size, Window
from imgtk.network_op import NetworkOp
from imgtk.nn.border import continued
from imgtk.nn.interpolation import interpolated
from imgtk.nn.resample import resample, support
from imgtk.op import Facts, ImageOp
from imgtk.upscaling.consistency import consistent, context
from imgtk.upscaling.network import UpscalingNetwork, load_network

__all__ = ["Upscale", "self_ensemble"]

BORDER = 8
"""Pixels of mirrored context at the borders of the image."""
FINE, COARSE = 1.0, 3.0
"""Blur of what is tied to the input, in pixels of it: for networks that keep what they see, and for those that clean,
whose input has noise and blocks of 8 pixels that must not come back."""


class Upscale(NetworkOp):
    """Upscale by a network, and by resampling what is left to the wanted scale.

    The network runs at its native scale; if that is not the wanted one, an antialiased bicubic takes its output to the
    wanted size, in float and with the exact phase.

    Args:
        scale: output pixels per input pixel, at least 1.
        models: shipped weights by native scale; without any, `model` or `interpolate` must be given.
        package: importable name of the package that ships them.
        model: name of weights, or a file; by default that of `models` whose native scale is the smallest not
            below `scale`, or else the largest.
        interpolate: instead of `model`: several of them, with shares that add up to 1 (about: they are normalised).
        denoise: 0..1, the share of the second of `denoise_pair`; None for the network of `models`.
        denoise_pair: names of the shipped weights that keep noise, and that remove it.
        tta: 8 for the average over eight turns and flips, else 1.
        tileable: "x", "y" or "both": axes along which the image is treated as periodic.
        consistency: whether low frequencies are tied to the input's, and flat areas stay flat (see `consistent`); None
            for networks that the package ships, and not for others, which give what their own code gives.
        ships: names of the weights that the package ships.
        cleans: those of them that remove noise: only what is coarser than noise is tied to the input.
        seed: of the noise from which some networks paint; None for that of `context`.
        context: of the pipeline that builds the operator.

    Raises:
        ParameterError: more than one of `model`, `interpolate` and `denoise` is given.
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(
        self,
        scale: Fraction,
        models: Mapping[int, str],
        package: str,
        model: str | None = None,
        interpolate: Sequence[tuple[str, float]] | None = None,
        denoise: float | None = None,
        denoise_pair: tuple[str, str] | None = None,
        tta: int = 1,
        tileable: str | None = None,
        consistency: bool | None = None,
        ships: Sequence[str] = (),
        cleans: Sequence[str] = (),
        seed: int | None = None,
        *,
        context: BuildContext,
    ) -> None:
        given = {"model": model, "interpolate": interpolate, "denoise": denoise}
        chosen = [f"{name}=" for name, value in given.items() if value is not None]
        if len(chosen) > 1:
            raise ParameterError(
                f"{' and '.join(chosen)} cannot be combined: each says which network to take", hint="Leave one out."
            )
        native = min((known for known in models if known >= scale), default=max(models, default=0))
        shares = list(interpolate or [(model or models[native], 1.0)])
        if denoise is not None:
            assert denoise_pair is not None, "an operator with denoise= has a pair of weights"
            shares = [(name, share) for name, share in zip(denoise_pair, (1 - denoise, denoise), strict=True) if share]
        super().__init__(*(name for name, _ in shares), package=package, context=context)
        self.shares = shares
        self.scale = Fraction(scale)
        self.tta, self.tileable = tta, tileable
        self.seed = context.seed if seed is None else seed
        names = {name for name, _ in self.shares}
        self.consistency = names <= set(ships) if consistency is None else consistency
        self.sigma = FINE if names.isdisjoint(cleans) else COARSE

    @cached_property
    def network(self) -> UpscalingNetwork:
        """The network as stored, or interpolated."""
        networks = [self.load(path) for path in self.paths]
        if len(networks) == 1:
            return networks[0]
        names, shares = zip(*self.shares, strict=True)
        return interpolated(networks, shares, names)

    def load(self, path: Path) -> UpscalingNetwork:
        return load_network(path, self.context.architectures)

    @property
    def resamples(self) -> bool:
        """Whether the network's own scale differs from the requested one."""
        return self.scale != self.network.scale

    @cached_property
    def facts(self) -> Facts:
        return Facts(batched=True, position_dependent=True, seed=self.seed if self.network.noisy else None)

    @cached_property
    def geometry(self) -> Geometry:
        halo = self.network.halo + (context(self.sigma) if self.consistency else 0)
        if self.resamples:
            halo += ceil(Fraction(support("bicubic", self.scale / self.network.scale), self.network.scale)) + 1
        periodic = (self.tileable in ("x", "both"), self.tileable in ("y", "both"))
        return Geometry(self.scale, halo, multiple=self.network.multiple, periodic=periodic)

    __call__ = ImageOp.__call__  # which goes through `render`

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        native = self.network.scale
        enlarged = self._enlarged(inputs[0], window)
        if not self.resamples:
            left, top = (window.output[k] - window.input[k] * native for k in (0, 1))
            width, height = window.output.size
            return enlarged[..., top : top + height, left : left + width]
        between = Window(
            output=window.output,
            output_size=window.output_size,
            input=Box(*(edge * native for edge in window.input)),
            input_size=Size(*(side * native for side in window.input_size)),
        )
        periodic = self.geometry.periodic
        return resample(enlarged, window.output_size, kernel="bicubic", window=between, periodic=periodic)

    def _enlarged(self, x: Tensor, window: Window) -> Tensor:
        """Return the output of the network for `x`, with mirrored context where the image ends: the zeros with which
        convolutions pad would darken the border."""
        left, top, right, bottom = self._border(window)
        seen = continued(x, left, top, right, bottom)
        box = window.input
        noise = self._noise(Box(box.left - left, box.top - top, box.right + right, box.bottom + bottom), window, seen)
        enlarged = self_ensemble(self.forward_fn, seen, *noise) if self.tta == 8 else self.forward_fn(seen, *noise)
        native = self.network.scale
        height, width = (native * length for length in x.shape[2:])
        enlarged = enlarged[..., native * top : native * top + height, native * left : native * left + width]
        return consistent(enlarged, x, native, self.sigma).to(x.dtype) if self.consistency else enlarged

    def _noise(self, box: Box, window: Window, x: Tensor) -> tuple[Tensor, ...]:
        """Return the noise for region `box` of the input, as `x` in kind, if the network takes any."""
        if not self.network.noisy:
            return ()
        (width, height), (across, down) = window.input_size, self.geometry.periodic
        period = (width if across else None, height if down else None)
        return self.network.noise_in(box, self.seed, period).to(x.device, x.dtype)

    def _border(self, window: Window) -> tuple[int, int, int, int]:
        """Return the pixels of context to add on the left, above, on the right and below: `BORDER` where the input
        region ends with the image."""
        (width, height), (across, down), box = window.input_size, self.geometry.periodic, window.input
        border = -(-BORDER // self.network.multiple) * self.network.multiple
        ends = (
            not across and box.left <= 0,
            not down and box.top <= 0,
            not across and box.right >= width,
            not down and box.bottom >= height,
        )
        left, top, right, bottom = (border * end for end in ends)
        return left, top, right, bottom

    def summary(self) -> Mapping[str, str]:
        single = len(self.shares) == 1
        weights = " + ".join(name if single else f"{share:g} {name}" for name, share in self.shares)
        facts = {"weights": weights, "network": f"{self.network.architecture}, x{self.network.scale}"}
        if self.consistency:
            facts["consistency"] = "low frequencies are the input's"
        if self.tta == 8:
            facts["tta"] = "average of 8 turns and flips"
        if self.tileable:
            facts["tileable"] = {"both": "tileable across and down", "x": "tileable across", "y": "tileable down"}[
                self.tileable
            ]
        return facts


def self_ensemble(network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """Return the average of what a network makes of the eight turns and flips of an image, and of its further inputs,
    turned back: "geometric self-ensemble" (EDSR, Lim et al. 2017, section 3.3). (N, C, H, W) to the network's output,
    averaged in float32.
    """
    total: Tensor | None = None
    for turns in range(4):
        for flip in ([], [3]):
            views = [x.rot90(turns, (2, 3)).flip(flip).contiguous(memory_format=torch.channels_last) for x in inputs]
            y = network(*views).float().flip(flip).rot90(-turns, (2, 3))
            total = y.contiguous(memory_format=torch.channels_last) if total is None else total.add_(y)
    assert total is not None
    return total.div_(8).to(inputs[0].dtype)
