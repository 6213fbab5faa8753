"""Running the server: the socket, uvicorn, signals, and the folder of the files."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from imgtk.config import Config, presets
from imgtk.errors import ImgtkError, UsageError
from imgtk.plugin_folders import in_folder, plugin_folders
from imgtk.registry import GROUP, default
from imgtk.serve.app import application
from imgtk.serve.options import ServeOptions
from imgtk.serve.policy import OURS
from imgtk.serve.problem import Problem
from imgtk.serve.service import Service

__all__ = ["Server", "serve"]

NO_CONFIG = Config()

CONNECTIONS = 256
"""Maximum number of connections; further ones are answered 503."""

HEADER_SECONDS = 10
"""Seconds within which a connection must send the head of a request."""

log = logging.getLogger("imgtk.serve")


class Protocol(H11Protocol):
    """HTTP/1.1 that gives up connections whose request does not come: uvicorn alone waits for ever."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None:
            self._deadline.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._deadline.cancel()
        self._deadline = self.loop.call_later(max(HEADER_SECONDS, self.timeout_keep_alive), self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class Server(uvicorn.Server):
    """uvicorn, which lets running jobs end before it does.

    Args:
        config: of uvicorn.
        service: what it serves.
        grace: seconds that jobs are given.
    """

    def __init__(self, config: uvicorn.Config, service: Service, grace: float) -> None:
        super().__init__(config)
        self._service, self._grace = service, grace
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Finish running jobs on the first signal, and end at once on the second."""
        if self._draining is not None:
            super().handle_exit(sig, frame)
            return
        log.info("ending: running jobs are given %g seconds", self._grace)
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._draining = self._loop.create_task(self._end())

    async def _end(self) -> None:
        await self._service.jobs.drain(self._grace)
        self.should_exit = True

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes. Replaces uvicorn's."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)


def serve(options: ServeOptions, config: Config = NO_CONFIG, on_listening: Callable[[str], None] | None = None) -> None:
    """Serve the page and the API until the process is told to end.

    Args:
        options: what to do.
        config: whose presets are offered, besides those of plugins.
        on_listening: called with the address as soon as connections are taken.

    Raises:
        UsageError: if the address cannot be listened on.
        DeviceError: for a device that is not there.
    """
    if not options.plugins:
        _disable_plugins()
    registry = default()
    offered = presets(registry.presets, config).values()
    listening = _socket(options)
    folder = Path(tempfile.mkdtemp(prefix="imgtk-serve-"))
    broken: list[Problem] = []

    def on_broken(problem: Problem) -> None:
        broken.append(problem)
        server.should_exit = True

    try:
        service = Service(options, registry, offered, folder, on_broken)
        how = uvicorn.Config(
            application(service),
            http=Protocol,
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=5,
        )
        server = Server(how, service, options.grace)
        if on_listening:
            port = listening.getsockname()[1]
            host = f"[{options.host}]" if ":" in options.host else options.host
            on_listening(f"http://{host}:{port}")
        server.run([listening])
    finally:
        listening.close()
        shutil.rmtree(folder, ignore_errors=True)
    if broken:
        raise ImgtkError(broken[0].detail, hint=broken[0].hint)


def _socket(options: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else asyncio leaves Nagle on: 40 ms
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((options.host, options.port))
        listening.listen(128)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = getattr(error, "strerror", None) or "ports are 0 to 65535"
        raise UsageError(
            f"cannot listen on {options.host}:{options.port}: {reason}", hint="Choose another --host or --port."
        ) from None
    return listening


def _disable_plugins() -> None:
    """Leave the plugins of other distributions unimported, in this process and in those that it starts."""
    names = {entry.name for folder in plugin_folders() for entry in in_folder(folder, GROUP)}
    names |= {
        entry.name for entry in entry_points(group=GROUP) if not (entry.dist and entry.dist.metadata["Name"] == OURS)
    }
    names |= {entry.name for folder in plugin_folders() for entry in in_folder(folder, GROUP)}
    given = os.environ.get("IMGTK_DISABLE_PLUGINS", "")
    os.environ["IMGTK_DISABLE_PLUGINS"] = ",".join(filter(None, [given, *sorted(names)]))
