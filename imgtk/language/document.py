"""Pipelines as YAML documents.

imgtk: 0.1.0             # what wrote it, for the record
version: 1               # of this format
stages:
- op: upscale:bicubic
  params: {scale: x2}
  name: up               # like `as up`
  plugin: imgtk 0.1.0    # the distribution that brought the operator, for the record
- op: blend
  inputs: [in, up]       # "in", a name or the number of a stage; by default the stage before
  params: {alpha: 0.5}
output: up               # by default the last stage
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, NoReturn

from imgtk import __version__
from imgtk.errors import PipelineError, UsageError
from imgtk.language import bind
from imgtk.language.graph import INPUT, Graph, Node
from imgtk.language.tokens import NAME
from imgtk.op import OpSpec
from imgtk.params import ImageInput, Param
from imgtk.registry import Registry

VERSION = 1
MAX_LENGTH = 1_000_000
"""Characters; a longer document is no pipeline."""

_MAX_DEPTH = 20
_STAGE_KEYS = ("op", "params", "inputs", "name", "plugin")
_DOCUMENT_KEYS = ("imgtk", "version", "stages", "output")


def dump_yaml(graph: Graph, registry: Registry) -> str:
    """Return the document of a graph: `load_yaml(dump_yaml(graph))` equals `graph`.

    Raises:
        UsageError: if the registry does not know an operator of the graph.
    """
    stages = []
    for index, node in enumerate(graph.nodes[1:], 1):
        spec = bind.spec_of(node.op, registry)
        stage: dict[str, Any] = {"op": node.op}
        if node.params:
            stage["params"] = {
                param.name: _scalar(param, node.params[param.keyword])
                for param in spec.params
                if param.keyword in node.params
            }
        if node.inputs != ((index - 1,) if spec.piped else ()):
            stage["inputs"] = [_reference(graph, source) for source in node.inputs]
        if node.name:
            stage["name"] = node.name
        if origin := registry.origin(node.op):
            stage["plugin"] = f"{origin.distribution} {origin.version}"
        stages.append(stage)
    document = {"imgtk": __version__, "version": VERSION, "stages": stages}
    if graph.output != len(stages):
        document["output"] = _reference(graph, graph.output)
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    if "\x85" in text:  # PyYAML folds this line break away unless it escapes it
        text = yaml.safe_dump(document, sort_keys=False)
    return text


def load_yaml(text: str, registry: Registry) -> Graph:
    """Return the graph of a document.

    Raises:
        PipelineError: if the text is not YAML, pointing at the place.
        UsageError: if it is not such a document, naming the stage.
    """
    document = _keys(_read(text), _DOCUMENT_KEYS, "the document")
    if document.get("version") != VERSION or isinstance(document["version"], bool):
        found = f"version {document['version']!r}" if "version" in document else "no version"
        raise UsageError(f"the document has {found[:80]}", hint=f"This imgtk reads version {VERSION}.")
    stages = document.get("stages")
    if not isinstance(stages, list):
        raise UsageError("the document has no list of stages")
    nodes = [Node("in")]
    names = {"in": INPUT}
    for number, stage in enumerate(stages, 1):
        node = _node(stage, number, names, registry)
        if node.name:
            names[node.name] = number
        nodes.append(node)
    output = _resolve(document.get("output", len(stages)), names, len(nodes), "output")
    return Graph(tuple(nodes), output)


def _node(stage: object, number: int, names: dict[str, int], registry: Registry) -> Node:
    where = f"stage {number}"
    entry = _keys(stage, _STAGE_KEYS, where)
    op = entry.get("op")
    if not isinstance(op, str):
        raise UsageError(f"{where} has no op", hint="Give it the name of an operator.")
    where = f"{where} ({op})"
    try:
        spec = bind.spec_of(op, registry)
    except UsageError as error:
        plugin = entry.get("plugin")
        came = f" It came from {plugin}." if isinstance(plugin, str) else ""
        raise UsageError(f"{where}: {error.message}", hint=f"{error.hint}{came}") from None
    inputs = entry.get("inputs", [number - 1] if spec.piped else [])
    if not isinstance(inputs, list) or not spec.least_inputs <= len(inputs) <= spec.inputs:
        images = [*["the piped image"][: spec.piped], *(param.name for param in spec.image_params)]
        raise UsageError(f"{where}: inputs must list {len(images)}: {', '.join(images)}")
    name = entry.get("name")
    if name is not None and (not isinstance(name, str) or not NAME.fullmatch(name) or name in names):
        raise UsageError(f"{where}: {_shown(name)} is not a valid name, or is taken")
    return Node(
        op,
        tuple(_resolve(source, names, number, f"{where}: inputs") for source in inputs),
        _params(entry.get("params", {}), spec, where),
        name,
    )


def _params(given: object, spec: OpSpec, where: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise UsageError(f"{where}: params must be a mapping, got {_shown(given)}")
    params: dict[str, Any] = {}
    for key, value in given.items():
        param = spec.param(key) if isinstance(key, str) else None
        if param is None or isinstance(param.type, ImageInput):
            names = [known.name for known in spec.params if not isinstance(known.type, ImageInput)]
            hint = _nearest(key, names) or (f"It takes {', '.join(names)}." if names else "It takes none.")
            raise UsageError(f"{where} has no parameter {_shown(key)}", hint=hint)
        if param.keyword in params:
            raise UsageError(f"{where}: {param.name} is given twice")
        if isinstance(value, (dict, list, set)):
            raise UsageError(f"{where}: {param.name}: expected {param.type.describe()}, got {_shown(value)}")
        try:
            params[param.keyword] = param.type.convert(value)
        except ValueError as error:
            raise UsageError(f"{where}: {param.name}: {error}", hint=f"See `imgtk help {spec.name}`.") from None
    lacking = bind.missing(spec, params.keys() | {param.keyword for param in spec.image_params})
    if lacking:
        raise UsageError(f"{where} needs {lacking.name}", hint=f"It takes {lacking.type.describe()}.")
    return params


def _resolve(reference: object, names: dict[str, int], limit: int, where: str) -> int:
    """Return the id of the stage that a document refers to; only stages below `limit` can be meant."""
    if isinstance(reference, str) and reference in names:
        return names[reference]
    if isinstance(reference, int) and not isinstance(reference, bool) and 0 <= reference < limit:
        return reference
    raise UsageError(f"{where}: no stage {_shown(reference)} before it", hint=_nearest(reference, names))


def _reference(graph: Graph, index: int) -> str | int:
    return "in" if index == INPUT else graph.nodes[index].name or index


def _scalar(param: Param, value: object) -> object:
    """Return what stands for a value in YAML: itself where YAML has such a scalar, else its word."""
    return value if isinstance(value, (bool, int, float, str)) else param.type.format(value)


def _keys(found: object, known: tuple[str, ...], where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise UsageError(f"{where} must be a mapping, got {_shown(found)}", hint=f"Its keys are {', '.join(known)}.")
    for key in found:
        if key not in known:
            hint = _nearest(key, known) or f"Its keys are {', '.join(known)}."
            raise UsageError(f"{where} has an unknown key {_shown(key)}", hint=hint)
    return found


def _read(text: str) -> object:
    """Return the YAML tree, refused if it could be larger than its text: nothing here needs anchors or depth."""
    import yaml

    if len(text) > MAX_LENGTH:
        raise UsageError(f"the document is longer than {MAX_LENGTH} characters")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                _fail(text, "a pipeline document has no aliases", event.start_mark)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                _fail(text, "this nests too deeply", event.start_mark)
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        _fail(text, f"this is not YAML: {error.problem}", error.problem_mark or error.context_mark)
    except (yaml.YAMLError, ValueError) as error:  # characters that YAML forbids; numbers and dates that do not exist
        raise UsageError(f"the document is not YAML: {error}") from None


def _fail(text: str, message: str, mark: Any) -> NoReturn:
    start = min(mark.index, len(text)) if mark else 0
    raise PipelineError(message, source=text, start=start, end=start + 1) from None


def _shown(value: object) -> str:
    """Return a short form for messages; a collection is only named, since its text may be endless."""
    return type(value).__name__ if isinstance(value, (dict, list, set)) else repr(value)[:80]


def _nearest(word: object, names: Any) -> str | None:
    near = get_close_matches(word, list(names), n=1) if isinstance(word, str) else []
    return f"Did you mean {near[0]}?" if near else None
