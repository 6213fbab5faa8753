"""Lightning Fabric in one process of a run: device, precision and the connection to the other processes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from imgtk.device import resolve_device, resolve_dtype
from imgtk.errors import TrainingError
from imgtk.io.quiet import without_logs
from imgtk.training.spawn import started_elsewhere

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["allow_double_backward", "launch", "setup"]

PRECISIONS = {torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed", torch.float32: "32-true"}


def launch(device: str, devices: int, nodes: int, dtype: str) -> Fabric:
    """Return a Fabric in this process, connected to the others.

    Args:
        device: of each process: "auto", "cpu", "cuda" …
        devices: processes on each machine.
        nodes: machines.
        dtype: "auto", "fp32", "bf16" or "fp16".

    Raises:
        TrainingError: torchrun, SLURM or the like has started other processes than these.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    target, several = resolve_device(device), devices * nodes > 1 or started_elsewhere()
    try:
        with without_logs(logging.getLogger("lightning_fabric")):
            fabric = Fabric(
                accelerator=target.type,
                devices=devices,
                num_nodes=nodes,
                # A discriminator sees two batches per update; buffers sent between them would break the gradient.
                strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
                precision=PRECISIONS[resolve_dtype(dtype, target)],  # type: ignore[arg-type]
            )
            fabric.launch()
    except ValueError as error:  # Fabric compares with what torchrun or SLURM has started
        raise TrainingError(f"the processes do not fit --devices and --nodes: {error}") from None
    return fabric


def setup(fabric: Fabric, network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, Any]:
    """Wrap a network and its optimizer for the devices and the precision of the run."""
    with warnings.catch_warnings():
        # its successor is younger than torch 2.4
        warnings.filterwarnings("ignore", ".broadcast_buffers. is deprecated")
        network, wrapped = fabric.setup(network, optimizer)
    return network, wrapped


@contextmanager
def allow_double_backward() -> Iterator[None]:
    """Let losses contain gradients (R1, gradient penalty).

    In mixed precision Fabric refuses every backward pass that it has not started itself. It offers no public way to say
    that this one is meant, so this sets its private flag; setup.py caps Fabric's version, and a test checks the flag.
    """
    from lightning_fabric import wrappers

    wrappers._in_fabric_backward = True
    try:
        yield
    finally:
        wrappers._in_fabric_backward = False
