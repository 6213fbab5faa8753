"""Completion of operators, parameters and their values, presets and weights. Imports no torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from imgtk.config import load_config
from imgtk.config import presets as all_presets
from imgtk.errors import ImgtkError
from imgtk.language.bind import SAVE_SPEC, spec_of
from imgtk.op import OpSpec
from imgtk.params import Choice, CommaList, File, Flag, ImageInput, Param, Weights
from imgtk.registry import default
from imgtk.weights.store import added, shipped

__all__ = ["models", "operators", "pipeline", "presets", "public", "words"]

Items = list[CompletionItem]

_STAGE = re.compile(r"[|;(]")
_NAME = re.compile(r"\bas\s+([\w-]+)")


def operators(context: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the names of operators."""
    return [CompletionItem(s.name, help=s.summary) for s in default().specs if s.name.startswith(incomplete)]


def presets(context: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the names of presets."""
    found = all_presets(default().presets, load_config()).values()
    return [CompletionItem(p.name, help=p.summary) for p in found if p.name.startswith(incomplete)]


def models(context: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the names of weights: those shipped, and the user's own."""
    cards = [*(card for package in default().packages for card in shipped(package)), *added()]
    return [CompletionItem(card.name, help=card.summary) for card in cards if card.name.startswith(incomplete)]


def public(context: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return the names of public weights."""
    return [
        CompletionItem(m.name, help=m.summary)
        for m in default().brought("imgtk_public_weights").values()
        if m.name.startswith(incomplete)
    ]


def words(context: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Return what may follow as the first word of a command, a pipeline or a preset unless an option gives one; the
    others are files."""
    if any(context.params.get(name) for name in ("words", "preset", "pipeline_file")):
        return [CompletionItem(incomplete, type="file")]
    if incomplete.startswith(":"):
        found = presets(context, param, incomplete[1:])
        return [CompletionItem(f":{item.value}", help=item.help) for item in found]
    return [CompletionItem(text, help=summary) for text, summary in pipeline(incomplete)]


def pipeline(text: str) -> list[tuple[str, str]]:
    """Return how a pipeline that is being typed may go on: the text with its last word completed, and what that word
    means."""
    start = max((match.end() for match in _STAGE.finditer(text)), default=0)
    head = start + len(text[start:]) - len(text[start:].lstrip())
    *before, word = text[head:].split(" ")
    base = text[: len(text) - len(word)]
    if not before:
        found = [(spec.name, spec.summary) for spec in (*default().specs, SAVE_SPEC)]
    else:
        try:
            spec = spec_of(before[0], default())
        except ImgtkError:
            return []
        found = list(_arguments(spec, word, before[1:], _NAME.findall(text)))
    return [(base + value, meaning) for value, meaning in found if value.startswith(word)]


def _arguments(spec: OpSpec, word: str, given: Iterable[str], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the arguments that a word may become, and what each means."""
    name, equals, value = word.partition("=")
    if equals:
        param = spec.param(name)
        for choice in _values(param, spec, value) if param else ():
            yield f"{name}={choice}", param.help if param else ""
        return
    keywords = {before.partition("=")[0] for before in given if "=" in before}
    for param in spec.params:
        if param.name in keywords:
            continue
        if param.positional and not isinstance(param.type, ImageInput):
            yield from ((choice, param.help) for choice in _values(param, spec, word))
        if isinstance(param.type, Flag):
            yield param.name, param.help
        if not isinstance(param.type, ImageInput):
            yield f"{param.name}=", param.help
    if spec.image_params:
        yield from ((f"@{name}", "A named image.") for name in dict.fromkeys((*names, "in")))


def _values(param: Param, spec: OpSpec, value: str) -> list[str]:
    """Return what can be said of the values of a parameter: choices, names of weights, files."""
    kind = param.type.item if isinstance(param.type, CommaList) else param.type
    if isinstance(kind, Choice):
        return list(kind.options)
    if isinstance(kind, File):
        return _paths(value)
    if isinstance(kind, Weights):
        users = {architecture.name for architecture in default().architectures if architecture.operator == spec.name}
        own = [card.name for card in added() if card.architecture.partition(",")[0] in users]
        return [*spec.weights, *own, *(path for path in _paths(value) if value)]
    return ["yes", "no"] if isinstance(kind, Flag) else []


def _paths(start: str) -> list[str]:
    """Return the files and folders whose path begins so, without those that would need quotes in a pipeline."""
    folder, _, name = start.rpartition("/")
    parent = Path(f"{folder}/" if "/" in start else ".").expanduser()
    try:
        found = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(parent))
    except OSError:
        return []
    plain = [entry for entry in found if not re.search(r"[\s|;()\"'#@=]", entry)]
    return [start[: len(start) - len(name)] + entry for entry in plain if entry.startswith(name) and entry[0] != "."]
