"""The command line. Each command is imported when it is called: `imgtk --help` and `imgtk ops` import neither torch nor
numpy."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from imgtk import __version__
from imgtk.cli.report import INTERRUPTED, report

COMMANDS = {
    "run": ("imgtk.cli.run:run", "Run a pipeline on images and videos."),
    "plan": ("imgtk.cli.plan:plan", "Show what a pipeline would do."),
    "presets": ("imgtk.cli.presets:presets", "List the presets: named pipelines."),
    "compare": ("imgtk.cli.compare:compare", "Compare pipelines on an image, on a page."),
    "serve": ("imgtk.cli.serve:serve", "Serve a page and an HTTP API."),
    "ops": ("imgtk.cli.catalogue:ops", "List the operators."),
    "help": ("imgtk.cli.catalogue:help_", "Explain one operator."),
    "plugins": ("imgtk.cli.catalogue:plugins", "List the plugins."),
    "models": ("imgtk.cli.models:models", "List the weights; add, download and remove your own."),
    "train": ("imgtk.cli.train:train", "Train the network of an operator."),
    "bench": ("imgtk.cli.bench:bench", "Measure operators: quality, time and memory."),
    "export": ("imgtk.cli.export:export", "Write the network of an operator as an ONNX file."),
    "completion": ("imgtk.cli.completion:completion", "Complete commands and pipelines with the Tab key."),
    "doctor": ("imgtk.cli.doctor:doctor", "Show versions, devices, plugins and weights."),
}
"""The location of each command, and its one-line help."""


class Cli(click.Group):
    """The group of `COMMANDS`. It turns every error into one message on stderr and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name and command:
            ctx.default_map = self._defaults(ctx, name, command)
        return name, command, rest

    def _defaults(self, ctx: click.Context, name: str, command: click.Command) -> dict[str, Any] | None:
        """Return the defaults that `imgtk.toml` sets for a command. Raises ConfigError."""
        from imgtk.config import load_config

        config = load_config()
        if not config.defaults:
            return None
        from imgtk.cli.defaults import check_shared, default_map

        every = {other: found for other in self.list_commands(ctx) if (found := self.get_command(ctx, other))}
        check_shared(config, every)
        return {name: default_map(command, config, name)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Parse and run `args`, then exit. Commands find in `ctx.obj` whether --debug was given, anywhere."""
        words = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in words
        if sys.stderr is None:  # it is closed: else the next file that is opened would be taken for it
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process lives
        words = [word for word in words if word != "--debug"]
        if "_IMGTK_COMPLETE" in os.environ:
            import imgtk.cli.completion  # noqa: F401 - which tells click of our shells
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _show_warning
                code = super().main(words, prog_name or "imgtk", **{**extra, "obj": debug, "standalone_mode": False})
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            code = INTERRUPTED
        except Exception as error:
            code = report(error, debug=debug)
        sys.exit(code if isinstance(code, int) else 0)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"warning: {message}", err=True)


@click.command("imgtk", cls=Cli, epilog="Every command has --help. --debug shows where an error came from.")
@click.version_option(__version__, message="imgtk %(version)s")
def main() -> None:
    """Upscale, restore and repaint images with pipelines of operators.

    imgtk run "upscale:esrgan x4 | style:monet" in.jpg
    """
