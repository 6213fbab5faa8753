"""The defaults of options that `imgtk.toml` sets."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click

from imgtk.config import Config, Default
from imgtk.errors import ConfigError
from imgtk.preset import OptionValue

NOT_IN_FILES = frozenset(
    {"debug", "force", "help", "output", "overwrite", "pipeline-file", "plugins-dir", "preset", "resume", "version"}
)
"""Options that are given on the command line only: they name files, or let files be replaced."""


def option_name(option: click.Option) -> str:
    """Return the long name of an option, without hyphens in front."""
    return max(option.opts, key=len).lstrip("-")


def convert(option: click.Option, value: OptionValue, context: click.Context | None, place: str) -> Any:
    """Return `value` as the option's type has it.

    Raises:
        ConfigError: if it is none of that type, with `place` in front.
    """
    if option.is_flag and option.is_bool_flag:
        if not isinstance(value, bool):
            raise ConfigError(f"{place}: expected true or false, got {value!r}")
        return value
    if isinstance(value, bool) or option.is_flag:
        raise ConfigError(f"{place}: it cannot be {str(value).lower()}")
    try:
        converted = option.type_cast_value(context, [str(value)] if option.multiple else str(value))  # type: ignore[arg-type]
    except click.BadParameter as error:
        raise ConfigError(f"{place}: {error.message}") from None
    return converted


def default_map(command: click.Command, config: Config, path: str = "") -> dict[str, Any]:
    """Return the defaults of a command's options, as click's contexts take them: those of the commands in a group by
    the names of these.

    Raises:
        ConfigError: for an option that the command does not have, and for a value that is none.
    """
    own, shared = config.defaults.get(path, {}), config.defaults.get("", {})
    if isinstance(command, click.Group):
        return {name: default_map(inner, config, f"{path} {name}") for name, inner in command.commands.items()}
    options = {option_name(param): param for param in command.params if isinstance(param, click.Option)}
    found: dict[str, Any] = {}
    for name, default in {**{key: shared[key] for key in shared if key in options}, **own}.items():
        option = _known(options, name, default)
        convert(option, default.value, None, default.place)
        found[str(option.name)] = default.value if isinstance(default.value, bool) else str(default.value)
    return found


def check_shared(config: Config, commands: Mapping[str, click.Command]) -> None:
    """Raise ConfigError for a default of all commands that no command has as an option, and for unknown commands."""
    options = {
        option_name(param): param
        for command in commands.values()
        for leaf in (command, *getattr(command, "commands", {}).values())
        for param in leaf.params
        if isinstance(param, click.Option)
    }
    for name, default in config.defaults.get("", {}).items():
        _known(options, name, default)
    for path, table in config.defaults.items():
        if path and path.split()[0] not in commands:
            place = next(iter(table.values())).place if table else str(config.files[-1])
            raise ConfigError(f"{place}: there is no command `imgtk {path}`")


def _known(options: Mapping[str, click.Option], name: str, default: Default) -> click.Option:
    if name in NOT_IN_FILES:
        raise ConfigError(f"{default.place}: it can only be given on the command line")
    if name not in options:
        near = get_close_matches(name, options, n=1)
        hint = f"Did you mean {near[0]}?" if near else None
        raise ConfigError(f"{default.place}: there is no such option", hint=hint)
    return options[name]
