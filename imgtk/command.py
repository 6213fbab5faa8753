"""`Command`: a command of the command line that a plugin brings. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Command"]


@dataclass(frozen=True)
class Command:
    """A command, `imgtk NAME`.

    Attributes:
        name: what users type: lower case letters, digits and hyphens. The names of imgtk's own commands are taken.
        impl: "package.module:attribute", a `click.Command`, imported when it is called.
        summary: one line for `imgtk plugins`.
    """

    name: str
    impl: str
    summary: str
