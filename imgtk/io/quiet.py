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
    """For what must be heard although other threads read images: waits until none of them is kept quiet."""
    with _lock:
        yield


@contextmanager
def without_native_messages() -> Iterator[None]:
    """Also drops what C libraries (libtiff) write to file descriptor 2."""
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
