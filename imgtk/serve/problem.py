"""`Problem`: what went wrong with a request or a job, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from imgtk.errors import BrokenContract, ImgtkError, OperatorError, PipelineError, UsageError

__all__ = ["MEDIA_TYPE", "Problem", "problem_of"]

MEDIA_TYPE = "application/problem+json"
IN_THE_LOG = "This is a bug in imgtk or a plugin; the server's log has more."


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818 - the word of the standard
    """What went wrong, for users and programs.

    Attributes:
        status: HTTP status.
        kind: one word for programs: "pipeline", "image", "too-large", "queue-full" …
        detail: what happened.
        hint: what to do about it.
        extra: further members; for a pipeline `start` and `end` of the wrong characters, and `caret`, the line with a
            caret below it.
        headers: of the response.
    """

    status: int
    kind: str
    detail: str
    hint: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.detail

    def to_dict(self) -> dict[str, Any]:
        """Return the members of the JSON object."""
        members = {
            "type": f"urn:imgtk:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **({"hint": self.hint} if self.hint else {}),
        }
        return {**members, **self.extra}


def problem_of(error: BaseException, names: Mapping[str, str] | None = None) -> Problem:
    """Return the problem that an exception stands for.

    Args:
        error: what was raised.
        names: what to write in place of the paths of this machine, by path.
    """
    if isinstance(error, Problem):
        return replace(error, detail=_renamed(error.detail, names))
    if isinstance(error, PipelineError):
        caret = "\n".join(line[2:] for line in str(error).splitlines()[1:3])
        extra = {"start": error.start, "end": error.end, "caret": caret}
        return Problem(422, "pipeline", error.message, error.hint, extra)
    if isinstance(error, OperatorError) and not isinstance(error.__cause__, BrokenContract):
        detail = f"{error.who} failed because of a bug in it"  # without its own words, which may tell of this machine
        return Problem(500, "operator", detail, IN_THE_LOG)
    if isinstance(error, ImgtkError):
        kind = "pipeline" if isinstance(error, UsageError) else type(error).__name__.removesuffix("Error").lower()
        hint = _renamed(error.hint, names) if error.hint else None
        return Problem(422, kind, _renamed(error.message, names), hint)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Problem(507, "disk-full", "the disk of the server is full", "Try again later.")
    if isinstance(error, MemoryError):
        return Problem(422, "memorylimit", "there is not enough memory", "Send a smaller image.")
    return Problem(500, "internal", "something unexpected went wrong", IN_THE_LOG)


def _renamed(text: str, names: Mapping[str, str] | None) -> str:
    for path, name in (names or {}).items():
        text = text.replace(path, name)
    return text
