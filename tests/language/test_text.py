"""Graphs written as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from imgtk.errors import UsageError
from imgtk.language import Graph, Node, parse, to_text
from imgtk.registry import Registry

from .conftest import SPECS
from .graphs import graphs


def pixels(graph: Graph, index: int) -> str:
    """What a stage computes, whatever its place and name."""
    node = graph.nodes[index]
    return f"{node.op}({sorted(node.params.items())},{[pixels(graph, source) for source in node.inputs]})"


@given(graphs(SPECS))
@settings(max_examples=80)
def test_round_trip(registry: Registry, graph: Graph) -> None:
    text = to_text(graph, registry)
    parsed = parse(text, registry)
    assert to_text(parsed, registry) == text
    assert parsed == parsed.ordered()
    assert pixels(parsed, parsed.output) == pixels(graph, graph.output)
    everything = [sorted(pixels(g, index) for index in range(len(g.nodes))) for g in (parsed, graph)]
    assert everything[0] == everything[1]
    if all(node.name for node in graph.nodes[1:]):
        assert parsed == graph


@pytest.mark.parametrize(
    "text",
    [
        "@in",
        "upscale:bicubic x4 | style:monet strength=0.5 keep-colour",
        "upscale:esrgan as up | style:monet | blend @up alpha=0.25 | save 'my file.png'",
        "style:monet | blend ( upscale:bicubic x1 | style:monet )",
        "style:monet as a | save a.png ; @a | save b.png ; @a",
        "mix @in 2 ( style:monet ) mask=@in",
        "label 3 'as' '@in' ink=#ff8800 bold boxed",
        "label text=3",
        "label text=bold bold",
        "style:monet ; @in",
    ],
)
def test_canonical_text_stays_as_it_is(text: str, registry: Registry) -> None:
    assert to_text(parse(text, registry), registry) == text


def test_shared_stages_get_names(registry: Registry) -> None:
    graph = Graph(
        (Node("in"), Node("style:monet", (0,), name="n1"), Node("style:monet", (1,)), Node("blend", (2, 2))), 3
    )
    assert to_text(graph, registry) == "style:monet as n1 | style:monet as n2 | blend @n2"
    read_result = replace(graph, output=2)
    assert to_text(read_result, registry).endswith("; @n2")


def test_very_deep_graphs(registry: Registry) -> None:
    nodes = [Node("in"), *(Node("blend", (0, index)) for index in range(400))]
    graph = Graph(tuple(nodes), 400)
    assert len(parse(to_text(graph, registry), registry).nodes) == 401


def test_an_operator_that_is_gone(registry: Registry) -> None:
    with pytest.raises(UsageError, match="unknown operator 'gone'"):
        to_text(Graph((Node("in"), Node("gone", (0,))), 1), registry)


def test_order_is_kept_where_text_can(registry: Registry) -> None:
    text = "style:monet as a ; upscale:esrgan | blend @a ; @a | save x.png ; @in | style:monet"
    graph = parse(text, registry)
    assert [node.op for node in graph.nodes] == ["in", "style:monet", "upscale:esrgan", "blend", "save", "style:monet"]
    assert graph.nodes[4].params == {"file": Path("x.png")}
