"""Signs of life during a network's computation, from the calls of its modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, local
from time import monotonic
from typing import Any

from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils.hooks import RemovableHandle

__all__ = ["INTERVAL", "beat", "heartbeat"]

INTERVAL = 0.4
"""Seconds between two signs, unless a single layer takes longer."""


class _Pulse(local):
    """The state of this thread: the function to call, when it was last called, and how many modules were called."""

    tell: Callable[[int], None] | None = None
    last = 0.0
    calls = 0


_pulse = _Pulse()
_lock = Lock()
_hook: RemovableHandle | None = None
_users = 0


def beat(*_: Any) -> None:
    """Give a sign of life, if somebody waits for one and the last is long enough ago. Long computations without modules
    of torch may call it."""
    if _pulse.tell is None:
        return
    _pulse.calls += 1
    if monotonic() - _pulse.last >= INTERVAL:
        _pulse.last = monotonic()
        _pulse.tell(_pulse.calls)


@contextmanager
def heartbeat(tell: Callable[[int], None] | None) -> Iterator[None]:
    """Call `tell` regularly while modules run in this thread, with the number of calls, within the block."""
    if tell is None or _pulse.tell is not None:
        yield
        return
    global _hook, _users
    _pulse.tell, _pulse.last, _pulse.calls = tell, monotonic(), 0
    with _lock:
        _users += 1
        _hook = _hook or register_module_forward_pre_hook(beat)
    try:
        yield
    finally:
        _pulse.tell = None
        with _lock:
            _users -= 1
            if not _users and _hook:
                _hook.remove()
                _hook = None
