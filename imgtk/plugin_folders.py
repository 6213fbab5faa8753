"""Plugins without an installation: modules in folders that the user names. Imports no torch."""

from __future__ import annotations

import os
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

from imgtk.config import load_config
from imgtk.errors import PluginError, UsageError
from imgtk.op import OpSpec

__all__ = ["decorated", "in_folder", "plugin_folders"]


def plugin_folders() -> list[Path]:
    """Return the folders of plugins that `imgtk.toml` and the environment variable IMGTK_PLUGINS_DIR name.

    Raises:
        ConfigError: if `imgtk.toml` is wrong.
    """
    given = os.environ.get("IMGTK_PLUGINS_DIR", "").split(os.pathsep)
    return [*load_config().plugin_folders, *(Path(folder).expanduser().resolve() for folder in given if folder)]


def in_folder(folder: Path, group: str) -> list[EntryPoint]:
    """Return the modules and packages in a folder of plugins, which become importable."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder of plugins {folder}")
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    modules = [path.stem for path in folder.glob("*.py")] + [path.parent.name for path in folder.glob("*/__init__.py")]
    return [EntryPoint(name, name, group) for name in sorted(modules) if name.isidentifier() and name[0] != "_"]


def decorated(plugin: object, folder: Path) -> list[OpSpec]:
    """Return the operators that `imgtk.operator` made in a folder's module. Raises PluginError for another module."""
    file = Path(getattr(plugin, "__file__", None) or "")
    if folder not in file.resolve().parents:
        raise PluginError(f"its name is that of another module, {file}", hint="Rename the file.")
    made = (getattr(value, "spec", None) for value in vars(plugin).values())
    return [spec for spec in made if isinstance(spec, OpSpec)]
