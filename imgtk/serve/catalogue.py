"""Operators and weights as the API tells of them: parameters as JSON Schema, pipelines as lists of stages."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any

from imgtk.language.graph import INPUT, Graph
from imgtk.op import OpSpec
from imgtk.params import REQUIRED, Param, Scale
from imgtk.registry import Registry
from imgtk.weights.store import added, shipped

__all__ = ["chain_of", "models", "operator"]


def operator(spec: OpSpec) -> dict[str, Any]:
    """Return an operator: its parameters in the order in which bare words bind, each with a JSON Schema of its
    value."""
    return {
        "name": spec.name,
        "summary": spec.summary,
        "weights": list(spec.weights),
        "parameters": [
            {
                "name": param.name,
                "help": param.help,
                "takes": param.type.describe(),
                "positional": param.positional,
                "required": param.default is REQUIRED,
                "default": None if param.default in (REQUIRED, None) else param.type.format(param.default),
                "schema": param.type.schema(),
            }
            for param in spec.params
        ],
    }


def models(registry: Registry) -> list[dict[str, Any]]:
    """Return the cards of all weights that there are."""
    cards = [*(card for package in registry.packages for card in shipped(package)), *added()]
    return [asdict(card) for card in cards]


def chain_of(graph: Graph, registry: Registry) -> list[dict[str, Any]] | None:
    """Return the stages of a pipeline that is one chain: operator and parameters, as they are written; None for
    others."""
    stages = []
    for index, node in enumerate(graph.nodes):
        if index == INPUT:
            continue
        if node.inputs != (index - 1,) or node.name or node.op == "save":
            return None
        spec = registry.spec(node.op)
        known = {param.keyword: param for param in spec.params}
        params = {known[key].name: _written(known[key], value) for key, value in node.params.items()}
        stages.append({"op": node.op, "params": params})
    return stages if graph.output == len(graph.nodes) - 1 else None


def _written(param: Param, value: Any) -> str:
    return param.type.format(value) if not isinstance(value, Fraction) else Scale().format(value)
