"""A pipeline as data: what text, YAML and Python build, and what planning and running are functions of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

INPUT = 0
"""Id of the node that stands for the input image, `@in`."""

SAVE = "save"
"""The one stage that is no operator: it passes its input through and writes it to its `file`."""


@dataclass(frozen=True)
class Node:
    """One stage.

    Attributes:
        op: name of the operator; "in" for node `INPUT`, "save" for a stage that writes its input to `params["file"]`.
        inputs: ids of the nodes it reads, all smaller than its own: the piped one, then one per ImageInput
            parameter in the order of the operator's spec.
        params: converted values by keyword (underscores), those given only; no ImageInput parameters.
        name: as given by `as NAME`.
    """

    op: str
    inputs: tuple[int, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", MappingProxyType(dict(self.params)))


@dataclass(frozen=True)
class Graph:
    """Stages in an order in which each comes after its inputs. `nodes[0]` is the input image.

    Attributes:
        nodes: the stages; a node's id is its index.
        output: id of the node whose image is the result.
    """

    nodes: tuple[Node, ...]
    output: int

    @property
    def reads_input(self) -> bool:
        """Whether any stage reads the input image, or it is the result."""
        return self.output == INPUT or any(INPUT in node.inputs for node in self.nodes)

    def ordered(self) -> Graph:
        """Return the same graph in canonical order, the one in which text lists stages.

        Named stages and stages that nothing reads keep their order, an unnamed result comes last, and each is preceded
        by the unnamed stages that lead to it, depth first in the order of their inputs.
        """
        read = {source for node in self.nodes for source in node.inputs}
        heads = [index for index, node in enumerate(self.nodes) if node.name or index not in read]
        if not self.nodes[self.output].name:
            heads = [head for head in heads if head != self.output] + [self.output]
        order = {INPUT: INPUT}
        pending = heads[::-1]
        while pending:
            missing = [source for source in self.nodes[pending[-1]].inputs if source not in order]
            if missing:
                pending += missing[::-1]
            else:
                order.setdefault(pending.pop(), len(order))
        nodes = tuple(
            replace(self.nodes[index], inputs=tuple(order[source] for source in self.nodes[index].inputs))
            for index in order
        )
        return Graph(nodes, order[self.output])
