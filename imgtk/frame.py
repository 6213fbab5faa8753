"""The number of a frame, for operators that make clips from nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["frame_number", "frame_numbered"]

_number: ContextVar[int] = ContextVar("number", default=0)


def frame_number() -> int:
    """Return, within an operator, the number of the frame to render: from 0 to `Facts.frames` - 1."""
    return _number.get()


@contextmanager
def frame_numbered(number: int) -> Iterator[None]:
    """Let operators render the frame of that number in this thread, within the block."""
    token = _number.set(number)
    try:
        yield
    finally:
        _number.reset(token)
