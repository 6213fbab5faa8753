"""Logs: standard `logging`, one line an event, as text or as JSON. Neither images nor their names are in them."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone

__all__ = ["configure"]

FIELDS = ("request", "client", "method", "path", "status", "ms", "job", "worker", "seconds")
"""Fields of log lines besides their message, where they are known."""


class _Lines(logging.Formatter):
    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        known = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        trace = self.formatException(record.exc_info) if record.exc_info else None
        if self._as_json:
            line = {"time": when, "level": record.levelname, "logger": record.name, "message": record.getMessage()}
            return json.dumps({**line, **known, **({"trace": trace} if trace else {})})
        told = " ".join(f"{name}={value}" for name, value in known.items())
        text = f"{when} {record.levelname} {record.getMessage()} {told}".rstrip()
        return f"{text}\n{trace}" if trace else text


def configure(*, as_json: bool, quiet: bool = False) -> None:
    """Send what `imgtk` and uvicorn log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines(as_json))
    for name in ("imgtk", "uvicorn.error"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.WARNING if quiet or name != "imgtk" else logging.INFO)
