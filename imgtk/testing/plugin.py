"""`check_plugin`: what an installed plugin promises, tried out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, entry_points

from imgtk.errors import ImgtkError, UsageError
from imgtk.op import ImageOp, OpSpec
from imgtk.params import REQUIRED
from imgtk.registry import GROUP, PluginInfo, Registry

__all__ = ["HEAVY", "MOST_SECONDS", "Check", "check_plugin", "plugin_checks"]

HEAVY = ("torch", "numpy", "cv2", "PIL", "scipy", "torchvision")
"""Packages that listing operators must not import."""
MOST_SECONDS = 0.3
"""That importing the module of an entry point may take, beyond imgtk itself, on a machine that is not busy."""
LONGEST = 120
"""Characters of a summary or a line of help."""

_PROBE = """
import io, json, sys, time
import imgtk.registry, imgtk.op, imgtk.params
from contextlib import redirect_stdout
before, out, start = set(sys.modules), io.StringIO(), time.process_time()
with redirect_stdout(out):
    __import__({module!r})
seconds = time.process_time() - start
print(json.dumps([seconds, out.getvalue(), sorted(set(sys.modules) - before)]))
"""


@dataclass(frozen=True)
class Check:
    """One thing that is checked: its name, and what raises AssertionError or ImgtkError if it does not hold."""

    name: str
    run: Callable[[], None]


def check_plugin(name: str, *, run: bool = True) -> None:
    """Check an installed plugin: its import, descriptions, weights, and what its operators promise.

    Its module is imported quickly, prints nothing, and imports none of `HEAVY`. Operators and parameters are described
    in one line each; what they name is there; weights that are promised are in the package, sound, with their cards,
    and are installed with it. Operators that need no parameters pass `check_op`.

    Args:
        name: of the distribution, such as "imgtk-halftone", or of the importable package of its entry point.
        run: whether operators are run, too.

    Raises:
        AssertionError: saying what is wrong, one line for each fault.
        UsageError: there is no such plugin.

    >>> check_plugin("imgtk_halftone")  # doctest: +SKIP
    """
    faults = []
    for check in plugin_checks(name, run=run):
        try:
            check.run()
        except (AssertionError, ImgtkError) as error:
            faults.append(f"{check.name}: {error}")
    assert not faults, "\n".join(faults)


def plugin_checks(name: str, *, run: bool = True) -> Iterator[Check]:
    """Give the checks of a plugin one by one; see `check_plugin`.

    Raises:
        UsageError: there is no such plugin.
    """
    entries = [entry for entry in entry_points(group=GROUP) if _names(entry, name)]
    if not entries:
        raise UsageError(f"there is no plugin {name!r}", hint="`imgtk plugins` lists what is installed.")
    registry = Registry.discover()
    for entry in entries:
        info = next(plugin for plugin in registry.plugins if (plugin.name, plugin.module) == (entry.name, entry.value))
        yield Check(f"import {entry.module}", lambda entry=entry: _check_import(entry))  # type: ignore[misc]
        yield Check(f"plugin {entry.name}", lambda info=info: _check_plugin(info, registry))  # type: ignore[misc]
        for spec in (spec for spec in registry.specs if registry.origin(spec.name) is info):
            yield Check(f"{spec.name}: description", lambda spec=spec: _check_description(spec))  # type: ignore[misc]
            yield Check(f"{spec.name}: code", lambda spec=spec: _check_code(spec))  # type: ignore[misc]
            if spec.weights:
                yield Check(
                    f"{spec.name}: weights",
                    lambda spec=spec, entry=entry: _check_weights(spec, entry),  # type: ignore[misc]
                )
            if run and all(param.default is not REQUIRED for param in spec.params):
                yield Check(f"{spec.name}: runs", lambda spec=spec: _check_run(spec, registry))  # type: ignore[misc]


def _names(entry: EntryPoint, name: str) -> bool:
    """Return whether an entry point is of the distribution or the package called `name`."""
    distribution = entry.dist.metadata["Name"] if entry.dist else ""
    return name in (distribution, entry.module) or _canonical(name) == _canonical(distribution)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _check_import(entry: EntryPoint) -> None:
    command = [sys.executable, "-c", _PROBE.format(module=entry.module)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"it cannot be imported: {(done.stderr.splitlines() or ['?'])[-1]}"
    seconds, printed, modules = json.loads(done.stdout.splitlines()[-1])
    heavy = [module for module in HEAVY if module in modules]
    assert not heavy, f"it imports {', '.join(heavy)}: import them in the operator's module, which is named by `impl`"
    printed = printed or done.stderr
    assert not printed, f"it prints {printed[:80]!r} when it is imported"
    assert seconds < MOST_SECONDS, f"its import takes {seconds:.2f} s, more than {MOST_SECONDS} s"


def _check_plugin(info: PluginInfo, registry: Registry) -> None:
    assert not info.skipped, "it is left out by IMGTK_DISABLE_PLUGINS"
    assert info.error is None, f"it is left out: {info.error}"
    shared = [name for name, plugins in registry.ambiguous.items() if info in plugins]
    assert not shared, f"other plugins bring these operators, too: {', '.join(shared)}"


def _check_description(spec: OpSpec) -> None:
    lines = {"summary": spec.summary, **{f"help of {param.name}": param.help for param in spec.params}}
    for what, line in lines.items():
        assert line.strip(), f"its {what} is empty"
        one = "\n" not in line and len(line) <= LONGEST
        assert one, f"its {what} is not one line of at most {LONGEST} characters"
        assert line.strip()[-1] in ".!?", f"its {what} is no sentence: {line!r}"
    for param in spec.params:
        schema = param.schema()
        assert isinstance(schema.get("type"), str | list), f"the schema of {param.name} has no type: {schema}"
        json.dumps(schema)
        if param.default is not REQUIRED and param.default is not None:
            read = param.type.convert(param.default)
            assert read == param.default, f"the default of {param.name}, {param.default!r}, is read as {read!r}"
            word = param.type.format(param.default)
            read = param.type.convert(word)
            assert read == param.default, f"the default of {param.name}, written as {word!r}, is read as {read!r}"


def _check_code(spec: OpSpec) -> None:
    module, _, attribute = spec.impl.partition(":")
    kind = getattr(import_module(module), attribute, None)
    fits = isinstance(kind, type) and issubclass(kind, ImageOp)
    assert fits, f"{spec.impl} is not a subclass of imgtk.op.ImageOp"
    if spec.trainer:
        from imgtk.training.trainer import trainer_type

        trainer_type(spec.trainer)


def _check_weights(spec: OpSpec, entry: EntryPoint) -> None:
    from imgtk.weights.card import Card
    from imgtk.weights.store import digest, folder

    package = entry.module.partition(".")[0]
    place = folder(package)
    packed = _packed(entry.dist)
    for name in spec.weights:
        for file in (place / f"{name}.safetensors", place / f"{name}.toml"):
            assert file.is_file(), f"it promises {name}, and there is no {file}"
            inside = f"{package}/weights/{file.name}"
            assert packed is None or inside in packed, f"{inside} is not installed with it: see package-data"
        card = Card.read(place / f"{name}.toml")
        found = digest(place / f"{name}.safetensors")
        assert found == card.sha256, f"the card of {name} is of another file: its sha256 should be {found}"


def _packed(distribution: Distribution | None) -> set[str] | None:
    """Return the files that were installed with a distribution; None if that is not known, as for editable ones."""
    files = {str(file) for file in (distribution.files or ())} if distribution else set()
    return files if any(file.endswith("__init__.py") for file in files) else None


def _check_run(spec: OpSpec, registry: Registry) -> None:
    from imgtk.testing.operator import check_op

    check_op(spec.name, registry=registry, sizes=[(37, 29), (1, 1)], tile=16)
