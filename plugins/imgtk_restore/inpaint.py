"""`inpaint:`: filled by OpenCV, for scratches, dates, wires and other thin things, or by a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from imgtk.context import BuildContext
from imgtk.errors import ParameterError
from imgtk.geometry import Box, Extent, Geometry, Size, Window
from imgtk.nn.colour import luma
from imgtk.op import Facts, ImageOp, Planes
from imgtk.painting.mask import Mask
from imgtk_restore.filler import Filler

__all__ = ["ClassicInpaint", "Inpaint", "NetworkInpaint"]

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
        marked = _widened(holes.cpu().numpy().astype(np.uint8))
        planes = [self._filled(_widened(plane), marked) for plane in x[0].float().cpu().numpy()]
        return torch.from_numpy(np.stack(planes))[None, :, EDGE:-EDGE, EDGE:-EDGE]

    def _filled(self, plane: np.ndarray, marked: np.ndarray) -> np.ndarray:
        """Return one channel (H, W), float32, 0..1, filled where `marked` is not 0."""
        filled: np.ndarray = cv2.inpaint(plane * 255, marked, self.radius, self.method) / 255
        return filled


def _widened(plane: np.ndarray) -> np.ndarray:
    """Return (H, W) with an `EDGE` around it."""
    return cv2.copyMakeBorder(plane, EDGE, EDGE, EDGE, EDGE, cv2.BORDER_REPLICATE)


class NetworkInpaint(Inpaint):
    """Fills by a network.

    Args:
        model, context: see `Filler`.

    Raises:
        WeightsError: as `Filler`.
    """

    def __init__(self, model: str, mask: Path | None, *, context: BuildContext) -> None:
        super().__init__("inpaint:network", mask)
        self.filler = Filler(model, context)

    @property
    def weight_files(self) -> Sequence[Path]:
        return self.filler.weight_files

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.filler.to(device)

    def filled(self, x: Tensor, holes: Tensor) -> Tensor:
        return self.filler(x, holes[None, None])

    def summary(self) -> Mapping[str, str]:
        return {**super().summary(), **self.filler.summary()}

    def close(self) -> None:
        self.filler.close()
