"""The hooks that a plugin may implement, with `imgtk.hookimpl`, as functions of the module its entry point names.

Entry points live in the group `imgtk`. Importing such a module must be cheap: no torch, no cv2; name the code of an
operator in `OpSpec.impl` and let imgtk import it when it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pluggy

from imgtk.backend_spec import BackendSpec
from imgtk.command import Command
from imgtk.file_format import FileFormat
from imgtk.op import OpSpec
from imgtk.preset import Preset
from imgtk.weights.architecture import Architecture
from imgtk.weights.public import PublicModel

__all__ = [
    "hookimpl",
    "imgtk_architectures",
    "imgtk_backends",
    "imgtk_commands",
    "imgtk_formats",
    "imgtk_operators",
    "imgtk_presets",
    "imgtk_public_weights",
]

PROJECT = "imgtk"
NAMED: Mapping[str, type[Any]] = {
    "imgtk_presets": Preset,
    "imgtk_formats": FileFormat,
    "imgtk_commands": Command,
    "imgtk_public_weights": PublicModel,
    "imgtk_backends": BackendSpec,
}
"""Hooks that give things with a name, and the type of these."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Decorator that marks a function of a plugin's module as a hook."""


@hookspec
def imgtk_operators() -> Iterable[OpSpec]:  # type: ignore[empty-body]
    """Return the operators of this plugin. Called once, when the registry is first asked for operators."""


@hookspec
def imgtk_architectures() -> Iterable[Architecture]:  # type: ignore[empty-body]
    """Return the network architectures that this plugin can tell from the tensors of a checkpoint and build. Called
    once."""


@hookspec
def imgtk_presets() -> Iterable[Preset]:  # type: ignore[empty-body]
    """Return the presets of this plugin: named pipelines for `imgtk run :NAME`. Called once."""


@hookspec
def imgtk_formats() -> Iterable[FileFormat]:  # type: ignore[empty-body]
    """Return the image file formats that this plugin reads and writes. Called once."""


@hookspec
def imgtk_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Return the commands that this plugin adds to the command line. Called once."""


@hookspec
def imgtk_public_weights() -> Iterable[PublicModel]:  # type: ignore[empty-body]
    """Return the public weights of this plugin's architectures, for `imgtk models pull NAME`. Called once."""


@hookspec
def imgtk_backends() -> Iterable[BackendSpec]:  # type: ignore[empty-body]
    """Return the runtimes that can compute networks in place of torch. Called once."""
