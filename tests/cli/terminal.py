"""A shell in a pseudo-terminal: what a person types there, and what it then does."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ESCAPES = re.compile(rb"\x1b(\[[0-9;?=>]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>]|\([AB0])")


class Terminal:
    """A running shell."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.name = command[0]
        self.pid, self.file = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.execvpe(command[0], command, environment)
        self.output = b""

    def type(self, text: str) -> None:
        os.write(self.file, text.encode())

    def wait_for(self, expected: str, seconds: float = 120) -> str:
        """What has been printed since the last call, up to `expected`."""
        end = time.monotonic() + seconds
        while (at := ESCAPES.sub(b"", self.output).find(expected.encode())) < 0:
            ready = select.select([self.file], [], [], max(0, end - time.monotonic()))[0]
            assert ready, f"no {expected!r} in {ESCAPES.sub(b'', self.output)!r}"
            new = os.read(self.file, 65536)
            if b"\x1b[c" in new or b"\x1b[0c" in new:  # fish asks what terminal this is
                self.type("\x1b[?1;2c")
            self.output += new
        printed = ESCAPES.sub(b"", self.output)
        self.output = printed[at + len(expected.encode()) :]
        return printed[:at].decode(errors="replace")

    def settle(self, quiet: float = 0.3, seconds: float = 20) -> None:
        """Wait until nothing has been printed for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and select.select([self.file], [], [], quiet)[0]:
            self.output += os.read(self.file, 65536)


@contextmanager
def terminal(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Terminal]:
    """A shell that is killed in the end."""
    shell = Terminal(command, folder, environment)
    try:
        yield shell
    finally:
        os.kill(shell.pid, signal.SIGKILL)
        os.waitpid(shell.pid, 0)
        os.close(shell.file)
