"""Several processes that train one network: they start and end together, and each computes its share of every batch.

`in_processes` starts those of this machine, unless torchrun, SLURM or the like has (`started_elsewhere`). Within them,
`on_whole_batch` and `batch_mean` give a trainer what one process with the whole batch would have. Both are what their
names say in a single process, too.
"""

from __future__ import annotations

import logging
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Thread
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

from imgtk.errors import ImgtkError, TrainingError

__all__ = [
    "CollectiveError",
    "all_ranks_equal",
    "batch_mean",
    "in_processes",
    "is_rank_zero",
    "on_whole_batch",
    "process_mean",
    "silence_libraries",
    "started_elsewhere",
]

Result = TypeVar("Result")
Reporter = Callable[[Any], None]

MEETING_POINT = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
"""Environment variables by which the processes of several machines find each other."""

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK", "OMPI_COMM_WORLD_RANK")

REPORT, RESULT, FAILURE = "report", "result", "failure"


class CollectiveError(TrainingError):
    """An error that all processes of a run raise together. It is enough if one of them, `is_rank_zero`, reports it."""


def started_elsewhere() -> bool:
    """Whether this process is already one of several, started by torchrun, SLURM, LSF, MPI or by hand (LOCAL_RANK)."""
    from lightning_fabric.plugins.environments import (
        LightningEnvironment,
        LSFEnvironment,
        MPIEnvironment,
        SLURMEnvironment,
        TorchElasticEnvironment,
    )

    launchers = (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment)
    return LightningEnvironment().creates_processes_externally or any(kind.detect() for kind in launchers)


def is_rank_zero() -> bool:
    """Whether this process is the one that prints, or starts it. Told from the variables that launchers set."""
    return not any(int(os.environ.get(name, "0")) for name in RANKS)


def in_processes(
    count: int, nodes: int, target: Callable[[Any, Reporter], Result], job: Any, report: Reporter | None
) -> Result:
    """`target(job, report)` in `count` new processes, which read their place from the environment.

    The first that fails ends them all, and they end with this process, however that ends. `report` is called here with
    what the processes report. `target` and `job` are pickled.

    Returns:
        What the first process of this machine returned.

    Raises:
        TrainingError: for the first failure in any process, or if one was killed; or if there are several machines
            and nothing says how they meet.
    """
    from lightning_fabric.plugins.environments import LightningEnvironment

    missing = [name for name in MEETING_POINT if name not in os.environ]
    if nodes > 1 and missing:
        raise TrainingError(
            f"{nodes} nodes cannot meet: {', '.join(missing)} not set",
            hint="Start the command by torchrun or srun on every node, or set the variables.",
        )
    local = LightningEnvironment()
    meeting_point = {"MASTER_ADDR": local.main_address, "MASTER_PORT": str(local.main_port)}
    context = get_context("spawn")
    children: dict[Connection, SpawnProcess] = {}
    try:
        for rank in range(count):
            receiver, sender = context.Pipe(duplex=False)
            place = {**meeting_point, "LOCAL_RANK": str(rank)}
            child = context.Process(
                target=_work, args=(place, sender, target, job), name=f"process {rank} of {count}", daemon=True
            )
            child.start()
            sender.close()
            children[receiver] = child
        return _collected(children, report)
    finally:
        for child in children.values():
            child.kill()  # those that wait for a lost one would not hear anything milder
        for child in children.values():
            child.join()


def _collected(children: dict[Connection, SpawnProcess], report: Reporter | None) -> Any:
    results: dict[Connection, Any] = {}
    while len(results) < len(children):
        failures: list[Exception] = []
        for pipe in wait([pipe for pipe in children if pipe not in results]):
            assert isinstance(pipe, Connection)
            try:
                kind, value = pipe.recv()
            except (EOFError, OSError):
                kind, value = FAILURE, _lost(children[pipe])
            if kind == FAILURE:
                failures.append(value)
            elif kind == RESULT:
                results[pipe] = value
            elif report:
                report(value)
        if failures:  # of those that come at once, the broken connection to a lost process is not the cause
            raise next((error for error in failures if isinstance(error, ImgtkError)), failures[0])
    return results[next(iter(children))]


def _lost(child: SpawnProcess) -> TrainingError:
    child.join()
    code = child.exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return TrainingError(f"{child.name} {how}", hint="Continue with --resume; if memory ran out, use a smaller batch.")


def _work(place: dict[str, str], pipe: Connection, target: Callable[[Any, Reporter], Any], job: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends its children
    Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(place)
    silence_libraries()
    try:
        pipe.send((RESULT, target(job, lambda status: pipe.send((REPORT, status)))))
    except ImgtkError as error:
        # other kinds may not be picklable
        kind = CollectiveError if isinstance(error, CollectiveError) else TrainingError
        pipe.send((FAILURE, kind(error.message, hint=error.hint)))
    except BaseException as error:
        pipe.send((FAILURE, _RemoteError(f"{type(error).__name__}: {error}", traceback.format_exc())))


def silence_libraries() -> None:
    """Silence what Fabric and torch say about themselves, for all of this process: for programs, not for libraries."""
    with suppress(ImportError):
        import lightning_fabric  # noqa: F401  (it sets its own level when it is imported)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".broadcast_buffers. is deprecated")  # its successor is younger than torch 2.4


class _RemoteError(RuntimeError):
    """An error in another process, with the traceback it had there."""

    def __str__(self) -> str:
        return f"{self.args[0]}\n\n{self.args[1]}"


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def all_ranks_equal(value: object) -> bool:
    """Whether `value` is the same in all processes; each must call this."""
    if not _several():
        return True
    values: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(values, value)
    return all(other == value for other in values)


def on_whole_batch(share: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """`function` of the batch of all processes, of whose result (N, ...) each keeps its share.

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
    """The mean of `values` over the batch of all processes, through which gradients flow to all of them.

    For losses that are more than a mean over images; the mean of those over the processes is taken by the loop.
    """
    mean = values.mean()
    return _BatchMean.apply(mean.float()) if _several() else mean


def process_mean(value: Tensor) -> Tensor:
    """The mean of what the processes have for `value`, without a gradient."""
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
