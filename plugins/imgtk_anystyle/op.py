"""`style:any`: one pass, in the style of any image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch

from imgtk.context import BuildContext
from imgtk.network_op import load_network
from imgtk.painting import style_weights
from imgtk.painting.blend import Blend
from imgtk.painting.strokes import PaintStrokes
from imgtk_anystyle.network import AnyStyleNetwork, StyledNetwork
from imgtk_anystyle.reference import STYLE_SIDE, read_style

__all__ = ["AnyStyle"]


class AnyStyle(PaintStrokes):
    """Paint in the style of an image, or between those of several.

    Args:
        image: the style images.
        strength, keep_colour, mask: see `Blend`.
        scale, seed, context: see `PaintStrokes`.
        weights: how much of each style image; None for equal parts.
        style_size: size at which they are looked at, relative to `STYLE_SIDE`: their strokes grow with it.
        model: name of shipped weights, or a file.

    Raises:
        ParameterError: another number of weights than of style images, or weights that are all 0.
        ReadError: a style image or the mask cannot be read.
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
    """

    def __init__(
        self,
        image: Sequence[Path],
        strength: float,
        keep_colour: str | None,
        mask: Path | None,
        scale: float,
        weights: Sequence[float] | None,
        style_size: float,
        model: str,
        seed: int | None = None,
        *,
        context: BuildContext,
    ) -> None:
        super().__init__(model, "imgtk_anystyle", Blend(strength, keep_colour, mask), scale, seed, context=context)
        self.image, self.weights = list(image), style_weights("style:any", image, weights)
        self.images = [read_style(path, round(STYLE_SIDE * style_size)) for path in self.image]

    @cached_property
    def network(self) -> StyledNetwork:
        """The network that paints in the style of the images."""
        refusal = "which does not paint in the style of another image"
        found = load_network(self.paths[0], self.context.architectures, AnyStyleNetwork, refusal).float()
        with torch.inference_mode(False), torch.no_grad():
            codes = torch.cat([found.code(image) for image in self.images])
            shares = torch.tensor(self.weights) / sum(self.weights)
            return found.in_style((shares[:, None] * codes).sum(0, keepdim=True))

    def summary(self) -> Mapping[str, str]:
        return {**super().summary(), "style": ", ".join(path.name for path in self.image)}
