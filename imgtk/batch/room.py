"""Memory that the images of a run share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Room:
    """Bytes that images may occupy together. One that is larger than all of it enters alone."""

    def __init__(self, size: int) -> None:
        self.size, self.taken = size, 0
        self._changed = Condition()

    def enter(self, size: int) -> None:
        """Wait until there is room for so many bytes, and take it."""
        with self._changed:
            self._changed.wait_for(lambda: not self.taken or self.taken + size <= self.size)
            self.taken += size

    def leave(self, size: int) -> None:
        with self._changed:
            self.taken -= size
            self._changed.notify_all()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        self.enter(size)
        try:
            yield
        finally:
            self.leave(size)
