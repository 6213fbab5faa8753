"""The parameters of operators: `Param`, and the types of values that one may accept.

Importing this module imports neither torch nor Pillow: a plugin's `__init__` describes its operators with it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from imgtk.errors import ParameterError

__all__ = [
    "REQUIRED",
    "Choice",
    "Colour",
    "CommaList",
    "File",
    "Flag",
    "ImageFile",
    "ImageInput",
    "Integer",
    "Number",
    "Param",
    "ParamType",
    "Scale",
    "Text",
    "Weights",
]

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()
"""Default of a parameter that must be given."""


class ParamType(ABC):
    """Converts what a user wrote (a word of a pipeline, a YAML scalar, a Python object) to a checked value."""

    @abstractmethod
    def convert(self, value: object) -> Any:
        """Return the checked value; raises ValueError with a message "expected …" for anything else."""

    @abstractmethod
    def describe(self) -> str:
        """Return what is accepted, as a noun phrase: "a number from 0 to 1"."""

    def format(self, value: Any) -> str:
        """Return the word that `convert` turns into `value`."""
        return str(value)

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of values that `convert` takes. `format` says what a string is:
        "scale", "colour", "file", "image-file", "weights" or "image" (a reference)."""
        return {"type": "string"}

    def reads(self, value: Any) -> Iterable[str]:
        """Return the names of weights and files that a (converted) value makes an operator read. Servers refuse or map
        them."""
        return ()

    def accepts(self, value: object) -> bool:
        try:
            self.convert(value)
        except ValueError:
            return False
        return True

    def _fail(self, value: object) -> ValueError:
        return ValueError(f"expected {self.describe()}, got {value!r}")


@dataclass(frozen=True)
class Scale(ParamType):
    """A factor: `x4`, `4`, `x2.5`, `x2/3`; the value is a Fraction.

    Attributes:
        minimum, maximum: the closed range of factors; 64 bounds the memory a typing slip can ask for.
        prefixed: whether a bare number is refused, for operators whose first word may be another number.
    """

    minimum: Fraction = Fraction(1, 64)
    maximum: Fraction = Fraction(64)
    prefixed: bool = False

    _FACTOR: ClassVar[re.Pattern[str]] = re.compile(r"x?(\d+([./]\d+)?|\.\d+)")  # no exponent: 1e999999999 never ends

    def convert(self, value: object) -> Fraction:
        text = str(value).strip().lower()
        bare = isinstance(value, str) and not text.startswith("x")
        if (self.prefixed and bare) or not self._FACTOR.fullmatch(text):
            raise self._fail(value)
        try:
            factor = Fraction(text.removeprefix("x"))
        except (ValueError, ZeroDivisionError):
            raise self._fail(value) from None
        if not self.minimum <= factor <= self.maximum:
            raise self._fail(value)
        return factor

    def describe(self) -> str:
        low, high = self.format(self.minimum), self.format(self.maximum)
        return f"a scale such as x4 or x2.5, from {low} to {high}"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "scale", "pattern": r"^x?([0-9]+([./][0-9]+)?|\.[0-9]+)$"}

    def format(self, value: Fraction) -> str:
        short = f"{float(value):g}"
        return f"x{short}" if len(short) < 6 and Fraction(short) == value else f"x{value}"


@dataclass(frozen=True)
class Number(ParamType):
    """A finite number within a closed range.

    >>> Number(0, 1).convert("0.5")
    0.5
    """

    minimum: float | None = None
    maximum: float | None = None

    def convert(self, value: object) -> float:
        if isinstance(value, bool):
            raise self._fail(value)
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise self._fail(value) from None
        low = float("-inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        if not (low <= number <= high) or number in (float("inf"), float("-inf")):
            raise self._fail(value)
        return number

    def describe(self) -> str:
        return "a number" + _range_phrase(self.minimum, self.maximum)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", **_bounds(self.minimum, self.maximum)}

    def format(self, value: float) -> str:
        return repr(value).removesuffix(".0")


@dataclass(frozen=True)
class Integer(ParamType):
    """A whole number within a closed range."""

    minimum: int | None = None
    maximum: int | None = None

    def convert(self, value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        try:
            number = int(str(value))
        except ValueError:
            raise self._fail(value) from None
        if (self.minimum is not None and number < self.minimum) or (self.maximum is not None and number > self.maximum):
            raise self._fail(value)
        return number

    def describe(self) -> str:
        return "a whole number" + _range_phrase(self.minimum, self.maximum)

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", **_bounds(self.minimum, self.maximum)}


def _bounds(minimum: float | None, maximum: float | None) -> dict[str, float]:
    return {key: bound for key, bound in (("minimum", minimum), ("maximum", maximum)) if bound is not None}


def _range_phrase(minimum: float | None, maximum: float | None) -> str:
    low, high = (str(bound) if isinstance(bound, int) else f"{bound or 0:g}" for bound in (minimum, maximum))
    if minimum is None:
        return f" of at most {high}" if maximum is not None else ""
    return f" from {low} to {high}" if maximum is not None else f" of at least {low}"


@dataclass(frozen=True)
class Choice(ParamType):
    """One of the listed words."""

    options: tuple[str, ...]

    def convert(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.options:
            raise self._fail(value)
        return value

    def describe(self) -> str:
        return "one of " + ", ".join(self.options)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.options)}


@dataclass(frozen=True)
class Flag(ParamType):
    """Yes or no. The parameter's own name, as a bare word, means yes."""

    _WORDS: ClassVar[Mapping[str, bool]] = {
        **dict.fromkeys(("yes", "true", "on", "1"), True),
        **dict.fromkeys(("no", "false", "off", "0"), False),
    }

    def convert(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        try:
            return self._WORDS[str(value).lower()]
        except KeyError:
            raise self._fail(value) from None

    def describe(self) -> str:
        return "yes or no"

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def format(self, value: bool) -> str:
        return "yes" if value else "no"


@dataclass(frozen=True)
class Text(ParamType):
    """Any text."""

    def convert(self, value: object) -> str:
        if not isinstance(value, str):
            raise self._fail(value)
        return value

    def describe(self) -> str:
        return "a text"


class Weights(Text):
    """Weights of a network: their name, or the path of a file; `BuildContext.locate` finds it."""

    def reads(self, value: str) -> Iterable[str]:
        return [value]

    def describe(self) -> str:
        return "a name of weights or a file"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "weights"}


@dataclass(frozen=True)
class File(ParamType):
    """A path; `~` is expanded, existence is the operator's business. The value is a `pathlib.Path`."""

    def convert(self, value: object) -> Path:
        if not isinstance(value, (str, Path)) or not str(value):
            raise self._fail(value)
        try:
            return Path(value).expanduser()
        except RuntimeError:  # the home of an unknown user
            raise self._fail(value) from None

    def describe(self) -> str:
        return "a file"

    def reads(self, value: Path) -> Iterable[str]:
        return [str(value)]

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "file"}


