"""Waiting for what other threads, processes and browsers do, on machines that may be busy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(check: Callable[[], T], seconds: float = 120) -> T:
    """What `check` gives as soon as it is true. The limit only ends tests that fail: it is long, for busy machines."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"waited {seconds:g} seconds in vain; the last answer was {found!r}"
        time.sleep(0.05)
    return found


def busyness() -> float:
    """How much longer things take at this moment than on an idle machine: 1 or more."""
    start, used = time.perf_counter(), time.thread_time()
    while time.thread_time() < used + 0.2:
        pass
    return max(1.0, (time.perf_counter() - start) / 0.2)
