"""A worker process: takes tasks from a pipe, one at a time, and tells how they go.

What it is sent: `("do", id, task)` and `("cancel", id)`. What it sends: `("ready",)` once, or `("broken", problem)`;
for a task `("progress", id, done, total, stage, share)` as often as it goes on, then `("done", id, result)` or
`("failed", id, problem)`, where the problem is None if the task was cancelled. When the pipe breaks, it ends: the
server is gone.
"""

from __future__ import annotations

import logging
import os
import signal
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from imgtk.engine.settings import Settings
from imgtk.serve.problem import problem_of

if TYPE_CHECKING:
    from imgtk.pipeline import Progress
    from imgtk.serve.tasks import AnyTask

__all__ = ["work"]

PACE = 0.05
"""Seconds between two messages about progress, at least."""

log = logging.getLogger("imgtk.serve.worker")


class Cancelled(Exception):  # noqa: N818 - it is no error
    """The task has been cancelled."""


class Worker:
    """The two threads of the process: one listens, the main one computes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inbox: SimpleQueue[tuple[str, AnyTask]] = SimpleQueue()
        self._cancelled: set[str] = set()

    def run(self, settings: Settings, warm: int, threads: int | None) -> None:
        """Do tasks until the server is gone."""
        Thread(target=self._listen, daemon=True).start()
        try:
            import torch

            from imgtk.device import resolve_device
            from imgtk.serve.computing import Computer

            if threads:
                torch.set_num_threads(threads)
            resolve_device(settings.device)
            computer = Computer(settings, warm)
        except Exception as error:
            self._send("broken", problem_of(error).to_dict())
            return
        self._send("ready")
        while True:
            name, task = self._inbox.get()
            try:
                result = computer.do(task, self._reporter(name))
            except Cancelled:
                self._send("failed", name, None)
            except Exception as error:
                problem = problem_of(error, task.names)
                if problem.status >= 500:
                    log.exception("a task failed")
                self._send("failed", name, problem.to_dict())
            else:
                self._send("done", name, result)
            self._cancelled.discard(name)

    def _listen(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)
            if message[0] == "cancel":
                self._cancelled.add(message[1])
            else:
                self._inbox.put((message[1], message[2]))

    def _reporter(self, name: str) -> Any:
        last = 0.0

        def report(progress: Progress) -> None:
            nonlocal last
            if name in self._cancelled:
                raise Cancelled
            now = monotonic()
            if now - last >= PACE or progress.done == progress.total:
                last = now
                self._send("progress", name, progress.done, progress.total, progress.stage, progress.share)

        return report

    def _send(self, *message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            os._exit(0)


def work(connection: Connection, settings: Settings, warm: int, threads: int | None) -> None:
    """Run a worker: the main function of its process. Only the server handles signals, and closes the pipe at the
    end."""
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    Worker(connection).run(settings, warm, threads)
