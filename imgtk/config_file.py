"""Read one `imgtk.toml`, with the file, line and key in error messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from imgtk.config import Config, Default, user_file
from imgtk.errors import ConfigError
from imgtk.preset import OptionValue, Preset

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["line_of", "read_config"]

T = TypeVar("T")


class _Preset(msgspec.Struct, forbid_unknown_fields=True):
    pipeline: str
    summary: str = ""
    options: dict[str, OptionValue] = {}


class _Plugins(msgspec.Struct, forbid_unknown_fields=True):
    folders: list[str] = []


class _Tables(msgspec.Struct, forbid_unknown_fields=True):
    defaults: dict[str, Any] = {}
    presets: dict[str, Any] = {}
    plugins: dict[str, Any] = {}


def read_config(file: Path, *, own: bool) -> Config:
    """Return the contents of a configuration file.

    Args:
        file: its path.
        own: whether it is the user's own file, and may name folders of plugins, whose code is run.

    Raises:
        ConfigError: if it cannot be read or is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:  # TOMLDecodeError, which tells the line, or UnicodeDecodeError
        raise ConfigError(f"{file} is not valid TOML: {error}") from None
    return _Reader(file, text, own).config(tables)


class _Reader:
    """Makes a `Config` of a file's tables; `text` tells the lines."""

    def __init__(self, file: Path, text: str, own: bool) -> None:
        self.file, self.text, self.own = file, text, own

    def config(self, tables: dict[str, Any]) -> Config:
        read = self.typed(tables, _Tables)
        return Config(
            files=(self.file,),
            defaults=self.defaults(read.defaults),
            presets={name: self.preset(name, table) for name, table in read.presets.items()},
            plugin_folders=self.folders(self.typed(read.plugins, _Plugins, "plugins").folders),
        )

    def defaults(self, table: dict[str, Any], *command: str) -> dict[str, dict[str, Default]]:
        """Return the defaults of a command and of those in it."""
        own: dict[str, Default] = {}
        found = {" ".join(command): own}
        for key, value in table.items():
            path = ("defaults", *command, key)
            if isinstance(value, dict):
                found |= self.defaults(value, *command, key)
            else:
                own[key] = Default(self.typed(value, OptionValue, *path), self.place(path))
        return found

    def preset(self, name: str, table: object) -> Preset:
        path = ("presets", name)
        read = self.typed(table, _Preset, *path)
        try:
            return Preset(name, read.pipeline, read.summary, read.options, origin=self.place(path))
        except ValueError as error:
            raise self.wrong(path, str(error)) from None

    def folders(self, folders: list[str]) -> tuple[Path, ...]:
        if folders and not self.own:
            raise self.wrong(
                ("plugins", "folders"),
                "the file of a project cannot name plugins, since their code would run",
                hint=f"Name the folder in {user_file()}, or pass --plugins-dir.",
            )
        return tuple(self.file.parent / Path(folder).expanduser() for folder in folders)

    def typed(self, value: object, kind: Any, *path: str) -> Any:
        """Return `value` as a `kind`."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            what, _, inner = str(error).replace("`", "").partition(" - at $")
            path = (*path, *re.findall(r"\w+", inner))
            hint = None
            if unknown := re.match(r"Object contains unknown field (.+)", what):
                what, path = "there is no such key", (*path, unknown[1])
                keys = [key.name for key in msgspec.structs.fields(kind)]
                near = get_close_matches(unknown[1], keys, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"Available: {', '.join(keys)}."
            what = re.sub(r"Object missing required field (.+)", r"the key \1 is missing", what)
            for name, words in _TYPES.items():
                what = re.sub(rf"\b{re.escape(name)}\b", words, what)
            raise self.wrong(path, what[0].lower() + what[1:], hint) from None

    def wrong(self, path: Sequence[str], message: str, hint: str | None = None) -> ConfigError:
        return ConfigError(f"{self.place(path)}: {message}", hint=hint)

    def place(self, path: Sequence[str]) -> str:
        return f"{self.file}, line {line_of(self.text, path)}, {'.'.join(path)}"


_TYPES = {
    "bool | int | float | str": "a text, a number, true or false",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
"""Names for users of the types that msgspec names."""
_PART = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_TABLE = re.compile(r"\s*\[\[?([^\[\]]+)\]")
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


def line_of(text: str, path: Sequence[str]) -> int:
    """Return the line, from 1, of a key in a TOML text that can be parsed, or of the table or key that it is in.

    Args:
        text: the TOML text.
        path: the key, after those of the tables that it is in.
    """
    depth, line, table = 0, 1, []
    for number, words in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(words):
            here = table = _parts(match[1])
        elif match := _KEY.match(words):
            here = [*table, *_parts(match[1])]
        else:
            continue
        if len(here) > depth and list(path[: len(here)]) == here:
            depth, line = len(here), number
    return line


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_PART, dotted)]
