"""The optimizers among which recipes choose."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

__all__ = ["adam", "muon"]

LARGE_FAN_IN = 576
"""Inputs of a 3x3 convolution of 64 channels. With those of a 9x9 one, half of the usual rate was too much."""


def adam(network: nn.Module, lr: float, betas: tuple[float, float]) -> Optimizer:
    """Return Adam (Kingma and Ba 2015) for all parameters of `network`.

    Args:
        lr: peak learning rate.
        betas: decay of the averages of gradients, and of their squares.
    """
    return torch.optim.Adam(network.parameters(), lr=lr, betas=betas)


def muon(network: nn.Module, lr: float) -> Optimizer:
    """Return Muon for the convolutions of `network` between many channels, and Adam for all other parameters.

    On super-resolution networks it is a decibel ahead of Adam after some hundred steps. Updates are scaled to the size
    of Adam's (Liu et al. 2025, "Muon is scalable for LLM training", section 2.2), so that one `lr` serves both.

    Args:
        lr: peak learning rate of the convolutions; the other parameters get half of it, and less where an output is a
            sum over more than `LARGE_FAN_IN` inputs, since Adam moves all of them at once.
    """
    from pytorch_optimizer import Muon

    wide = [p for p in network.parameters() if p.ndim >= 2 and min(p.shape[:2]) > 3]
    chosen = {id(p) for p in wide}
    groups: list[dict[str, Any]] = [{"params": wide, "lr": lr, "use_muon": True, "use_adjusted_lr": True}]
    for p in network.parameters():
        if id(p) not in chosen:
            own = lr / 2 * min(1.0, LARGE_FAN_IN / p[0].numel())
            groups.append({"params": [p], "lr": own, "betas": (0.9, 0.99), "use_muon": False})
    return Muon(groups)
