"""Configuration in `imgtk.toml`: defaults of options and presets, of the user and of a project.

The user's file is in the folder for settings (`~/.config/imgtk/imgtk.toml` on Linux). A project's file is the first
`imgtk.toml` in the current folder or above it, and overrides the user's. The environment variable IMGTK_CONFIG names a
file that replaces both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import platformdirs

from imgtk.errors import UsageError
from imgtk.preset import OptionValue, Preset

__all__ = ["NAME", "Config", "Default", "config_files", "load_config", "preset", "presets", "user_file"]

NAME = "imgtk.toml"
"""Name of the configuration files."""


@dataclass(frozen=True)
class Default:
    """The default of an option.

    Attributes:
        value: what the file says.
        place: the file, line and key, for messages.
    """

    value: OptionValue
    place: str


@dataclass(frozen=True)
class Config:
    """The merged contents of the configuration files.

    Attributes:
        files: the files that were read; later ones override earlier ones.
        defaults: by command ("" for all commands; "models pull" for one in a group), then by the option's long name.
        presets: by name.
        plugin_folders: folders of plugins, from the user's own file.
    """

    files: tuple[Path, ...] = ()
    defaults: Mapping[str, Mapping[str, Default]] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    plugin_folders: tuple[Path, ...] = ()

    def over(self, other: Config) -> Config:
        """Return this configuration with the values of another where this one has none."""
        commands = other.defaults.keys() | self.defaults.keys()
        return Config(
            files=other.files + self.files,
            defaults={key: {**other.defaults.get(key, {}), **self.defaults.get(key, {})} for key in commands},
            presets={**other.presets, **self.presets},
            plugin_folders=other.plugin_folders + self.plugin_folders,
        )


def user_file() -> Path:
    """Return the user's own file; it need not exist."""
    return platformdirs.user_config_path("imgtk", appauthor=False) / NAME


def config_files() -> list[tuple[Path, bool]]:
    """Return the files to read, the project's last, each with whether it is the user's own."""
    if given := os.environ.get("IMGTK_CONFIG"):
        return [(Path(given).expanduser(), True)]
    here, own = Path.cwd(), user_file()
    files = [(own, True)] if own.is_file() else []
    project = next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), own)
    return files if project == own else [*files, (project, False)]


def load_config() -> Config:
    """Return the merged contents of the configuration files.

    Raises:
        ConfigError: if one cannot be read or is wrong, with file, line and key.
    """
    config = Config()
    for path, own in config_files():
        from imgtk.config_file import read_config  # only those who have a file wait for its imports

        config = read_config(path, own=own).over(config)
    return config


def presets(shipped: Mapping[str, Preset], config: Config) -> dict[str, Preset]:
    """Return all presets by name: those of the configuration files override those of plugins."""
    return dict(sorted({**shipped, **config.presets}.items()))


def preset(name: str, shipped: Mapping[str, Preset], config: Config) -> Preset:
    """Return the preset of that name. Raises UsageError, naming the nearest one."""
    found = presets(shipped, config)
    if name not in found:
        near = get_close_matches(name, found, n=1)
        hint = f"Did you mean :{near[0]}?" if near else "`imgtk presets` lists them."
        raise UsageError(f"unknown preset {name!r}", hint=hint)
    return found[name]
