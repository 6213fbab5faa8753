"""`style:any`: one pass, in the style of any picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from imgtk.engine.pixels import without_holes
from imgtk.errors import ParameterError, WeightsError
from imgtk.image import Image
from imgtk.painting.op import Paint
from imgtk.registry import default
from imgtk.weights import read_state
from imgtk.weights.architecture import network_of
from imgtk_anystyle.network import AnyStyleNetwork, StyledNetwork

__all__ = ["AnyStyle"]

PACKAGE = "imgtk_anystyle"


class AnyStyle(Paint):
    """Paint in the style of a picture, or of several.

    Args:
        image: the style pictures.
        strength: from 0 (the picture itself) to 1.
        weights: how much of each style picture; None for equal parts.
        style_size: longest side in pixels at which they are looked at; the strokes grow with it.
        model: name of shipped weights, or a file.

    Raises:
        ParameterError: another number of weights than of style pictures, or weights that are all 0.
        ReadError: a style picture cannot be read.
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(
        self, image: Sequence[Path], strength: float, weights: Sequence[float] | None, style_size: int, model: str
    ) -> None:
        super().__init__(model, PACKAGE, strength)
        self.image, self.weights = list(image), list(weights or [1.0] * len(image))
        if len(self.weights) != len(self.image) or not sum(self.weights):
            raise ParameterError(
                f"style:any: {len(self.weights)} weights for {len(self.image)} style pictures",
                hint="Give one weight per picture, not all 0: image=a.jpg,b.jpg weights=2,1",
            )
        self.pictures = [_at(without_holes(Image.open(path), opacity=0.5).tensor(), style_size) for path in self.image]

    @cached_property
    def network(self) -> StyledNetwork:
        """The network that paints in the style of the pictures."""
        found = network_of(read_state(self.path), default().architectures, str(self.path)).float()
        if not isinstance(found, AnyStyleNetwork):
            raise WeightsError(f"{self.path} holds {type(found).__name__}, which does not paint in any style")
        with torch.inference_mode(False), torch.no_grad():
            codes = torch.cat([found.code(picture) for picture in self.pictures])
            shares = torch.tensor(self.weights) / sum(self.weights)
            return found.in_style((shares[:, None] * codes).sum(0, keepdim=True))

    def summary(self) -> Mapping[str, str]:
        return {**super().summary(), "style": ", ".join(path.name for path in self.image)}


def _at(picture: Tensor, longest: int) -> Tensor:
    """(1, 3, H, W) with its longest side at `longest` pixels, antialiased."""
    scale = longest / max(picture.shape[2:])
    size = [max(1, round(side * scale)) for side in picture.shape[2:]]
    return F.interpolate(picture, size=size, mode="bilinear", antialias=True)
