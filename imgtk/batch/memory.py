"""The memory that the images of a run share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class MemoryBudget:
    """A number of bytes that the images of a run may occupy together. A larger image enters alone.

    Args:
        size: bytes of the budget.
    """

    def __init__(self, size: int) -> None:
        self.size, self.taken = size, 0
        self._changed = Condition()

    def acquire(self, size: int) -> None:
        """Wait until `size` bytes are free, and take them."""
        with self._changed:
            self._changed.wait_for(lambda: not self.taken or self.taken + size <= self.size)
            self.taken += size

    def release(self, size: int) -> None:
        """Give back `size` bytes."""
        with self._changed:
            self.taken -= size
            self._changed.notify_all()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Hold `size` bytes for the duration of a block."""
        self.acquire(size)
        try:
            yield
        finally:
            self.release(size)
