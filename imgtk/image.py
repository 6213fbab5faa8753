"""`Image`: the pixels of one image and the metadata of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgtk.errors import UsageError
from imgtk.geometry import Size

if TYPE_CHECKING:
    import PIL.Image
    from torch import Tensor

    from imgtk.io.geotiff import GeoReference


__all__ = ["Image", "Metadata"]


SHOWN = 2048
"""Longest side, in pixels, of images in notebooks."""


@dataclass(frozen=True)
class Metadata:
    """The metadata of an image file."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    iptc: bytes | None = None
    xmp_extension: bytes | None = None
    cicp: tuple[int, int, int, int] | None = None
    lossless: bool = False
    quality: int | None = None
    compression: int | None = None
    indexed: bool = False
    pyramid: bool = False
    geo: GeoReference | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Image:
    """One image.

    Attributes:
        pixels: (H, W, C) with C = 1 (gray) or 3 (RGB), upright; uint8, uint16 or float32 (nominally 0..1).
        alpha: (H, W) opacity, straight (not premultiplied), in the dtype of `pixels`; None when fully opaque.
        metadata: what else the file carried.
        path: where it was read from.
        notes: of a result, remarks for the user about how it was computed.

    Raises:
        UsageError: for pixels with another number of axes.

    >>> import numpy as np
    >>> image = Image.of(np.full((48, 64), 128, np.uint8))
    >>> print(image.size, image.gray, image.pixels.shape)
    64x48 True (48, 64, 1)
    >>> image.tensor().shape
    torch.Size([1, 3, 48, 64])
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    metadata: Metadata = field(default_factory=Metadata)
    path: Path | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3:
            raise UsageError(
                f"the pixels of an Image are (H, W, C), and these are {self.pixels.shape}",
                hint="`Image.of` takes arrays of other shapes.",
            )

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return Size(self.pixels.shape[1], self.pixels.shape[0])

    @property
    def gray(self) -> bool:
        """Whether it has one channel, besides alpha."""
        return self.pixels.shape[2] == 1

    @classmethod
    def open(cls, path: str | Path, *, max_pixels: int | None = None) -> Image:
        """Read an image file; see `imgtk.io.read`."""
        from imgtk.io import read

        return read(path) if max_pixels is None else read(path, max_pixels=max_pixels)

    @classmethod
    def of(cls, source: str | Path | Image | np.ndarray | PIL.Image.Image | Tensor) -> Image:
        """Return an Image of any object that holds one.

        Args:
            source: a path; a PIL image; an array (H, W), (H, W, 1|2|3|4), uint8, uint16 or float (0..1), where a second
                or fourth channel is alpha; or a tensor (C, H, W) or (1, C, H, W), float 0..1 or uint8.

        Raises:
            ReadError: for anything else; the message names it.
        """
        from imgtk.io import convert

        return convert(source)

    def without_holes(self, opacity: float) -> Image:
        """Return this image with the colours of nearly transparent pixels (opacity at most `opacity`, 0..1) replaced by
        those of the nearest more opaque pixels, so that hidden colours do not bleed into the edges."""
        if self.alpha is None:
            return self
        top = 1.0 if self.alpha.dtype.kind == "f" else float(np.iinfo(self.alpha.dtype).max)
        hidden = self.alpha <= opacity * top
        if not hidden.any() or hidden.all():
            return self
        import cv2

        mask = hidden.astype(np.uint8)
        _, labels = cv2.distanceTransformWithLabels(mask, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        colours = np.zeros((int(labels.max()) + 1, self.pixels.shape[2]), self.pixels.dtype)
        colours[labels[~hidden]] = self.pixels[~hidden]
        return replace(self, pixels=np.where(hidden[..., None], colours[labels], self.pixels))

    def numpy(self) -> np.ndarray:
        """Return (H, W) for gray, else (H, W, 3), with alpha as last channel when there is any; the dtype of
        `pixels`."""
        if self.alpha is not None:
            return np.dstack([self.pixels, self.alpha])
        return self.pixels[..., 0] if self.gray else self.pixels

    def tensor(self) -> Tensor:
        """Return (1, 3, H, W), float32, 0..1, without alpha; gray is repeated."""
        import torch

        pixels = torch.from_numpy(self.pixels.astype(np.float32))
        if self.pixels.dtype.kind != "f":
            pixels /= np.iinfo(self.pixels.dtype).max
        return pixels.permute(2, 0, 1)[None].expand(1, 3, -1, -1)

    def _repr_png_(self) -> bytes:
        """Return the image as notebooks show it: PNG of 8 bits, at most `SHOWN` pixels on a side."""
        shown = self.pil()
        shown.thumbnail((SHOWN, SHOWN))
        file = BytesIO()
        shown.save(file, "PNG", icc_profile=self.metadata.icc)
        return file.getvalue()

    def pil(self) -> PIL.Image.Image:
        """Return a PIL image: L, LA, RGB or RGBA, 8 bits (PIL holds no 16-bit colour), with metadata in `info`."""
        from imgtk.io import to_pil

        return to_pil(self)

    def save(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        quality: int | None = None,
        lossless: bool = False,
        depth: int | None = None,
        dpi: float | None = None,
    ) -> Path:
        """Write to `path`; the suffix chooses the format. See `imgtk.io.WriteOptions` and `imgtk.io.write`."""
        from imgtk.io import WriteOptions, write

        return write(self, path, WriteOptions(overwrite, quality, lossless, depth, dpi))
