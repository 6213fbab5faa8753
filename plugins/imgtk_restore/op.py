"""`restore:denoise` and its kin: one network, told how strong the degradation is, or left to see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from imgtk.context import BuildContext
from imgtk.geometry import Extent, Geometry
from imgtk.network_op import load_network
from imgtk.op import Facts, ImageOp
from imgtk.upscaling.consistency import flatness
from imgtk.weights.architecture import described
from imgtk_restore import STRONGEST_NOISE
from imgtk_restore.light import brightened
from imgtk_restore.measure import stops_needed
from imgtk_restore.network import RestorationNet, conditions

__all__ = ["DeJPEG", "Deblur", "Denoise", "LowLight", "Restore"]


class Restore(ImageOp):
    """Restores by a network. What is flat in the input stays exactly as it is.

    Args:
        model: name of shipped weights, or a file.
        level: how strong the degradation is, 0..1, as the network was trained to be told; None leaves it to see that.
        reach: pixels around a pixel that must be alike for it to count as flat.
        context: of the pipeline that builds the operator.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    facts = Facts(batched=True)

    def __init__(self, model: str, level: float | None, reach: int, *, context: BuildContext) -> None:
        self.model, self.level, self.reach = model, level, reach
        self.path = context.locate(model, "imgtk_restore")
        self.architectures = context.architectures

    @cached_property
    def network(self) -> Conditioned:
        return Conditioned(load_network(self.path, self.architectures, RestorationNet).float(), self.level)

    @property
    def weight_files(self) -> Sequence[Path]:
        return (self.path,)

    @cached_property
    def geometry(self) -> Geometry:
        restorer = self.network.restorer
        return Geometry(halo=max(restorer.halo, self.reach), multiple=restorer.multiple)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.lerp(self.forward_fn(x), x, flatness(x, self.reach))

    def summary(self) -> Mapping[str, str]:
        return {"weights": self.model, "network": described(self.network.restorer)}

    def close(self) -> None:
        for held in ("network", "forward_fn"):
            self.__dict__.pop(held, None)


class Denoise(Restore):
    """Removes noise.

    Args:
        strength: standard deviation of the noise in 8-bit steps; None leaves it to the network to see that.
    """

    def __init__(self, model: str, strength: float | None, *, context: BuildContext) -> None:
        level = None if strength is None else strength / STRONGEST_NOISE
        super().__init__(model, level, reach=2, context=context)


class DeJPEG(Restore):
    """Removes JPEG artefacts.

    Args:
        quality: of the JPEG, 1..100; None leaves it to the network to see that.
    """

    def __init__(self, model: str, quality: float | None, *, context: BuildContext) -> None:
        level = None if quality is None else (100 - quality) / 100
        super().__init__(model, level, reach=12, context=context)  # wider than blocks of 8, each of which may be flat


class Deblur(Restore):
    """Sharpens what is out of focus or moved."""

    def __init__(self, model: str, *, context: BuildContext) -> None:
        super().__init__(model, None, reach=2, context=context)


class LowLight(Restore):
    """Brightens dark images, and removes the noise that this shows.

    Args:
        stops: binary logarithm of what the darkest pixels are multiplied by; None for what brings the mean of the
            logarithm of the light, over the whole image, to `KEY`.
    """

    def __init__(self, model: str, stops: float | None, *, context: BuildContext) -> None:
        super().__init__(model, None, reach=2, context=context)
        self.stops = stops

    @cached_property
    def geometry(self) -> Geometry:
        local = super().geometry
        return local if self.stops is not None else replace(local, extent=Extent.STATISTICS)

    def measure(self, x: Tensor) -> Tensor:
        return stops_needed(x)

    def apply(self, x: Tensor, statistics: Tensor) -> Tensor:
        return super().__call__(brightened(x, statistics.exp2()).to(x.dtype))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.apply(x, self.measure(x) if self.stops is None else x.new_full((len(x),), self.stops))


class Conditioned(nn.Module):
    """Tells a restoration network one level for all images: (N, 3, H, W) to same."""

    condition: Tensor

    def __init__(self, restorer: RestorationNet, level: float | None) -> None:
        super().__init__()
        self.restorer = restorer
        self.register_buffer("condition", torch.tensor(conditions(level))[None, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        restored: Tensor = self.restorer(x, self.condition)
        return restored
