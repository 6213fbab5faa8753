"""Progress bars of the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


def wanted(quiet: bool) -> bool:
    """Return whether to show a bar: not if `quiet`, and only on a terminal."""
    return not quiet and sys.stderr.isatty()


def progress(*columns: ProgressColumn) -> Progress:
    """Return a display on stderr with these columns, which disappears at the end. Meanwhile, standard output is printed
    above it."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())
