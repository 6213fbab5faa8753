"""Parameter types, and what `OpSpec.build` makes of parameters."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgtk.context import BuildContext
from imgtk.errors import ParameterError, PluginError
from imgtk.op import OpSpec
from imgtk.params import (
    REQUIRED,
    Choice,
    Colour,
    File,
    Flag,
    ImageInput,
    Integer,
    Number,
    Param,
    ParamType,
    Scale,
    Text,
)

HOSTILE = [None, [], {}, object(), b"x", float("nan"), float("inf"), 10**400, "", "\0", "x" * 10_000, "9" * 10_000]


class Recorder:
    """Stands for an operator: keeps what it was built with."""

    def __init__(self, **params: Any) -> None:
        self.params = params


def spec(*params: Param, **more: Any) -> OpSpec:
    return OpSpec("task:name", f"{__name__}:Recorder", "A test.", params, **more)


def built(operator: OpSpec, **params: Any) -> dict[str, Any]:
    return operator.build(BuildContext(), **params).params  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (Scale(), "x4", Fraction(4)),
        (Scale(), "4", Fraction(4)),
        (Scale(), "X2.5", Fraction(5, 2)),
        (Scale(), "x2/3", Fraction(2, 3)),
        (Scale(), ".5", Fraction(1, 2)),
        (Scale(), 0.1, Fraction(1, 10)),
        (Scale(), Fraction(1, 3), Fraction(1, 3)),
        (Scale(prefixed=True), 4, Fraction(4)),
        (Number(), "-1e-3", -0.001),
        (Number(0, 1), 1, 1.0),
        (Integer(), str(2**53 + 1), 2**53 + 1),
        (Integer(), 4.0, 4),
        (Integer(0, 9), "9", 9),
        (Choice(("a", "b")), "b", "b"),
        (Flag(), "Yes", True),
        (Flag(), "off", False),
        (Flag(), False, False),
        (Text(), "", ""),
        (File(), "a b.png", Path("a b.png")),
        (Colour(), "#f80", (1.0, 136 / 255, 0.0)),
        (Colour(), "#ff8800", (1.0, 136 / 255, 0.0)),
        (Colour(), "red", (1.0, 0.0, 0.0)),
        (Colour(), "0.1, 0.2, 1", (0.1, 0.2, 1.0)),
        (Colour(), (0.1, 0.2, 1), (0.1, 0.2, 1.0)),
    ],
)
def test_accepts(kind: ParamType, given: object, value: object) -> None:
    converted = kind.convert(given)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        *(
            (Scale(), word)
            for word in ("x", "0", "x0", "xx4", "-2", "4x", "1/0", "x65", "1e999999999", "nan", True, "²")
        ),
        (Scale(prefixed=True), "4"),
        (Scale(minimum=Fraction(1)), "x0.5"),
        *((Number(0, 1), word) for word in ("1.01", "-0.1", "nan", "inf", "", "one", True, None)),
        *((Integer(0, 9), word) for word in ("10", "-1", "1.5", 1.5, "1e0", True, None, float("inf"))),
        (Choice(("a", "b")), "c"),
        (Flag(), "maybe"),
        (Text(), 3),
        (File(), ""),
        (File(), "~nobody-has-this-name/x"),
        *((Colour(), word) for word in ("#ff", "ff8800", "1,2,3", "0.1,0.2", (0.1, 0.2), (0, 0, 2), "purplish")),
        (ImageInput(), "a.jpg"),
    ],
)
def test_refuses(kind: ParamType, wrong: object) -> None:
    assert not kind.accepts(wrong)
    with pytest.raises(ValueError, match="^expected " + kind.describe()[:8]):
        kind.convert(wrong)


@pytest.mark.parametrize("kind", [Scale(), Number(), Integer(), Choice(("a",)), Flag(), File(), Colour(), ImageInput()])
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda value: repr(value)[:12] if value != 10**400 else "10**400")
def test_hostile_values_are_value_errors(kind: ParamType, hostile: object) -> None:
    kind.accepts(hostile)  # raises anything that is no ValueError


@given(st.fractions(Fraction(1, 64), Fraction(64)))
def test_scale_survives_writing(value: Fraction) -> None:
    assert Scale().convert(Scale().format(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_survives_writing(value: float) -> None:
    assert Number().convert(Number().format(value)) == value


@given(st.tuples(*[st.floats(0, 1) | st.integers(0, 255).map(lambda level: level / 255)] * 3))
def test_colour_survives_writing(value: tuple[float, float, float]) -> None:
    assert Colour().convert(Colour().format(value)) == value


def test_scale_is_written_as_people_write_it() -> None:
    assert [Scale().format(Fraction(text)) for text in ("4", "2.5", "1/64", "2/3")] == ["x4", "x2.5", "x1/64", "x2/3"]


def test_build_converts_and_fills_in() -> None:
    operator = spec(
        Param("scale", Scale(), ""),
        Param("keep-colour", Flag(), "", default=False),
        Param("other", ImageInput(), ""),
        preset={"model": "m"},
    )
    assert built(operator, scale="x2") == {"model": "m", "scale": Fraction(2), "keep_colour": False}
    assert built(operator, scale=2, keep_colour="yes")["keep_colour"] is True
    assert operator.inputs == 2
    assert operator.param("keep_colour") is operator.param("keep-colour") is operator.params[1]
    assert operator.param("nothing") is None


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "task:name needs strength="),
        ({"strength": 2}, "task:name: strength: expected a number from 0 to 1, got 2"),
        ({"strength": 1, "strenght": 1}, "has no parameter 'strenght'"),
    ],
)
def test_build_errors_name_operator_and_parameter(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        spec(Param("strength", Number(0, 1), "")).build(BuildContext(), **params)
    assert caught.value.hint == "See `imgtk help task:name`."


@pytest.mark.parametrize("impl", ["no_such_package:Class", "tests_no.such:Class", "math:NoSuchClass"])
def test_build_of_what_is_not_there(impl: str) -> None:
    with pytest.raises(PluginError, match=f"task:name: cannot import {impl}"):
        OpSpec("task:name", impl, "").build(BuildContext())


def test_required_is_not_a_value() -> None:
    assert repr(REQUIRED) == "REQUIRED"
    with pytest.raises(ParameterError):
        built(spec(Param("strength", Number(), "")), strength=REQUIRED)
