"""Keeping libraries from writing to the terminal: imgtk reports what is wrong, once."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()  # the contexts change what the whole process shares


@contextmanager
def without_warnings() -> Iterator[None]:
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def without_logs(logger: logging.Logger) -> Iterator[None]:
    """Drop what a library logs below warnings."""
    with _lock:
        level = logger.level
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def audible() -> Iterator[None]:
    """Allow messages within the block: wait until no thread is silencing the output."""
    with _lock:
        yield


@contextmanager
def without_native_messages() -> Iterator[None]:
    """Suppress messages of Python and of C libraries (libtiff), which write to file descriptor 2."""
    with without_warnings():
        try:
            kept = os.dup(2)
        except OSError:  # there is no standard error, so nothing can be written to it
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