class ImageFile(File):
    """A path of an image that the operator reads by itself."""

    def describe(self) -> str:
        return "an image file"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "image-file"}


@dataclass(frozen=True)
class Colour(ParamType):
    """`#rgb`, `#rrggbb`, a CSS colour name, or `r,g,b` with each 0..1; the value is (r, g, b), each 0..1."""

    def convert(self, value: object) -> tuple[float, float, float]:
        parts = value.split(",") if isinstance(value, str) else value
        if isinstance(parts, (tuple, list)) and len(parts) == 3 and all(Number(0, 1).accepts(part) for part in parts):
            return (float(parts[0]), float(parts[1]), float(parts[2]))
        from PIL import ImageColor

        try:
            red, green, blue = ImageColor.getrgb(str(value))[:3]
        except ValueError:
            raise self._fail(value) from None
        return (red / 255, green / 255, blue / 255)

    def describe(self) -> str:
        return "a colour such as #ff8800 or orange"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "colour"}

    def format(self, value: tuple[float, float, float]) -> str:
        levels = [round(channel * 255) for channel in value]
        if tuple(level / 255 for level in levels) == tuple(value):
            return "#" + "".join(f"{level:02x}" for level in levels)
        return ",".join(repr(channel) for channel in value)


@dataclass(frozen=True)
class CommaList(ParamType):
    """Several values of one type, separated by commas; the value is a tuple."""

    item: ParamType

    def convert(self, value: object) -> tuple[Any, ...]:
        if isinstance(value, str):
            value = [word.strip() for word in value.split(",")]
        items = value if isinstance(value, (list, tuple)) else [value]
        if not items or not all(self.item.accepts(item) for item in items):
            raise self._fail(value)
        return tuple(self.item.convert(item) for item in items)

    def describe(self) -> str:
        return f"{self.item.describe()}, or several separated by commas"

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(), "minItems": 1}

    def reads(self, value: tuple[Any, ...]) -> Iterable[str]:
        return [name for item in value for name in self.item.reads(item)]

    def format(self, value: tuple[Any, ...]) -> str:
        return ",".join(self.item.format(item) for item in value)


@dataclass(frozen=True)
class ImageInput(ParamType):
    """An additional input image: `@name`, `( chain )` or, in Python, a graph reference.

    The language turns it into an edge of the graph. The operator receives the pixels of the image as its second, third
    … tensor, in the order in which its spec declares `ImageInput` parameters.
    """

    def convert(self, value: object) -> Any:
        raise self._fail(value)

    def describe(self) -> str:
        return "an image: @name or ( chain )"

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "image"}


@dataclass(frozen=True)
class Param:
    """One parameter of an operator.

    Attributes:
        name: as users write it (`keep-colour`); the implementation receives it with underscores (`keep_colour`).
        type: what it accepts.
        help: one line for `imgtk help OP`.
        default: value (already converted) when not given; `REQUIRED` when it must be given.
        positional: whether a bare word may give it. Bare words bind to the positional parameters in declared order,
            each word to the first one not yet bound whose type accepts it.
    """

    name: str
    type: ParamType
    help: str
    default: Any = REQUIRED
    positional: bool = False

    @property
    def keyword(self) -> str:
        return self.name.replace("-", "_")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its values: that of its type, with its help, and its default as JSON where it has
        one."""
        found = {**self.type.schema(), "description": self.help}
        if self.default is not REQUIRED and self.default is not None:
            plain = isinstance(self.default, (bool, int, float, str))
            found["default"] = self.default if plain else self.type.format(self.default)
        return found

    def convert(self, value: object, op: str) -> Any:
        """Return the checked value; raises ParameterError naming operator and parameter."""
        try:
            return self.type.convert(value)
        except ValueError as error:
            raise ParameterError(f"{op}: {self.name}: {error}", hint=f"See `imgtk help {op}`.") from None
