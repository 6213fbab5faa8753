"""Progress within an operator that computes a whole image in many steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["report_step", "steps_reported"]

_report: ContextVar[Callable[[int, int], None] | None] = ContextVar("report", default=None)


def report_step(done: int, total: int) -> None:
    """Say, within an operator, that `done` of `total` steps are done. Whoever runs it may end the run by an exception,
    which comes out of this call: let it pass."""
    report = _report.get()
    if report is not None:
        report(done, total)


@contextmanager
def steps_reported(report: Callable[[int, int], None] | None) -> Iterator[None]:
    """Call `report` for each step that operators report in this thread, within the block."""
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)
