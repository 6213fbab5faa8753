"""Graph to pipeline text."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from imgtk.language import bind
from imgtk.language.graph import INPUT, Graph, Node
from imgtk.language.parser import MAX_DEPTH
from imgtk.language.tokens import quote
from imgtk.op import OpSpec
from imgtk.params import Flag, ImageInput, Param
from imgtk.registry import Registry


def to_text(graph: Graph, registry: Registry) -> str:
    """Return the canonical text of a graph: `parse(to_text(graph))` is `graph.ordered()`.

    An unnamed stage that text can only refer to by name (it is read twice, or is the result and read as well) is given
    one: n1, n2 …

    Raises:
        UsageError: if the registry does not know an operator of the graph.
    """
    return _Writer(_nameable(graph), registry).text()


def stage_lines(node: Node, registry: Registry) -> tuple[str, ...]:
    """Return the text of a stage in a diagram: its operator and name, and its parameters."""
    spec = None if node.op in ("in", "save") else registry.spec(node.op)
    said = []
    for key, value in node.params.items():
        param = spec.param(key) if spec else None
        said.append(f"{param.name}={param.type.format(value)}" if param else f"{key}={value}")
    return (f"{node.op} as {node.name}" if node.name else node.op, *said)


def _nameable(graph: Graph) -> Graph:
    """Return the graph in canonical order, every stage named that must be."""
    reads = Counter(source for node in graph.nodes for source in node.inputs)
    taken = {node.name for node in graph.nodes}
    fresh = (name for number in range(1, len(graph.nodes) + len(taken) + 1) if (name := f"n{number}") not in taken)
    nodes: list[Node] = []
    depths: list[int] = []
    for index, node in enumerate(graph.nodes):
        depth = max([depths[source] + (position > 0) for position, source in enumerate(node.inputs)], default=0)
        shared = reads[index] + (index == graph.output) > 1
        if index != INPUT and not node.name and (shared or depth >= MAX_DEPTH):
            node = replace(node, name=next(fresh))
        nodes.append(node)
        depths.append(0 if node.name else depth)
    return Graph(tuple(nodes), graph.output).ordered()


class _Writer:
    def __init__(self, graph: Graph, registry: Registry) -> None:
        self.graph, self.registry = graph, registry

    def text(self) -> str:
        nodes, output = self.graph.nodes, self.graph.output
        read = {source for node in nodes for source in node.inputs}
        text, last = "", INPUT
        for index, node in enumerate(nodes):
            if index == INPUT or not (node.name or index not in read):
                continue
            chain, continued = self.chain(index), f"@{nodes[last].name} | "
            if last != INPUT and chain.startswith(continued):
                text += chain[len(continued) - len(" | ") :]
            else:
                text += f" ; {chain}" if text else chain
            last = index
        if last == output and text:
            return text
        return f"{text} ; {self.reference(output)}" if text else self.reference(output)

    def chain(self, index: int) -> str:
        """Return the chain that ends in stage `index`, back to the first named stage or the input."""
        stages = [self.stage(self.graph.nodes[index])]
        piped = self.piped(index)
        while piped not in (None, INPUT) and not self.graph.nodes[piped].name:
            stages.append(self.stage(self.graph.nodes[piped]))
            piped = self.piped(piped)
        if piped not in (None, INPUT):
            stages.append(self.reference(piped))
        return " | ".join(reversed(stages))

    def piped(self, index: int) -> int | None:
        """Return the stage that is piped into one; None if it makes its image from nothing."""
        node = self.graph.nodes[index]
        return None if bind.spec_of(node.op, self.registry).generates else node.inputs[0]

    def stage(self, node: Node) -> str:
        spec = bind.spec_of(node.op, self.registry)
        words, bound = [node.op], set[str]()
        images = iter(node.inputs[spec.piped :])
        for param in spec.params:
            if isinstance(param.type, ImageInput):
                if param not in spec.image_params[: len(node.inputs) - spec.piped]:
                    continue
                word, bare = self.image(next(images)), bind.positional_image(spec, bound) is param
            elif param.keyword in node.params:
                word, bare = _value(spec, param, node.params[param.keyword], bound)
            else:
                continue
            words.append(word if bare else f"{param.name}={word}")
            bound.add(param.keyword)
        return " ".join([*words, "as", node.name] if node.name else words)

    def image(self, index: int) -> str:
        if index == INPUT or self.graph.nodes[index].name:
            return self.reference(index)
        return f"( {self.chain(index)} )"

    def reference(self, index: int) -> str:
        return "@in" if index == INPUT else f"@{self.graph.nodes[index].name}"


def _value(spec: OpSpec, param: Param, value: object, bound: set[str]) -> tuple[str, bool]:
    """Return the word for a parameter's value, and whether it may stand without KEY=."""
    if isinstance(param.type, Flag) and value is True:
        return param.name, True
    text = param.type.format(value)
    word = quote(text)
    flag = word == text and bind.bare_flag(spec, word) is not None
    return word, not flag and bind.positional(spec, bound, text) is param
