"""The command line. Each command is imported when it is called: `imgtk --help` and `imgtk ops` import neither torch nor
numpy, and `imgtk --help` asks no plugin."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from imgtk import __version__
from imgtk.cli.report import INTERRUPTED, report
from imgtk.errors import PluginError

if TYPE_CHECKING:
    from imgtk.command import Command

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
    "new": ("imgtk.cli.new:new", "Make the package of a plugin."),
    "install": ("imgtk.cli.install:install", "Install plugins beside imgtk."),
    "uninstall": ("imgtk.cli.install:uninstall", "Remove a plugin."),
    "completion": ("imgtk.cli.completion:completion", "Complete commands and pipelines with the Tab key."),
    "check": ("imgtk.cli.check:check", "Check an installed plugin."),
    "doctor": ("imgtk.cli.doctor:doctor", "Show versions, devices, plugins and weights."),
}
"""The location of each command, and its one-line help."""


FOLDERS = "IMGTK_PLUGINS_DIR"
VERBOSE = {"-v", "--verbose"}


class Cli(click.Group):
    """The group of `COMMANDS`. It turns every error into one message on stderr and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *_brought()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            return _imported(COMMANDS[cmd_name][0])
        command = _brought().get(cmd_name)
        if not command:
            return None
        try:
            return _imported(command.impl)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"cannot import the command {cmd_name}, {command.impl}: {error}") from error

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
        if VERBOSE & set(words):
            logging.basicConfig(format="%(relativeCreated)6d ms  %(message)s", level=logging.WARNING)
            logging.getLogger("imgtk").setLevel(logging.INFO)
        words = [word for word in words if word not in {"--debug", *VERBOSE}]
        if "_IMGTK_COMPLETE" in os.environ:
            import imgtk.cli.completion  # noqa: F401 - which tells click of our shells
        try:
            with warnings.catch_warnings(), _plugin_folders(words) as words:
                warnings.showwarning = _show_warning
                code = super().main(words, prog_name or "imgtk", **{**extra, "obj": debug, "standalone_mode": False})
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            code = INTERRUPTED
        except Exception as error:
            code = report(error, debug=debug)
        sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _plugin_folders(words: list[str]) -> Iterator[list[str]]:
    """Yield the words without --plugins-dir DIR, whose folder the registry finds in the environment meanwhile."""
    before, left, rest = os.environ.get(FOLDERS), list[str](), iter(words)
    try:
        for word in rest:
            option, equals, folder = word.partition("=")
            if option == "--plugins-dir":
                folder = folder if equals else next(rest, "")
                if not folder:
                    raise click.UsageError("--plugins-dir needs a folder")
                os.environ[FOLDERS] = os.pathsep.join(filter(None, [os.environ.get(FOLDERS), folder]))
            else:
                left.append(word)
        yield left
    finally:
        os.environ.pop(FOLDERS, None)
        if before is not None:
            os.environ[FOLDERS] = before


def _brought() -> dict[str, Command]:
    """Return the commands of the plugins, by name."""
    from imgtk.registry import default

    return {name: command for name, command in default().brought("imgtk_commands").items() if name not in COMMANDS}


def _imported(location: str) -> click.Command:
    module, _, attribute = location.partition(":")
    command: click.Command = getattr(import_module(module), attribute)
    return command


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"warning: {message}", err=True)


@click.command(
    "imgtk",
    cls=Cli,
    epilog="`imgtk plugins` lists the commands that plugins add. Every command has --help, and takes -v (tell what is "
    "done), --debug and --plugins-dir DIR.",
)
@click.version_option(__version__, message="imgtk %(version)s")
def main() -> None:
    """Upscale, restore and repaint images with pipelines of operators.

    imgtk run "upscale:esrgan x4 | style:monet" in.jpg
    """
