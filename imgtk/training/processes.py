"""What processes that train one network do together: each computes its share of every batch.

`on_whole_batch` and `batch_mean` give a trainer what one process with the whole batch would have. Both are what their
names say in a single process, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed

from imgtk.errors import TrainingError

__all__ = [
    "CollectiveError",
    "all_ranks_equal",
    "batch_mean",
    "is_rank_zero",
    "on_whole_batch",
    "process_mean",
]

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "OMPI_COMM_WORLD_RANK")


class CollectiveError(TrainingError):
    """An error that all processes of a run raise together. It is enough if one of them, `is_rank_zero`, reports it."""


def is_rank_zero() -> bool:
    """Return whether this process is the one that prints, or starts it, by the variables that launchers set."""
    return not any(int(os.environ.get(name, "0")) for name in RANKS)


def all_ranks_equal(value: object) -> bool:
    """Return whether `value` is the same in all processes; each must call this."""
    if not _several():
        return True
    values: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return all(other == value for other in values)


def on_whole_batch(share: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `function` of the batch of all processes, of whose result (N, ...) each keeps its share.

    For what draws random numbers for each image: all processes draw the same from equal generators, which so stay
    equal, and each uses those of its own images. No gradient flows back to `share` (N, ...).
    """
    if not _several():
        return function(share)
    share = share.contiguous()
    shares = [torch.empty_like(share) for _ in range(distributed.get_world_size())]
    distributed.all_gather(shares, share)
    return function(torch.cat(shares)).tensor_split(len(shares))[distributed.get_rank()]


def batch_mean(values: Tensor) -> Tensor:
    """Return the mean of `values` over the batch of all processes, through which gradients flow to all of them.

    For losses that are more than a mean over images; the mean of those over the processes is taken by the loop.
    """
    mean = values.mean()
    return _BatchMean.apply(mean.float()) if _several() else mean


def process_mean(value: Tensor) -> Tensor:
    """Return the mean of what the processes have for `value`, without a gradient."""
    if not _several():
        return value.detach()
    total = value.detach().clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()


class _BatchMean(torch.autograd.Function):
    """Each process's value is a part of what all processes go on with, so their gradients are added up."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return process_mean(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return process_mean(gradient)


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
