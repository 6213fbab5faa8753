"""Errors while images are computed: out of memory, bugs of operators, and callers that stop the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from imgtk.errors import ImgtkError, MemoryLimitError, blame

__all__ = ["Interrupted", "blamed", "caught", "out_of_memory"]


class Interrupted(BaseException):  # no operator that catches exceptions may catch it
    """The caller's function for progress raised `cause` to stop the run. `caught` raises that instead."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


@contextmanager
def caught() -> Iterator[None]:
    """Turn out-of-memory errors of torch into a MemoryLimitError, and `Interrupted` into what the caller raised, within
    the block."""
    try:
        yield
    except Interrupted as end:
        raise end.cause from None
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise MemoryLimitError(f"out of memory: {error}", hint="Try a smaller --tile or --max-memory.") from None


@contextmanager
def blamed(who: str, doing: str) -> Iterator[None]:
    """Turn an error that is a bug of a plugin into an OperatorError that names it, within the block."""
    try:
        yield
    except ImgtkError:
        raise
    except (Exception, SystemExit) as error:
        if out_of_memory(error):
            raise
        raise blame(who, doing, error) from error


def out_of_memory(error: BaseException) -> bool:
    """Return whether the error says that memory ran out: torch's own kind on GPUs, a plain RuntimeError on the CPU."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
