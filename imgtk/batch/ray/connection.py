"""A connection to a Ray cluster that reports errors within seconds.

By itself, Ray tries for a quarter of an hour where something else answers at the address, ends the program silently
when Ray has ended on its machine, and takes two minutes to leave a cluster whose network is gone.
"""

from __future__ import annotations

import atexit
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from typing import Any

from imgtk.errors import ClusterError

INTERVAL = 5.0
"""Seconds between two checks of the cluster."""

GONE = 20.0
"""Seconds without its head, after which the cluster is given up. Ray itself ends the program after 60."""

ANSWER = 5.0
"""Seconds that an address may take to answer."""

CONNECT = 20.0
"""Seconds that a cluster may take to let a program in. It takes one or two."""

LEAVE = 5.0
"""Seconds that leaving a lost cluster may take."""


@dataclass
class Connection:
    """A connection to a Ray cluster.

    Attributes:
        head: the address of its head.
        here: the address of Ray on this machine.
        lost: whether `gone` has found it so.
    """

    head: str
    here: str
    lost: bool = False
    _looked: float = field(default_factory=monotonic)
    _seen: float = field(default_factory=monotonic)

    def gone(self) -> str | None:
        """Return which part of the cluster is gone: its head, if it has not answered for long, or Ray on this machine,
        without which Ray ends the program a few seconds later."""
        now = monotonic()
        if now - self._looked < INTERVAL:
            return None
        self._looked = now
        if _answers(self.head):
            self._seen = now
        alive = _answers(self.here)
        self.lost = not alive or now - self._seen >= GONE
        if not self.lost:
            return None
        return self.head if alive else f"Ray on this machine ({self.here})"


@contextmanager
def connected(address: str | None) -> Iterator[Connection]:
    """Connect to a Ray cluster for the duration of the block. An existing connection is used, and kept.

    Args:
        address: HOST:PORT of its head; "auto" for the one that this machine belongs to; None for a temporary one of
            this machine alone.

    Raises:
        ClusterError: if there is no cluster, or it refuses the connection.
    """
    import ray

    begun = not ray.is_initialized()
    if begun:
        _connect(address)
    connection = Connection(ray.get_runtime_context().gcs_address, _here())
    try:
        yield connection
    finally:
        if begun and connection.lost:
            _give_up()
        elif begun:
            ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    where = "that this machine belongs to" if address == "auto" else f"at {address}"
    if address and address != "auto" and not _answers(address):
        raise ClusterError(
            f"there is no Ray cluster {where}: nothing answers there",
            hint="Check --ray-address. `ray status` on its machines shows whether the cluster runs.",
        )
    if address:
        _rehearse(address, where)
    ray._private.worker._worker_logs_enabled = False  # it would still tell on standard output which workers have died
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if not address:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # this machine's own cluster tells nobody
        quiet["include_dashboard"] = False
    try:
        ray.init(address or "local", **quiet)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ClusterError(f"Ray does not start {'a program' if address else 'on this machine'}: {reason}") from error


def _rehearse(address: str, where: str) -> None:
    """Try the connection in another process, which can be ended.

    Raises:
        ClusterError: with the reason why no connection is possible.
    """
    connect = "import ray, sys; ray.init(sys.argv[1], log_to_driver=False, logging_level='ERROR')"
    try:
        done = subprocess.run(
            [sys.executable, "-c", connect, address],
            capture_output=True,
            timeout=CONNECT,
            start_new_session=True,  # Ctrl-C is not for it
            env={**os.environ, "PYTHONSAFEPATH": "1"},  # the current folder may have a ray.py
        )
        refused, said = bool(done.returncode), done.stderr
    except subprocess.TimeoutExpired as error:
        refused, said = True, error.stderr or b""
    if not refused:
        return
    if b"AuthToken" in said or b"AuthenticationError" in said:
        raise ClusterError(
            f"the Ray cluster {where} requires a token: none or a wrong one was sent",
            hint="Set RAY_AUTH_MODE=token, and store the token of the cluster in ~/.ray/auth_token.",
        )
    told = re.findall(r"^[\w.]+Error: (.+)", said.decode(errors="replace"), re.MULTILINE)
    raise ClusterError(
        f"there is no Ray cluster {where}: {told[-1] if told else 'something else answers there'}",
        hint="Start one with `ray start --head`, or leave out --ray-address to use this machine alone.",
    )


def _here() -> str:
    """Return the address of Ray on this machine."""
    import ray

    me = ray.get_runtime_context().get_node_id()
    (node,) = (node for node in ray.nodes() if node["NodeID"] == me)
    return f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def _give_up() -> None:
    """Leave a cluster that may not answer any more. A program that ends before that is done fails at once: Ray would
    crash it."""
    import ray

    leaving = Thread(target=ray.shutdown, daemon=True)
    leaving.start()
    leaving.join(LEAVE)
    if leaving.is_alive():
        atexit.unregister(ray.shutdown)
        atexit.register(_end, leaving)


def _end(leaving: Thread) -> None:
    if leaving.is_alive():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
