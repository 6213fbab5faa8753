"""`imgtk.operator`: makes an operator of a function on tensors, for scripts, notebooks and one-file plugins."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from torch import Tensor

from imgtk import registry
from imgtk.errors import PluginError
from imgtk.geometry import Extent, Geometry
from imgtk.op import Facts, ImageOp, OpSpec
from imgtk.params import REQUIRED, Choice, File, Flag, ImageInput, Integer, Number, Param, ParamType, Scale, Text

__all__ = ["FunctionOperator", "operator"]

_TYPES: dict[Any, Callable[[], ParamType]] = {
    bool: Flag,
    float: Number,
    int: Integer,
    str: Text,
    Path: File,
    Fraction: Scale,
    Tensor: ImageInput,
}


class FunctionOperator:
    """A function that is an operator, too. Called, it is the function.

    Attributes:
        function: what was decorated.
        spec: what the registry knows of it.
    """

    def __init__(self, function: Callable[..., Tensor], spec: OpSpec) -> None:
        self.function, self.spec = function, spec
        self.__doc__ = function.__doc__

    def __call__(self, *images: Tensor, **params: Any) -> Tensor:
        return self.function(*images, **params)


def operator(
    name: str, *, summary: str = "", scale: int = 1, halo: int = 0, whole: bool = False, may_add_colour: bool = False
) -> Callable[[Callable[..., Tensor]], FunctionOperator]:
    """Make an operator of a function: `@imgtk.operator("adjust:warm")`.

    The function takes an image, float (1, 3, H, W), RGB, 0..1, and gives one of (1, 3, H * scale, W * scale). It is
    called with tiles, so what it does must not depend on where a pixel lies. Its parameters are the operator's:
    `float`, `int`, `bool`, `str`, `Path` and `Literal[...]` are understood, a `Tensor` is a further image, and
    `Annotated[float, Number(0, 1)]` states a type of `imgtk.params`. Those after `*` are given by name only.

    The operator is in the registry at once, until Python ends; a second one of the name takes its place. Workers of a
    cluster do not know it: for these, make a plugin.

    Args:
        name: `task:method`, or a bare verb.
        summary: one line; by default the first of the docstring.
        scale: output pixels per input pixel.
        halo: how far the function looks, in pixels.
        whole: whether it must see the whole image at once.
        may_add_colour: whether its result may be in colour although the image is gray.

    Raises:
        PluginError: for a parameter whose type is not understood, or a name that is none or an installed operator's.

    >>> import imgtk, numpy as np
    >>> @imgtk.operator("example:dim")
    ... def dim(x: Tensor, amount: Annotated[float, Number(0, 1)] = 0.5) -> Tensor:
    ...     "Make the image darker."
    ...     return x * (1 - amount)
    >>> result = imgtk.Pipeline("example:dim 0.75", device="cpu")(np.full((2, 3, 3), 200, np.uint8))
    >>> int(result.pixels[0, 0, 0])
    50
    """

    def decorate(function: Callable[..., Tensor]) -> FunctionOperator:
        geometry = Geometry(Fraction(scale), halo, extent=Extent.WHOLE if whole else Extent.LOCAL)
        images, params = _parameters(function, name)
        attribute = "_" + re.sub(r"\W", "_", name)
        members = {
            "function": staticmethod(function),
            "geometry": geometry,
            "images": images,
            "facts": Facts(may_add_colour=may_add_colour),
        }
        globals()[attribute] = type(attribute, (_FunctionOp,), members)
        first = inspect.getdoc(function) or name
        spec = OpSpec(
            name,
            f"{__name__}:{attribute}",
            summary or first.splitlines()[0],
            params,
        )
        if registry.discovering:  # the module of a plugin, which the registry looks through
            registry.check_spec(spec)
        else:
            registry.default().add(spec, replace=True)
        return FunctionOperator(function, spec)

    return decorate


class _FunctionOp(ImageOp):
    """Calls a function. Each is a subclass."""

    function: Callable[..., Tensor]
    images: tuple[str, ...]
    geometry = Geometry()

    def __init__(self, **params: Any) -> None:
        self.params = params

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return self.function(x, **dict(zip(self.images, others, strict=False)), **self.params)


def _parameters(function: Callable[..., Tensor], name: str) -> tuple[tuple[str, ...], tuple[Param, ...]]:
    """Return the names of the further images, and the parameters."""
    hints = get_type_hints(function, include_extras=True)
    params: list[Param] = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        kind = _type(hints.get(parameter.name))
        if kind is None or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise PluginError(
                f"{name}: the type of the parameter {parameter.name!r} is not understood",
                hint="Annotate it by float, int, bool, str, Path, Literal[...], Tensor or Annotated[float, Number()].",
            )
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        bare = parameter.kind is not parameter.KEYWORD_ONLY and not isinstance(kind, Flag)
        params.append(Param(parameter.name.replace("_", "-"), kind, f"Parameter of {name}.", default, positional=bare))
    return tuple(p.keyword for p in params if isinstance(p.type, ImageInput)), tuple(params)


def _type(hint: Any) -> ParamType | None:
    if get_origin(hint) is Annotated:
        return next((extra for extra in get_args(hint) if isinstance(extra, ParamType)), _type(get_args(hint)[0]))
    if get_origin(hint) is Literal:
        return Choice(tuple(map(str, get_args(hint))))
    return _TYPES[hint]() if hint in _TYPES else None
