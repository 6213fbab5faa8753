"""Adversarial losses and the stabilisers of GAN training: settings that all trainers of a GAN share.

docs/gan.md explains which to use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss, relu

from imgtk.errors import TrainingError
from imgtk.training.processes import batch_mean, on_whole_batch
from imgtk.training.recipe import OPTIMIZERS

__all__ = ["GAN_LOSSES", "Adversary", "AdversarySettings", "Discriminator", "GANLoss", "shifted"]

REACH = 7
"""One less than the stride of the patch discriminator's deepest layers."""

Discriminator = Callable[[Tensor], "Tensor | Sequence[Tensor]"]
"""Rates how real images (N, C, H, W) look, by one tensor of logits or several."""


@dataclass(frozen=True)
class AdversarySettings:
    """Settings of an adversarial training; recipes put them before their own.

    Attributes:
        gan: which loss: a name of `GAN_LOSSES`.
        discriminator_lr: peak learning rate of the discriminators; where it is not the generator's, this is the two
            time-scale update rule (Heusel et al. 2017).
        discriminator_optimizer: of the discriminators: "adam" or "muon".
        spectral_norm: normalise the discriminators' weights by their largest singular value (Miyato et al. 2018).
        r1: weight of the R1 penalty, gamma (Mescheder et al. 2018, section 4.1); 0 for none.
        gradient_penalty: weight of WGAN-GP's penalty, lambda (Gulrajani et al. 2017, section 4; 10 there); 0 for none.
    """

    gan: str = "lsgan"
    discriminator_lr: float = 2e-4
    discriminator_optimizer: str = "adam"
    spectral_norm: bool = False
    r1: float = 0.0
    gradient_penalty: float = 0.0


@dataclass(frozen=True)
class GANLoss:
    """The losses of a discriminator and a generator, given logits of any equal shape.

    Attributes:
        discriminator: of the logits for real and for fake images.
        generator: of the logits for fake images, and (None unless `relative`) for real ones.
        relative: whether the generator is compared with real images.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor | None], Tensor]
    relative: bool = False


def _cross_entropy(logits: Tensor, real: bool) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def _relativistic(better: Tensor, worse: Tensor | None) -> Tensor:
    """Return the loss of a network that wants `better` to look more real than `worse`."""
    assert worse is not None
    return (_cross_entropy(better - batch_mean(worse), True) + _cross_entropy(worse - batch_mean(better), False)) / 2


GAN_LOSSES = {
    # non-saturating; Goodfellow et al. 2014, section 3
    "standard": GANLoss(
        lambda real, fake: (_cross_entropy(real, True) + _cross_entropy(fake, False)) / 2,
        lambda fake, real: _cross_entropy(fake, True) / 2,
    ),
    # relativistic average; Jolicoeur-Martineau 2018, equation 6
    "relativistic": GANLoss(_relativistic, _relativistic, relative=True),
    # least squares; Mao et al. 2017, equation 9, halved for the discriminator as in Zhu et al. 2017, section 7.1
    "lsgan": GANLoss(
        lambda real, fake: (mse_loss(real, torch.ones_like(real)) + mse_loss(fake, torch.zeros_like(fake))) / 2,
        lambda fake, real: mse_loss(fake, torch.ones_like(fake)),
    ),
    # Miyato et al. 2018, equations 16 and 17
    "hinge": GANLoss(
        lambda real, fake: relu(1 - real).mean() + relu(1 + fake).mean(),
        lambda fake, real: -fake.mean(),
    ),
    # Arjovsky et al. 2017; to be used with gradient_penalty
    "wasserstein": GANLoss(
        lambda real, fake: fake.mean() - real.mean(),
        lambda fake, real: -fake.mean(),
    ),
}
"""The losses among which recipes choose (`gan`), by name."""


class Adversary:
    """The losses of one pair of generator and discriminator, by the settings of a recipe.

    Discriminators may give one tensor of logits or several (one per scale), whose losses are averaged.

    Raises:
        TrainingError: there is no such GAN loss or optimizer, or the Wasserstein loss lacks its penalty.
    """

    def __init__(self, settings: AdversarySettings) -> None:
        if settings.gan not in GAN_LOSSES:
            raise TrainingError(f"unknown GAN loss {settings.gan!r}", hint=f"Available: {', '.join(GAN_LOSSES)}.")
        if (kind := settings.discriminator_optimizer) not in OPTIMIZERS:
            raise TrainingError(
                f"unknown optimizer {kind!r} of the discriminators", hint=f"Available: {', '.join(OPTIMIZERS)}."
            )
        if settings.gan == "wasserstein" and not settings.gradient_penalty:
            raise TrainingError(
                "the Wasserstein loss needs a critic without steep slopes", hint="Set gradient_penalty=10 (WGAN-GP)."
            )
        self.loss, self.settings = GAN_LOSSES[settings.gan], settings

    def generator_loss(self, discriminator: Discriminator, fake: Tensor, real: Tensor) -> Tensor:
        """Return the loss of the generator of `fake`. Freeze the discriminator for it."""
        verdicts = _several(discriminator(fake))
        others = _several(discriminator(real)) if self.loss.relative else [None] * len(verdicts)
        losses = [self.loss.generator(ours, theirs) for ours, theirs in zip(verdicts, others, strict=True)]
        return torch.stack(losses).mean()

    def discriminator_losses(self, discriminator: Discriminator, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Return the losses of the discriminator: `adversarial`, and the penalties that are on. `fake` is detached
        here."""
        fake = fake.detach()
        verdicts = zip(_several(discriminator(real)), _several(discriminator(fake)), strict=True)
        losses = {"adversarial": torch.stack([self.loss.discriminator(*pair) for pair in verdicts]).mean()}
        if self.settings.r1:
            losses["r1"] = self.settings.r1 / 2 * _squared_slope(discriminator, real).mean()
        if self.settings.gradient_penalty:
            share = on_whole_batch(real, lambda images: torch.rand(len(images), 1, 1, 1, device=real.device))
            slope = (_squared_slope(discriminator, torch.lerp(real.float(), fake.float(), share)) + 1e-12).sqrt()
            losses["gradient_penalty"] = self.settings.gradient_penalty * (slope - 1).square().mean()
        return losses


def shifted(images: Tensor) -> Tensor:
    """Return (N, C, H, W) without `REACH` random rows and columns at the borders.

    The strides of discriminators form a grid of 8 pixels. Without the shift, generators would paint what discriminators
    always see at the same position on it.
    """
    top, left = torch.randint(0, REACH + 1, (2,)).tolist()
    height, width = (side - REACH for side in images.shape[2:])
    return images[..., top : top + height, left : left + width]


def _several(verdict: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [verdict] if isinstance(verdict, Tensor) else list(verdict)


def _squared_slope(discriminator: Discriminator, x: Tensor) -> Tensor:
    """Return the squared length (N,) of the gradient of the discriminator's mean verdict on each image (N, C, H, W)."""
    x = x.detach().float().requires_grad_(True)
    verdict = torch.stack([logits.float().flatten(1).mean(1) for logits in _several(discriminator(x))]).mean(0)
    (gradient,) = torch.autograd.grad(verdict.sum(), x, create_graph=True)
    return gradient.float().square().sum((1, 2, 3))
