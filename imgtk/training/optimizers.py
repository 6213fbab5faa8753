"""The optimizer for networks trained from nothing on a small budget."""

from __future__ import annotations

from torch import nn
from torch.optim import Optimizer


def muon(network: nn.Module, lr: float) -> Optimizer:
    """Muon for the convolutions of `network` between many channels, Adam for all other parameters.

    On super-resolution networks it is a decibel ahead of Adam after some hundred steps. Updates are scaled to the size
    that Adam's have (Liu et al. 2025, "Muon is scalable for LLM training", section 2.2), so that one `lr` serves both.

    Args:
        lr: peak learning rate of the convolutions; the other parameters get half of it.
    """
    from pytorch_optimizer import Muon

    wide = [p for p in network.parameters() if p.ndim >= 2 and min(p.shape[:2]) > 3]
    chosen = {id(p) for p in wide}
    others = [p for p in network.parameters() if id(p) not in chosen]
    return Muon(
        [
            {"params": wide, "lr": lr, "use_muon": True, "use_adjusted_lr": True},
            {"params": others, "lr": lr / 2, "betas": (0.9, 0.99), "use_muon": False},
        ]
    )
