"""Pipelines as YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from imgtk import __version__
from imgtk.errors import PipelineError, UsageError
from imgtk.language import Graph, Node, dump_yaml, load_yaml, parse
from imgtk.registry import Registry, default

from .conftest import SPECS
from .graphs import graphs


@given(graphs(SPECS))
@settings(max_examples=60)
def test_round_trip(registry: Registry, graph: Graph) -> None:
    document = dump_yaml(graph, registry)
    assert load_yaml(document, registry) == graph
    assert yaml.safe_load(document)["imgtk"] == __version__


@pytest.mark.parametrize("name", ["日本.png", "a\x85b", "x" * 300 + " y", " a\n", "null", "1e3", "é: #"])
def test_awkward_file_names(name: str, registry: Registry) -> None:
    graph = Graph((Node("in"), Node("save", (0,), {"file": Path(name)})), 1)
    assert load_yaml(dump_yaml(graph, registry), registry) == graph


def test_what_a_document_looks_like(registry: Registry) -> None:
    graph = parse("upscale:bicubic x2.5 as up | style:monet keep-colour | blend @up | save a.png ; @up", registry)
    assert yaml.safe_load(dump_yaml(graph, registry)) == {
        "imgtk": __version__,
        "version": 1,
        "stages": [
            {"op": "upscale:bicubic", "params": {"scale": "x2.5"}, "name": "up"},
            {"op": "style:monet", "params": {"keep-colour": True}},
            {"op": "blend", "inputs": [2, "up"]},
            {"op": "save", "params": {"file": "a.png"}},
        ],
        "output": "up",
    }


def test_a_document_carries_the_plugin(registry: Registry) -> None:
    info = next(info for info in default().plugins if info.operators)
    spec = next(s for s in default().specs if s.name in info.operators and s.inputs == 1)
    values = {p.name: "x2" for p in spec.params if p.name == "scale"}
    document = yaml.safe_dump({"version": 1, "stages": [{"op": spec.name, "params": values}]})
    stage = yaml.safe_load(dump_yaml(load_yaml(document, default()), default()))["stages"][0]
    assert stage["plugin"] == f"{info.distribution} {info.version}"


def test_written_by_hand(registry: Registry) -> None:
    document = """
        version: 1
        stages:
        - {op: upscale:bicubic, params: {scale: 2}, name: up}
        - {op: style:monet, inputs: [in], params: {keep_colour: yes, strength: 1}}
        - {op: blend, inputs: [2, up]}
    """
    expected = "upscale:bicubic x2 as up ; style:monet keep-colour strength=1 | blend @up"
    assert load_yaml(document, registry) == parse(expected, registry)


STAGE = "version: 1\nstages:\n- op: style:monet\n- "


@pytest.mark.parametrize(
    ("document", "message", "hint"),
    [
        ("", "the document must be a mapping, got None", "version, stages"),
        ("upscale:bicubic x2", "the document must be a mapping, got 'upscale:bicubic x2'", ""),
        ("- op: style:monet", "the document must be a mapping, got list", ""),
        ("stages: []", "the document has no version", "reads version 1"),
        ("version: 2\nstages: []", "the document has version 2", "reads version 1"),
        ("version: true\nstages: []", "the document has version True", ""),
        ("version: 1", "the document has no list of stages", ""),
        ("version: 1\nstages: {}", "the document has no list of stages", ""),
        ("version: 1\nstage: []", "the document has an unknown key 'stage'", "Did you mean stages?"),
        (STAGE + "blend", "stage 2 must be a mapping, got 'blend'", "op"),
        (STAGE + "{}", "stage 2 has no op", ""),
        (STAGE + "{op: 7}", "stage 2 has no op", ""),
        (STAGE + "{op: style:monet, parms: {}}", "stage 2 has an unknown key 'parms'", "Did you mean params?"),
        (STAGE + "{op: style:mone}", "stage 2 (style:mone): unknown operator", "Did you mean style:monet"),
        (STAGE + "{op: a:b, plugin: imgtk-x 2.0}", "stage 2 (a:b): unknown operator", "It came from imgtk-x 2.0."),
        (STAGE + "{op: style:monet, params: [1]}", "stage 2 (style:monet): params must be a mapping, got list", ""),
        (STAGE + "{op: style:monet, params: {strenght: 1}}", "no parameter 'strenght'", "Did you mean strength?"),
        (STAGE + "{op: style:monet, params: {1: 1}}", "no parameter 1", "It takes strength, keep-colour."),
        (STAGE + "{op: style:monet, params: {strength: 2}}", "stage 2 (style:monet): strength: expected a number", ""),
        (STAGE + "{op: style:monet, params: {strength: [1]}}", "expected a number from 0 to 1, got list", ""),
        (STAGE + "{op: style:monet, params: {strength: 2001-01-01}}", "strength: expected a number from 0 to 1", ""),
        (STAGE + "{op: style:monet, params: {keep-colour: 1, keep_colour: 0}}", "keep-colour is given twice", ""),
        (STAGE + "{op: upscale:bicubic}", "stage 2 (upscale:bicubic) needs scale", "a scale such as"),
        (STAGE + "{op: blend}", "inputs must list 2: the piped image, image", ""),
        (STAGE + "{op: blend, inputs: [1]}", "stage 2 (blend): inputs must list 2", ""),
        (STAGE + "{op: blend, inputs: [1, 2]}", "stage 2 (blend): inputs: no stage 2 before it", ""),
        (STAGE + "{op: blend, inputs: [1, -1]}", "inputs: no stage -1 before it", ""),
        (STAGE + "{op: blend, inputs: [1, true]}", "inputs: no stage True before it", ""),
        (STAGE + "{op: blend, inputs: [1, inn]}", "inputs: no stage 'inn' before it", "Did you mean in?"),
        (STAGE + "{op: blend, inputs: [1, [in]]}", "inputs: no stage list before it", ""),
        (STAGE + "{op: blend, inputs: [1, 0], params: {image: in}}", "no parameter 'image'", "It takes alpha."),
        (STAGE + "{op: style:monet, name: in}", "stage 2 (style:monet): 'in' is not a valid name, or is taken", ""),
        (STAGE + "{op: style:monet, name: 4x}", "'4x' is not a valid name", ""),
        (STAGE + "{op: style:monet, name: 4}", "4 is not a valid name", ""),
        (STAGE + "{op: style:monet}\noutput: 9", "output: no stage 9 before it", ""),
        (STAGE + "{op: !!python/object/apply:os.system [id]}", "this is not YAML: could not determine", ""),
        (STAGE + "[", "this is not YAML", ""),
        (STAGE + "{op: style:monet, params: {strength: 0000-99-99}}", "", ""),
        ("version: 1\nstages: \0", "the document is not YAML", ""),
        ("a: &a 1\nb: *a", "no aliases", ""),
        ("[" * 100_000, "nests too deeply", ""),
        ("- " * 50_000, "nests too deeply", ""),
        ("a: " * 1000, "this is not YAML", ""),
        ("a" * 2_000_000, "longer than", ""),
        ("version: 1\nstages: " + "9" * 5000, "", ""),
    ],
    ids=lambda value: value[-40:],
)
def test_errors_name_the_stage(document: str, message: str, hint: str, registry: Registry) -> None:
    with pytest.raises(UsageError) as caught:
        load_yaml(document, registry)
    assert message in caught.value.message
    assert len(caught.value.message) < 300
    assert hint in (caught.value.hint or "")


def test_laughing_a_billion_times_is_refused(registry: Registry) -> None:
    laughs = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
    )
    with pytest.raises(PipelineError, match="no aliases"):
        load_yaml(laughs, registry)


def test_yaml_errors_point(registry: Registry) -> None:
    with pytest.raises(PipelineError) as caught:
        load_yaml("version: 1\nstages: }\n", registry)
    assert "line 2: stages: }\n                  ^" in str(caught.value)
