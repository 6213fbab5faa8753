"""`ServeOptions` and `Limits`: what a server does, and what it refuses. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from imgtk.engine.settings import Settings

__all__ = ["Limits", "ServeOptions", "is_loopback"]


@dataclass(frozen=True)
class Limits:
    """How much a server takes on.

    Attributes:
        upload: bytes of a request, counted while they arrive.
        pixels_in: of an image that is sent, all pages together.
        pixels_out: of the largest stage that a pipeline plans for it.
        client_pixels: of the results that one client's unfinished jobs will have, together.
        seconds: that a job may compute.
        queue: jobs that wait or are being sent.
        per_client: unfinished jobs of one client.
        keep_seconds: how long a finished job and its result are kept.
        keep_bytes: of all files of finished jobs; the oldest go first.
        text: characters of a pipeline.
        stages: of a pipeline.
        files: in one request.
        idle_seconds: within which the next piece of a request must arrive.
        cancel_seconds: after which a worker that does not stop is killed.
        inspect_seconds: for looking at an upload.
        plan_seconds: for planning.
    """

    upload: int = 100_000_000
    pixels_in: int = 100_000_000
    pixels_out: int = 400_000_000
    client_pixels: int = 1_000_000_000
    seconds: float = 600
    queue: int = 32
    per_client: int = 8
    keep_seconds: float = 3600
    keep_bytes: int = 5_000_000_000
    text: int = 10_000
    stages: int = 100
    files: int = 8
    idle_seconds: float = 20
    cancel_seconds: float = 0.8
    inspect_seconds: float = 120
    plan_seconds: float = 60


@dataclass(frozen=True)
class ServeOptions:
    """What a server does.

    Attributes:
        host, port: where it listens; port 0 takes a free one.
        settings: how pipelines compute; `settings.device` may name several devices, joined by commas.
        workers: processes for each device.
        warm: pipelines that each process keeps with their weights.
        tokens: of which each request to the API must bring one; none: everyone may use it.
        ops: names of operators that pipelines may have, or patterns such as `upscale:*`; empty: all.
        presets_only: whether only the pipelines of the presets are taken.
        plugins: whether operators of plugins that are not imgtk's own are served.
        hosts: further names that the server is called by (`Host:`).
        origins: of other pages that may use the API.
        grace: seconds that running jobs are given when the server is told to end.
        limits: how much it takes on.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    settings: Settings = field(default_factory=Settings)
    workers: int = 1
    warm: int = 4
    tokens: tuple[str, ...] = ()
    ops: tuple[str, ...] = ()
    presets_only: bool = False
    plugins: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    grace: float = 30
    limits: Limits = field(default_factory=Limits)


def is_loopback(host: str) -> bool:
    """Return whether only programs of this machine reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
