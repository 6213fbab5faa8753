"""Starting the processes of a run on this machine, unless torchrun, SLURM or the like has (`started_elsewhere`).

Each is a program of its own (`_work`), which ends with the process that has started it, however that ends.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Thread
from typing import Any, TypeVar

from imgtk.errors import ImgtkError, TrainingError
from imgtk.training.processes import CollectiveError

__all__ = ["in_processes", "started_elsewhere"]

Result = TypeVar("Result")
Reporter = Callable[[Any], None]

MEETING_POINT = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")
"""Environment variables by which the processes of several machines find each other."""

REPORT, RESULT, FAILURE = "report", "result", "failure"


def started_elsewhere() -> bool:
    """Return whether this process is already one of several, started by torchrun, SLURM, LSF, MPI or by hand
    (LOCAL_RANK)."""
    from lightning_fabric.plugins.environments import (
        LightningEnvironment,
        LSFEnvironment,
        MPIEnvironment,
        SLURMEnvironment,
        TorchElasticEnvironment,
    )

    launchers = (TorchElasticEnvironment, SLURMEnvironment, LSFEnvironment, MPIEnvironment)
    return LightningEnvironment().creates_processes_externally or any(kind.detect() for kind in launchers)


def in_processes(
    count: int, nodes: int, target: Callable[[Any, Reporter], Result], job: Any, report: Reporter | None
) -> Result:
    """Return `target(job, report)` in `count` new processes, which read their place from the environment.

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
    try:
        pipe.send((RESULT, target(job, lambda status: pipe.send((REPORT, status)))))
    except ImgtkError as error:
        # other kinds may not be picklable
        kind = CollectiveError if isinstance(error, CollectiveError) else TrainingError
        pipe.send((FAILURE, kind(error.message, hint=error.hint)))
    except BaseException as error:
        pipe.send((FAILURE, _RemoteError(f"{type(error).__name__}: {error}", traceback.format_exc())))


class _RemoteError(RuntimeError):
    """An error in another process, with the traceback it had there."""

    def __str__(self) -> str:
        return f"{self.args[0]}\n\n{self.args[1]}"


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
