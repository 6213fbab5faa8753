"""A pool of earlier results, which discriminators see again."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from imgtk.training.processes import on_whole_batch

__all__ = ["ImagePool"]


class ImagePool:
    """Replaces every second image by an earlier one (Shrivastava et al. 2017, section 2.3; size and probability are
    CycleGAN's, Zhu et al. 2017, section 7.1). A discriminator that sees only the newest results forgets the older
    ones, and oscillates.

    The pool is the same in all processes, and part of a run's checkpoint: see `state` and `restore`.

    Args:
        size: number of images; 0 for no pool.
    """

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.held: list[Tensor] = []

    def swap(self, images: Tensor) -> Tensor:
        """Return as many images as the new ones (N, C, H, W), some of them earlier ones, without gradients.

        Randomness comes from torch's default generator.
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
        """Return the images, for a checkpoint."""
        return {"held": torch.stack(self.held)} if self.held else {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.held = list(state["held"].unbind()) if state else []
