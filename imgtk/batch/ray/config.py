"""The Ray cluster of a run, and its workers."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec

from imgtk.engine import Settings
from imgtk.errors import ClusterError, UsageError


@dataclass(frozen=True)
class Cluster:
    """Workers on a Ray cluster, for `ray_engine`.

    All machines need the same imgtk, and see the files under the same names, from the same current folder.

    Args:
        pipeline: a YAML document, as `Pipeline.yaml` gives it.
        settings: of the `Pipeline` in each worker. `device` is "auto" (GPUs, if the cluster has any), "cpu" or "cuda".
        address: HOST:PORT of the cluster's head; "auto" for the cluster that this machine belongs to; None for what
            `RAY_ADDRESS` says, or else for this machine alone.
        cores: CPU cores per worker. None for 4, or for all of the largest machine if it has fewer; with GPUs, for a
            GPU's share of its machine.
        workers: maximum number of workers. None for as many as the cluster has room for; a cluster that grows by
            itself is asked to.

    Raises:
        UsageError: for an address or a device of another kind.
        ClusterError: if Ray is not installed.
    """

    pipeline: str
    settings: Settings = field(default_factory=Settings)
    address: str | None = None
    cores: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        device = self.settings.device
        if device not in ("auto", "cpu", "cuda"):
            raise UsageError(
                f"the device {device} is one machine's: the workers of a cluster have one device each",
                hint="Use auto, cpu or cuda.",
            )
        if self.head not in (None, "auto") and not re.fullmatch(r"[^/]+:\d+", self.head):
            raise UsageError(f"{self.head!r} is not the address of a Ray cluster", hint="Use auto or HOST:PORT.")
        if not find_spec("ray"):
            raise ClusterError("Ray is not installed", hint="pip install 'imgtk[ray]'")

    @property
    def head(self) -> str | None:
        """The address, or else what the environment says; None for this machine alone."""
        head = self.address or os.environ.get("RAY_ADDRESS") or "local"
        return None if head == "local" else head
