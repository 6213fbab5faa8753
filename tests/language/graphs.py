"""Random graphs for property tests."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from imgtk.language import SAVE_SPEC, Graph, Node
from imgtk.op import OpSpec
from imgtk.params import REQUIRED, Choice, Colour, File, Flag, ImageInput, Integer, Number, ParamType, Scale, Text

TEXT = st.text("ab1@|;()'\"=#, \n\t\0~\\:-é日\u2028\x85\ufeff😀", max_size=8)
WORDS = TEXT | st.sampled_from(["as", "bold", "boxed", "yes", "text", "x4", "12", "@in", "a=b", "# x"])
LEVEL = st.integers(0, 255).map(lambda level: level / 255)


def values(kind: ParamType) -> st.SearchStrategy[Any]:
    if isinstance(kind, Scale):
        return st.fractions(kind.minimum, kind.maximum) | st.sampled_from([Fraction(2), Fraction(5, 2)])
    if isinstance(kind, Number):
        return st.floats(kind.minimum, kind.maximum, allow_nan=False, allow_infinity=False)
    if isinstance(kind, Integer):
        return st.integers(kind.minimum, kind.maximum)
    if isinstance(kind, Choice):
        return st.sampled_from(kind.options)
    if isinstance(kind, Flag):
        return st.booleans()
    if isinstance(kind, Colour):
        return st.tuples(LEVEL, LEVEL, LEVEL) | st.tuples(*[st.floats(0, 1)] * 3)
    if isinstance(kind, File):
        return WORDS.filter(lambda text: text and not text.startswith("~")).map(Path)
    assert isinstance(kind, Text)
    return WORDS


@st.composite
def nodes(draw: st.DrawFn, spec: OpSpec, before: int, names: list[str | None]) -> Node:
    params = {
        param.keyword: draw(values(param.type))
        for param in spec.params
        if not isinstance(param.type, ImageInput) and (param.default is REQUIRED or draw(st.booleans()))
    }
    inputs = tuple(draw(st.integers(0, before - 1)) for _ in range(spec.inputs))
    name = draw(st.none() | st.sampled_from(["up", "n1", "n2", "as", "_x-1", "save", "blend"]))
    return Node(spec.name, inputs, params, None if name in names else name)


@st.composite
def graphs(draw: st.DrawFn, specs: tuple[OpSpec, ...]) -> Graph:
    """Any graph at all: shared stages without a name, results that are read, stages that nothing reads."""
    found = [Node("in")]
    for _ in range(draw(st.integers(0, 7))):
        spec = draw(st.sampled_from((*specs, SAVE_SPEC)))
        found.append(draw(nodes(spec, len(found), [node.name for node in found])))
    return Graph(tuple(found), draw(st.integers(0, len(found) - 1)))
