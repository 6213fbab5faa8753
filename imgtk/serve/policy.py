"""`Policy`: which pipelines are served. They come from strangers: none may name a local file, write one, or fetch
anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from imgtk.language import parse, to_text
from imgtk.language.graph import INPUT, SAVE, Graph, Node
from imgtk.op import OpSpec
from imgtk.params import CommaList, File, Param
from imgtk.preset import Preset
from imgtk.registry import Registry
from imgtk.serve.options import ServeOptions
from imgtk.serve.problem import Problem
from imgtk.weights.store import added, shipped

__all__ = ["Policy", "is_own"]

OURS = "imgtk"
"""The distribution whose plugins are served without being asked for."""


def is_own(registry: Registry, op: str) -> bool:
    """Return whether an operator is of a plugin that comes with imgtk."""
    origin = registry.origin(op)
    return origin is not None and origin.distribution == OURS


@dataclass(frozen=True)
class Policy:
    """What pipelines may be.

    Attributes:
        registry: the operators.
        options: of the server.
        presets: the pipelines that are offered by name.
    """

    registry: Registry
    options: ServeOptions
    presets: Sequence[Preset] = ()

    def allows(self, op: str) -> bool:
        """Return whether pipelines may have this operator."""
        wanted = not self.options.ops or any(fnmatchcase(op, pattern) for pattern in self.options.ops)
        return wanted and (self.options.plugins or is_own(self.registry, op))

    @property
    def specs(self) -> list[OpSpec]:
        """The operators that are served."""
        return [spec for spec in self.registry.specs if self.allows(spec.name)]

    def weights(self) -> set[str]:
        """Return the names of all weights: those that plugins ship, and the user's own."""
        return {card.name for package in self.registry.packages for card in shipped(package)} | {
            card.name for card in added()
        }

    def parse(self, text: str, files: Mapping[str, Path]) -> Graph:
        """Return the graph of a pipeline that may be served.

        Args:
            text: the pipeline.
            files: the further images of the same request, by the names that the pipeline may call them.

        Raises:
            PipelineError, UsageError: as `imgtk.language.parse` does.
            Problem: for what is not served.
        """
        limits = self.options.limits
        if len(text) > limits.text:
            raise Problem(413, "too-large", f"the pipeline has {len(text):,} characters, and may have {limits.text:,}")
        graph = parse(text, self.registry)
        if len(graph.nodes) - 1 > limits.stages:
            detail = f"the pipeline has {len(graph.nodes) - 1:,} stages, and may have {limits.stages:,}"
            raise Problem(413, "too-large", detail)
        if self.options.presets_only:
            canonical = to_text(graph, self.registry)
            if canonical not in {to_text(parse(p.pipeline, self.registry), self.registry) for p in self.presets}:
                raise _refused("this server runs its presets only", "GET /api/v1/presets lists them.")
        return Graph(
            tuple(node if index == INPUT else self._node(node, files) for index, node in enumerate(graph.nodes)),
            graph.output,
        )

    def _node(self, node: Node, files: Mapping[str, Path]) -> Node:
        if node.op == SAVE:
            raise _refused("`save` would write a file on the server", "Download the result instead.")
        if not all(self.allows(name) for name in _blended(node.op)):
            raise _refused(f"{node.op} is not served here", "GET /api/v1/operators lists the operators that are.")
        spec = self.registry.spec(node.op)
        params = {key: self._value(spec, key, value, files) for key, value in node.params.items()}
        return replace(node, params=params)

    def _value(self, spec: OpSpec, key: str, value: Any, files: Mapping[str, Path]) -> Any:
        param = spec.param(key)
        if param is None or value is None:
            return value
        item = param.type.item if isinstance(param.type, CommaList) else param.type
        if isinstance(item, File):
            several = isinstance(value, (list, tuple))
            found = tuple(self._file(spec, param, one, files) for one in (value if several else [value]))
            return found if several else found[0]
        unknown = [name for name in param.type.reads(value) if value != param.default and name not in self.weights()]
        if unknown:
            raise _refused(
                f"{spec.name}: {param.name}: there are no weights {unknown[0]!r}",
                "Name weights of the server; GET /api/v1/models lists them.",
            )
        return value

    def _file(self, spec: OpSpec, param: Param, value: Any, files: Mapping[str, Path]) -> Path:
        """Return the uploaded file that a pipeline calls by its name."""
        if str(value) in files:
            return files[str(value)]
        there = f"It has {_listed(files)}." if files else "Send the image along, and name it by its file name."
        raise _refused(f"{spec.name}: {param.name}: the request has no image {str(value)!r}", there)


def _blended(op: str) -> list[str]:
    """Return the names of the operators that `task:method+method` joins."""
    first, *others = op.split("+")
    task = first.partition(":")[0]
    return [first, *(f"{task}:{other}" for other in others)]


def _refused(detail: str, hint: str) -> Problem:
    return Problem(403, "refused", detail, hint)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
