"""Error messages and exit codes of the command line."""

from __future__ import annotations

import sys
import traceback

import click

from imgtk.errors import ImgtkError

FAILED, USAGE, UNEXPECTED, INTERRUPTED = 1, 2, 70, 130
"""Exit codes: something failed; the command was wrong; a bug in imgtk or a plugin; Ctrl-C."""


def report(error: Exception, *, where: str = "", debug: bool = False) -> int:
    """Print one message about `error` on stderr, with the file `where` it happened, and return the exit code."""
    if debug and not isinstance(error, click.ClickException):
        click.echo("".join(traceback.format_exception(error)), file=sys.stderr, nl=False)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    text, code = explain(error)
    heading = click.style("error: ", fg="red", bold=True)
    click.echo(heading + (f"{where}: {text}" if where and where not in text else text), file=sys.stderr)
    return code


def explain(error: Exception) -> tuple[str, int]:
    """Return the message about `error` for the user, and its exit code."""
    if isinstance(error, ImgtkError):
        return str(error), error.exit_code
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "imgtk"
        return f"{error.format_message()}\n  See `{path} --help`.", USAGE
    if isinstance(error, click.ClickException):
        return error.format_message(), error.exit_code
    first = (str(error).splitlines() or [""])[0]
    return (
        f"unexpected {type(error).__name__}: {first}\n"
        "  This is a bug in imgtk or a plugin. Please report it, with what the same command with --debug prints.",
        UNEXPECTED,
    )
