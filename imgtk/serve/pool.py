"""Worker processes as the server sees them: started, asked, killed and replaced."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

from imgtk.engine.settings import Settings
from imgtk.serve.problem import Problem
from imgtk.serve.tasks import AnyTask
from imgtk.serve.worker import work

__all__ = ["WorkerDied", "WorkerHandle"]

METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""How processes are started. On Linux they are forks of a process that has imported `PRELOADED`: a killed one is
replaced at once."""

PRELOADED = ["torch", "imgtk.serve.computing"]

BACKOFF = 0.5, 30.0
"""Seconds before a worker that died while it started is started again: at first, and at most."""

OnProgress = Callable[[int, int, str, float], None]

log = logging.getLogger("imgtk.serve")


class WorkerDied(Exception):  # noqa: N818 - what happened
    """The process ended while it had a task.

    Attributes:
        code: its exit code; None if it is not known.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


@dataclass
class _Call:
    name: str
    result: asyncio.Future[dict[str, Any] | None]
    on_progress: OnProgress | None


class WorkerHandle:
    """One worker process, replaced whenever it dies. It does one task at a time.

    Args:
        label: for logs and metrics.
        settings: how it computes.
        warm: pipelines that it keeps.
        threads: that torch may use; None for its default.
        on_broken: called when the device or the installation is such that no task can ever be done.

    Attributes:
        label: for logs and metrics.
        restarts: how often the process was replaced.
    """

    def __init__(
        self,
        label: str,
        settings: Settings,
        warm: int,
        threads: int | None = None,
        on_broken: Callable[[Problem], None] | None = None,
    ) -> None:
        self.label, self.restarts = label, 0
        self._arguments = (settings, warm, threads)
        self._on_broken = on_broken
        self._context: Any = get_context(METHOD)
        if METHOD == "forkserver":
            os.environ.setdefault("PYTHONSAFEPATH", "1")  # modules of the current folder are not preloaded
            self._context.set_forkserver_preload(PRELOADED)
        self._process: Any = None
        self._thread: Thread | None = None
        self._connection: Connection | None = None
        self._call: _Call | None = None
        self._names = count()
        self._turn = asyncio.Lock()
        self._ready = asyncio.Event()
        self._closing = False
        self._started = False
        self._early_deaths = 0
        self._restart: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether the process has a task."""
        return self._call is not None

    @property
    def ready(self) -> bool:
        """Whether the process has started and takes tasks."""
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """Id of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process. It takes tasks some seconds later: see `wait_ready`."""
        if self._closing:
            return
        ours, theirs = self._context.Pipe()
        name = f"imgtk-{self.label}"
        process = self._context.Process(target=work, args=(theirs, *self._arguments), name=name, daemon=True)
        self._process, self._connection, self._started = process, ours, False
        loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._attend, args=(loop, process, ours, theirs), name=name, daemon=True)
        self._thread.start()

    async def wait_ready(self) -> None:
        """Wait until the process has started."""
        await self._ready.wait()

    async def call(self, task: AnyTask, on_progress: OnProgress | None = None) -> dict[str, Any] | None:
        """Return the result of a task; None if it was cancelled. Calls wait for each other.

        Raises:
            Problem: what is wrong with the task.
            WorkerDied: if the process ended.
        """
        async with self._turn:
            await self._ready.wait()
            call = _Call(str(next(self._names)), asyncio.get_running_loop().create_future(), on_progress)
            self._call = call
            try:
                assert self._connection is not None
                with suppress(OSError):  # if it has just died, the thread that reads tells why
                    self._connection.send(("do", call.name, task))
                return await call.result
            finally:
                if not call.result.done() or call.result.cancelled():  # the caller has given up
                    self.kill()
                self._call = None

    async def ask(self, task: AnyTask, seconds: float) -> dict[str, Any]:
        """Return the result of a short task, within `seconds`.

        Raises:
            Problem: what is wrong with it, or that it took too long or crashed the process.
        """
        try:
            result = await asyncio.wait_for(self.call(task), seconds)
        except asyncio.TimeoutError:
            later = {"Retry-After": "5"}
            raise Problem(503, "busy", "the server is too busy at the moment", "Try again.", headers=later) from None
        except WorkerDied:
            raise Problem(
                422, "crashed", "the server could not read this request: a process crashed", "Check the image."
            ) from None
        assert result is not None
        return result

    def cancel(self) -> None:
        """Ask the process to stop what it does, between two tiles."""
        if self._call and self._connection:
            with suppress(OSError):
                self._connection.send(("cancel", self._call.name))

    def kill(self) -> None:
        """End the process at once; another one replaces it."""
        self._ready.clear()
        if self._process is not None and self._process.is_alive():
            self._process.kill()

    async def close(self) -> None:
        """End the process for good."""
        self._closing = True
        if self._restart:
            self._restart.cancel()
        self.kill()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 5)

    def _attend(
        self, loop: asyncio.AbstractEventLoop, process: Any, connection: Connection, theirs: Connection
    ) -> None:
        """Start the process, which takes seconds, and read its messages until it ends: the body of a thread."""

        def tell(function: Callable[..., None], *arguments: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed: the server is ending
                loop.call_soon_threadsafe(function, *arguments)

        try:
            process.start()
        except (OSError, EOFError):
            log.exception("worker %s cannot be started", self.label)
        theirs.close()
        if self._closing:
            self.kill()
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                break
            tell(self._on_message, message)
        if process.pid is not None:
            process.join()
        connection.close()
        tell(self._on_death, process)

    def _on_message(self, message: tuple[Any, ...]) -> None:
        kind, *rest = message
        if kind == "ready":
            self._started = True
            self._ready.set()
        elif kind == "broken":
            log.error("worker %s cannot start: %s", self.label, rest[0]["detail"])
            if self._on_broken:
                self._on_broken(_problem(rest[0]))
        elif self._call and self._call.name == rest[0]:
            self._on_answer(self._call, kind, rest[1:])

    def _on_answer(self, call: _Call, kind: str, rest: list[Any]) -> None:
        if kind == "progress":
            if call.on_progress:
                call.on_progress(*rest)
        elif call.result.done():
            return
        elif kind == "done":
            call.result.set_result(rest[0])
        elif rest[0] is None:
            call.result.set_result(None)
        else:
            call.result.set_exception(_problem(rest[0]))

    def _on_death(self, process: Any) -> None:
        if process is not self._process:
            return
        self._ready.clear()
        if self._call and not self._call.result.done():
            self._call.result.set_exception(WorkerDied(process.exitcode))
        code = process.exitcode
        process.close()
        self._process = self._connection = None
        if self._closing:
            return
        self.restarts += 1
        self._early_deaths = 0 if self._started else self._early_deaths + 1
        delay = min(BACKOFF[0] * 2**self._early_deaths, BACKOFF[1]) if self._early_deaths else 0.0
        log.warning("worker %s ended with code %s and is replaced", self.label, code)
        self._restart = asyncio.get_running_loop().call_later(delay, self.start)


def _problem(members: dict[str, Any]) -> Problem:
    """Return the problem that crossed the pipe as data."""
    known = {"type", "title", "status", "detail", "hint"}
    extra = {key: value for key, value in members.items() if key not in known}
    kind = members["type"].rpartition(":")[2]
    return Problem(members["status"], kind, members["detail"], members.get("hint"), extra)
