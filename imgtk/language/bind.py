"""Which parameter a value of a stage is for: the rules that parsing, writing and documents share."""

from __future__ import annotations

from collections.abc import Collection

from imgtk.language.graph import SAVE
from imgtk.op import OpSpec
from imgtk.params import REQUIRED, File, Flag, ImageInput, Param
from imgtk.registry import Registry

SAVE_SPEC = OpSpec(
    name=SAVE,
    impl="",
    summary="Write the image as it is at this stage, and pass it on.",
    params=(Param("file", File(), "where to write it; the suffix chooses the format", positional=True),),
)
"""The parameters of the stage `save`, which is not an operator: the engine does it."""


def spec_of(op: str, registry: Registry) -> OpSpec:
    """Return the description of a stage by its first word. Raises UsageError, naming the nearest ones."""
    return SAVE_SPEC if op == SAVE else registry.spec(op)


def bare_flag(spec: OpSpec, word: str) -> Param | None:
    """Return the flag that the bare word sets, if it is the name of one."""
    param = spec.param(word)
    return param if param and isinstance(param.type, Flag) else None


def positional(spec: OpSpec, bound: Collection[str], word: str) -> Param | None:
    """Return the parameter that a bare word gives: the first positional one not yet bound whose type accepts it."""
    return next((param for param in _free(spec, bound) if param.type.accepts(word)), None)


def positional_image(spec: OpSpec, bound: Collection[str]) -> Param | None:
    """Return the parameter that a bare image gives: the first positional ImageInput not yet bound."""
    return next((param for param in _free(spec, bound) if isinstance(param.type, ImageInput)), None)


def first_free(spec: OpSpec, bound: Collection[str]) -> Param | None:
    """Return the first positional parameter not yet bound."""
    return next(iter(_free(spec, bound)), None)


def missing(spec: OpSpec, bound: Collection[str]) -> Param | None:
    """Return the first parameter that must be given and is not."""
    return next((p for p in spec.params if p.default is REQUIRED and p.keyword not in bound), None)


def _free(spec: OpSpec, bound: Collection[str]) -> list[Param]:
    return [param for param in spec.params if param.positional and param.keyword not in bound]
