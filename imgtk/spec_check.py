"""Checks the descriptions of operators and architectures. Imports no torch."""

from __future__ import annotations

import re

from imgtk.errors import PluginError
from imgtk.op import CONTEXT, OpSpec
from imgtk.params import REQUIRED, ImageInput, Param, ParamType
from imgtk.weights.architecture import Architecture

__all__ = ["RESERVED", "check_architecture", "check_spec"]

RESERVED = frozenset({"as", "in", "save"})
"""Words of the language, which cannot name operators."""

_OPERATOR = re.compile(r"[a-z][a-z0-9-]*(:[a-z0-9][a-z0-9-]*)?")
_PARAMETER = re.compile(r"[a-z][a-z0-9-]*")
_LOCATION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""Where code is: `package.module:name`."""


def check_spec(spec: object) -> None:
    """Raise PluginError, naming the operator, if its description is malformed."""
    if not isinstance(spec, OpSpec):
        raise PluginError(f"an operator must be an imgtk.op.OpSpec, got {type(spec).__name__}")
    if not isinstance(spec.name, str) or not _OPERATOR.fullmatch(spec.name):
        raise PluginError(f"operator name {spec.name!r} is not like `task:method`, in lower case letters and digits")
    if spec.name in RESERVED:
        raise PluginError(f"operator name {spec.name!r} is reserved")
    for role, location in (("impl", spec.impl), ("trainer", spec.trainer)):
        if (location is not None or role == "impl") and not _LOCATION.fullmatch(str(location)):
            raise PluginError(f"{spec.name}: {role} {location!r} is not like `package.module:Class`")
    seen: set[str] = set()
    for param in spec.params:
        _check_param(param, spec.name)
        if param.name in seen:
            raise PluginError(f"{spec.name}: two parameters are called {param.name!r}")
        seen.add(param.name)


def _check_param(param: object, op: str) -> None:
    if not isinstance(param, Param) or not isinstance(param.type, ParamType):
        raise PluginError(f"{op}: {param!r} is not an imgtk.params.Param with a ParamType")
    if not _PARAMETER.fullmatch(param.name):
        raise PluginError(f"{op}: parameter name {param.name!r} is not in lower case letters, digits and hyphens")
    if param.name == CONTEXT:
        raise PluginError(f"{op}: no parameter can be called {CONTEXT!r}: by that name imgtk passes a BuildContext")
    if isinstance(param.type, ImageInput):
        if param.default not in (REQUIRED, None):
            raise PluginError(f"{op}: {param.name}: an image cannot have a default, but None if it may be left out")
    elif param.default is not REQUIRED and param.default is not None and not param.type.accepts(param.default):
        raise PluginError(f"{op}: {param.name}: default {param.default!r} is not {param.type.describe()}")


def check_architecture(architecture: object) -> None:
    """Raise PluginError, naming it, if an architecture is malformed."""
    if not isinstance(architecture, Architecture):
        kind = type(architecture).__name__
        raise PluginError(f"an architecture must be an imgtk.weights.architecture.Architecture, got {kind}")
    if not _LOCATION.fullmatch(str(architecture.detect)):
        place = f"{architecture.name}: detect {architecture.detect!r}"
        raise PluginError(f"{place} is not like `package.module:function`")
