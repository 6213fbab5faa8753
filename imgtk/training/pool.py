"""A pool of earlier fakes, from which discriminators learn too."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from imgtk.training.processes import on_whole_batch

__all__ = ["ImagePool"]


class ImagePool:
    """Hands out earlier images in the place of new ones, every second time (Shrivastava et al. 2017, section 2.3; the
    sizes and chances are CycleGAN's, Zhu et al. 2017, section 7.1). A discriminator that sees only the newest fakes
    forgets the older ones, and swings.

    It is the same in all processes, and part of a run's checkpoint: see `state` and `restore`.

    Args:
        size: images that are held; 0 for no pool.
    """

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.held: list[Tensor] = []

    def swap(self, images: Tensor) -> Tensor:
        """(N, C, H, W) of new images; the same number of images, some of them earlier ones. Without gradients.

        Randomness is from torch's default generator.
        """
        return on_whole_batch(images.detach(), self._swapped) if self.size else images.detach()

    def _swapped(self, images: Tensor) -> Tensor:
        chosen = []
        for image in images:
            if len(self.held) < self.size:
                self.held.append(image.clone())
                chosen.append(image)
                continue
            place, new = int(torch.randint(0, self.size, ())), bool(torch.rand(()) < 0.5)
            chosen.append(image if new else self.held[place])
            if not new:
                self.held[place] = image.clone()
        return torch.stack(chosen)

    def state(self) -> dict[str, Tensor]:
        """What is held, for a checkpoint."""
        return {"held": torch.stack(self.held)} if self.held else {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.held = list(state["held"].unbind()) if state else []
