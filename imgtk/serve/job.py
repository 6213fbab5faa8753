"""One job: what is asked for, how far it is, and what came of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from time import monotonic
from typing import Any

from imgtk.serve.problem import Problem
from imgtk.serve.tasks import RunTask

__all__ = ["FAILED_STATES", "Job", "State"]

MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jfif": "image/jpeg",
    ".jpe": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".avif": "image/avif",
}
SHOWN = (".jpg", ".jpeg", ".jfif", ".jpe", ".png", ".webp", ".bmp", ".gif", ".avif")
"""Suffixes of the files that browsers show."""

SHOWN_PIXELS = 8_000_000
"""Images with more are shown scaled; downloads are not."""


class State(Enum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


FAILED_STATES = (State.FAILED, State.CANCELLED)


@dataclass(eq=False)
class Job:
    """One image to send through a pipeline.

    Attributes:
        client: whose it is.
        name: of the image, as the client called it.
        pipeline: the text, as the client wrote it.
        folder: for its files; gone when the job is.
        task: for the worker.
        size: of the image.
        output: that the result will have.
        id: which nobody can guess.
        state: how far it is.
        stopping: set when it is to be cancelled.
        change: set at the next change, and then replaced: take it before you look at the rest.
        problem: why it failed; None unless it has.
        created: when it was made, in UTC.
        ended: when it finished, on the monotonic clock.
        seconds: that it was computed; 0 until it has finished.
    """

    client: str
    name: str
    pipeline: str
    folder: Path
    task: RunTask
    size: tuple[int, int]
    output: tuple[int, int]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = State.QUEUED
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    change: asyncio.Event = field(default_factory=asyncio.Event)
    problem: Problem | None = None
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    ended: float = 0.0
    seconds: float = 0.0
    _began: float = 0.0
    _progress: tuple[int, int, str, float] = (0, 0, "", 0.0)
    _result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in (State.DONE, *FAILED_STATES)

    @property
    def pixels(self) -> int:
        """Pixels of the result."""
        return self.output[0] * self.output[1]

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        try:
            return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        except OSError:  # they are just going
            return 0

    @property
    def result(self) -> Path:
        """The file of the result. Raises Problem if there is none (yet)."""
        if self.state is not State.DONE:
            hint = "Wait until its state is done." if not self.finished else None
            raise Problem(409, "no-result", f"the job is {self.state.value} and has no result", hint)
        return Path(self._result["file"])

    @property
    def result_name(self) -> str:
        """File name of the result, as `imgtk run` would choose it."""
        return f"{Path(self.name).stem}.imgtk{self.result.suffix}"

    @property
    def media_type(self) -> str:
        """Media type of the result."""
        return MEDIA_TYPES.get(self.result.suffix.lower(), "application/octet-stream")

    def begin(self) -> None:
        """Mark it as running on a worker."""
        self.state, self._began = State.RUNNING, monotonic()
        self._tell()

    def advance(self, done: int, total: int, stage: str, share: float) -> None:
        """Record the number of finished tiles."""
        self._progress = (done, total, stage, share)
        self._tell()

    def stop(self) -> None:
        """Mark it as no longer wanted."""
        self.stopping.set()
        self._tell()

    def accept(self, result: Mapping[str, Any]) -> None:
        """Take the result that the worker has sent."""
        self._result = result

    def finish(self, state: State, problem: Problem | None = None) -> None:
        """Mark it as finished, with or without success."""
        self.state, self.problem, self.ended = state, problem, monotonic()
        self.seconds = self.ended - self._began if self._began else 0.0
        self._tell()

    def _tell(self) -> None:
        self.change.set()
        self.change = asyncio.Event()

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds left, by the finished tiles; None before the first, and if it does not run."""
        share = self._progress[3]
        if self.state is not State.RUNNING or not share:
            return None
        return (monotonic() - self._began) / share * (1 - share)

    def to_dict(self, position: int | None = None) -> dict[str, Any]:
        """Return the job as clients see it."""
        done, total, stage, share = self._progress
        left = self.seconds_left
        return {
            "id": self.id,
            "state": "cancelling" if self.stopping.is_set() and not self.finished else self.state.value,
            "created": self.created.isoformat(timespec="milliseconds"),
            "pipeline": self.pipeline,
            "image": {"name": self.name, "size": list(self.size)},
            "planned": {"size": list(self.output)},
            "position": position,
            "progress": {"done": done, "total": total, "stage": stage, "share": round(share, 4)},
            "seconds_left": None if left is None else round(left, 1),
            "result": self._result_dict() if self.state is State.DONE else None,
            "problem": self.problem.to_dict() if self.problem else None,
        }

    def _result_dict(self) -> dict[str, Any]:
        width, height = self._result["size"]
        return {
            "name": self.result_name,
            "type": self.media_type,
            "size": [width, height],
            "bytes": self.result.stat().st_size if self.result.exists() else None,
            "seconds": self._result["seconds"],
            "notes": self._result["notes"],
            "warnings": self._result["warnings"],
            "shown": self.result.suffix.lower() in SHOWN and width * height <= SHOWN_PIXELS,
        }
