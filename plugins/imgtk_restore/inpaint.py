"""`inpaint:`: filled by OpenCV, for scratches, dates, wires and other thin things, or by a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.errors import ParameterError
from imgtk.geometry import Box, Extent, Geometry, Size, Window
from imgtk.network_op import load_network
from imgtk.nn.colour import luma
from imgtk.op import Facts, ImageOp, Planes, in_torch
from imgtk.painting.mask import Mask
from imgtk.weights.architecture import described
from imgtk_restore.fill import fill, improver
from imgtk_restore.fill_network import InpaintNet

__all__ = ["METHODS", "ClassicInpaint", "Inpaint", "NetworkInpaint", "filled_by_opencv"]

MARKED = 0.1
"""Share from which a pixel of a mask is marked: the soft edge of a brush belongs to what was painted over."""
OPAQUE = 0.5
"""Opacity below which a pixel is a hole."""
EDGE = 2
"""Pixels by which images are widened, which repeat those at the border: OpenCV is wrong where a side has one or two."""
METHODS = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}


class Inpaint(ImageOp):
    """Fills the marked part of an image from its surroundings. All other pixels stay as they are.

    The mask is a file, a further image, or else what is transparent in the image, which becomes opaque.

    Args:
        name: of the operator, for messages.
        mask: file of a gray image of the same size, white where to fill.

    Raises:
        ReadError: the file is not there, or no image.
    """

    geometry = Geometry(extent=Extent.WHOLE)
    facts = Facts(planes=Planes.ALPHA, needs_float32=True)

    def __init__(self, name: str, mask: Path | None) -> None:
        self.name = name
        self.mask = None if mask is None else Mask(mask)

    @abstractmethod
    def filled(self, x: Tensor, holes: Tensor) -> Tensor:
        """Return colours (1, 3, H, W) of which those in the holes (H, W) are used, neither none nor all."""

    def output_size(self, *sizes: Size) -> Size:
        size, *others = sizes
        if others and self.mask:
            raise ParameterError(f"{self.name}: both mask= and an image say where", hint="Leave one out.")
        if others and others[0] != size:
            raise ParameterError(
                f"{self.name}: the mask has {others[0]} pixels, but the image has {size}", hint=f"Make the mask {size}."
            )
        return size

    def check(self, size: Size) -> None:
        if self.mask:
            self.mask.check(size)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        holes = self._holes(x, *others)
        if not holes.any():
            what = "no pixel is transparent" if not (self.mask or others) else "the mask marks no pixel"
            raise ParameterError(f"{self.name}: {what}", hint="Mark what to fill: white in mask=FILE, or transparent.")
        if holes.all():
            raise ParameterError(
                f"{self.name}: all pixels are to be filled, and none is left to fill them from",
                hint="Masks are white where to fill, and black where to keep.",
            )
        colours = torch.where(holes, self.filled(x[:, :3], holes).to(x), x[:, :3])
        alpha = x[:, 3:] if self.mask or others else torch.ones_like(x[:, 3:])
        return torch.cat((colours, alpha), 1)

    def _holes(self, x: Tensor, *others: Tensor) -> Tensor:
        """Return which pixels (H, W) are to be filled."""
        if self.mask:
            size = Size(x.shape[3], x.shape[2])
            window = Window(Box.of(size), size, Box.of(size), size)
            return self.mask.within(window, x)[0, 0] > MARKED
        if others:
            return luma(others[0][:, :3])[0, 0] * others[0][0, 3] > MARKED
        return x[0, 3] < OPAQUE

    def summary(self) -> Mapping[str, str]:
        return {"fills": "what the mask marks" if self.mask else "what is marked or transparent"}


class ClassicInpaint(Inpaint):
    """Fills by OpenCV.

    Args:
        method: "telea" (Telea 2004) or "ns" (Bertalmio, Bertozzi and Sapiro 2001, "Navier-Stokes, fluid dynamics …").
        radius: pixels around a pixel that count for it.
    """

    def __init__(self, method: str, radius: float, mask: Path | None) -> None:
        super().__init__(f"inpaint:{method}", mask)
        self.method, self.radius = METHODS[method], radius

    def filled(self, x: Tensor, holes: Tensor) -> Tensor:
        return filled_by_opencv(x, holes, self.method, self.radius)


def filled_by_opencv(x: Tensor, holes: Tensor, method: int, radius: float) -> Tensor:
    """Return an image (1, C, H, W), float32, whose holes (H, W) OpenCV filled, by one of `METHODS`."""
    marked = _widened(holes.cpu().numpy().astype(np.uint8))
    planes = [cv2.inpaint(_widened(plane) * 255, marked, radius, method) / 255 for plane in x[0].float().cpu().numpy()]
    return torch.from_numpy(np.stack(planes))[None, :, EDGE:-EDGE, EDGE:-EDGE].to(x.device)


def _widened(plane: np.ndarray) -> np.ndarray:
    """Return (H, W) with an `EDGE` around it."""
    return cv2.copyMakeBorder(plane, EDGE, EDGE, EDGE, EDGE, cv2.BORDER_REPLICATE)


class NetworkInpaint(Inpaint):
    """Fills by a network, from small to large: see `imgtk_restore.fill`.

    Args:
        model: name of shipped weights, or a file.
        context: of the pipeline that builds the operator.

    Raises:
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(self, model: str, mask: Path | None, *, context: BuildContext) -> None:
        super().__init__("inpaint:network", mask)
        self.model, self.architectures = model, context.architectures
        self.path = context.locate(model, "imgtk_restore")

    @cached_property
    def filler(self) -> InpaintNet:
        return load_network(self.path, self.architectures, InpaintNet)

    @property
    def weight_files(self) -> Sequence[Path]:
        return (self.path,)

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.computing: Any = in_torch(self.filler, device, torch.float32)

    def filled(self, x: Tensor, holes: Tensor) -> Tensor:
        improve = improver(self.computing, self.filler.multiple, self.filler.halo)
        return fill(x.float(), holes[None, None], improve).clamp(0, 1)

    def summary(self) -> Mapping[str, str]:
        return {**super().summary(), "weights": self.model, "network": described(self.filler)}

    def close(self) -> None:
        for held in ("filler", "computing"):
            self.__dict__.pop(held, None)
