"""The registry of operators: finds plugins, isolates broken ones, resolves operator names.

Plugins are entry points of the group `imgtk`. A plugin that cannot be imported, or whose hooks or operators are wrong,
is recorded with its error and left out; everything else works. Two environment variables control this:

- `IMGTK_STRICT_PLUGINS=1`: the first broken plugin raises PluginError.
- `IMGTK_DISABLE_PLUGINS=a,b`: the entry points of these names are not loaded.

Further plugins are the modules in the folders that IMGTK_PLUGINS_DIR and the user's `imgtk.toml` name.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from time import perf_counter
from types import FunctionType
from typing import Any

import pluggy

from imgtk import API, hookspecs
from imgtk.context import BuildContext
from imgtk.errors import ImgtkError, PluginError, UsageError
from imgtk.hookspecs import NAMED
from imgtk.op import ImageOp, OpSpec
from imgtk.plugin_folders import decorated, in_folder, plugin_folders
from imgtk.preset import Preset
from imgtk.spec_check import check_architecture, check_spec
from imgtk.weights.architecture import Architecture

__all__ = ["PluginInfo", "Registry", "check_spec", "default"]

logger = logging.getLogger(__name__)
GROUP = "imgtk"
discovering = False
"""Whether `default` is looking for plugins at the moment."""


@dataclass(frozen=True)
class PluginInfo:
    """The outcome of loading one entry point.

    Attributes:
        name: of the entry point; what `IMGTK_DISABLE_PLUGINS` lists.
        module: what the entry point names.
        distribution, version: the installed package that declares it.
        operators: names of its operators; empty when it failed.
        others: names of what else it brings, by kind: `{"presets": ("photo-x2",)}`.
        error: why it was left out, or None.
        skipped: whether `IMGTK_DISABLE_PLUGINS` names it.
        seconds: time for importing and validating it.
    """

    name: str
    module: str
    distribution: str
    version: str
    operators: tuple[str, ...] = ()
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str | None = None
    skipped: bool = False
    seconds: float = 0.0

    def __str__(self) -> str:
        return self.distribution if self.version == "unknown" else f"{self.distribution} {self.version}"


class Registry:
    """The known operators by name, and their origins.

    >>> registry = default()
    >>> registry.spec("adjust:blur").summary
    'Blur by a Gaussian.'
    """

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self._specs: dict[str, OpSpec] = {}
        self._origin: dict[str, PluginInfo] = {}
        self._plugins: list[PluginInfo] = []
        self._ambiguous: dict[str, list[PluginInfo]] = {}
        self._architectures: list[Architecture] = []
        self._named: dict[str, dict[str, tuple[Any, str]]] = {hook: {} for hook in NAMED}  # with their distributions
        self._packages: list[str] = ["imgtk.nn"]

    @classmethod
    def discover(cls) -> Registry:
        """Return a registry of the operators of all installed plugins.

        Our own distribution comes first and the others by name. An operator that two plugins bring is neither's, until
        one of them is left out.

        Raises:
            PluginError: when a plugin is broken and IMGTK_STRICT_PLUGINS is set.
        """
        registry = cls()
        strict = os.environ.get("IMGTK_STRICT_PLUGINS", "0") not in ("", "0")
        disabled = {name.strip() for name in os.environ.get("IMGTK_DISABLE_PLUGINS", "").split(",")}
        for entry in sorted(entry_points(group=GROUP), key=_precedence):
            registry._load(entry, skip=entry.name in disabled, strict=strict)
        for folder in plugin_folders():
            for entry in in_folder(folder, GROUP):
                registry._load(entry, skip=entry.name in disabled, strict=strict, folder=folder)
        return registry

    @classmethod
    def of(cls, *specs: OpSpec, architectures: Iterable[Architecture] = (), packages: Iterable[str] = ()) -> Registry:
        """Make a registry of just these operators, without plugins.

        Args:
            specs: the operators.
            architectures: of the networks that they may load.
            packages: importable names of packages whose shipped weights they may name, besides their own.

        Raises:
            PluginError: if one is malformed, or of two that have one name.
        """
        registry = cls()
        registry._check_architectures(architectures := list(architectures), "the caller")
        registry._architectures += architectures
        registry._packages += packages
        for spec in specs:
            registry.add(spec)
        return registry

    def add(self, spec: OpSpec, *, replace: bool = False) -> None:
        """Register an operator from code. Raises PluginError if it is malformed or its name is taken.

        Args:
            spec: the operator.
            replace: whether it takes the place of one that was registered from code.
        """
        if replace and spec.name in self._specs and self.origin(spec.name) is None:
            del self._specs[spec.name]
        self._check([spec], "the caller")
        if spec.name in self._specs:
            raise PluginError(f"there are two operators {spec.name!r}")
        self._specs[spec.name] = spec

    @property
    def specs(self) -> list[OpSpec]:
        """All operators, by name."""
        return [self._specs[name] for name in sorted(self._specs)]

    @property
    def architectures(self) -> list[Architecture]:
        """All network architectures, in the order in which their plugins were loaded."""
        return list(self._architectures)

    @property
    def presets(self) -> dict[str, Preset]:
        """The presets of the plugins, by name."""
        return {name: replace(preset, origin=by) for name, (preset, by) in self._named["imgtk_presets"].items()}

    def brought(self, hook: str) -> dict[str, Any]:
        """Return what the plugins gave for one of the hooks of `hookspecs.NAMED`, by name."""
        return {name: thing for name, (thing, _) in self._named[hook].items()}

    @property
    def plugins(self) -> list[PluginInfo]:
        """All entry points that were found, in the order in which they were loaded."""
        return list(self._plugins)

    @property
    def packages(self) -> list[str]:
        """The packages that may ship weights, as importable names: the core's networks, and the plugins that work."""
        working = (plugin for plugin in self._plugins if not plugin.error and not plugin.skipped)
        names = dict.fromkeys(re.split("[.:]", plugin.module)[0] for plugin in working)
        shipping = [name for name in names if hasattr(sys.modules.get(name), "__path__")]
        return list(dict.fromkeys([*self._packages, *shipping]))

    def context(self, seed: int = 0) -> BuildContext:
        """Return the context for operators that are built with this registry."""
        origins = {name: str(plugin) for name, plugin in self._origin.items()}
        public = tuple(self.brought("imgtk_public_weights"))
        return BuildContext(tuple(self.architectures), tuple(self.packages), public, seed, origins)

    def told(self, name: str) -> str:
        """Return what messages call an operator: "adjust:mine (imgtk-mine 1.0)"."""
        return self.context().told(name)

    @property
    def ambiguous(self) -> dict[str, list[PluginInfo]]:
        """Operators that several plugins bring, and which do."""
        return dict(self._ambiguous)

    def build(self, name: str, **params: Any) -> ImageOp:
        """Build an operator outside a pipeline. Raises as `spec` and `OpSpec.build` do."""
        return self.spec(name).build(self.context(), **params)

    def spec(self, name: str) -> OpSpec:
        """Return the operator of that name, or the blend of several (`task:method+method`). Raises UsageError, naming
        the nearest ones."""
        if name in self._specs:
            return self._specs[name]
        if name in self._ambiguous:
            raise UsageError(
                f"{name} is ambiguous: {' and '.join(map(str, self._ambiguous[name]))} bring it",
                hint=f"Leave one out: IMGTK_DISABLE_PLUGINS={self._ambiguous[name][-1].name}",
            )
        first, *others = name.split("+")
        if others:
            task = first.partition(":")[0]
            return _blended([self.spec(first), *(self.spec(f"{task}:{other}") for other in others)])
        methods = [known for known in sorted(self._specs) if known.startswith(f"{name}:")]
        if methods:
            raise UsageError(f"{name!r} needs a method", hint=f"One of: {', '.join(methods)}")
        raise UsageError(f"unknown operator {name!r}", hint=self._hint(name))

    def origin(self, name: str) -> PluginInfo | None:
        """Return the plugin that brought the operator; None for one registered from code."""
        return self._origin.get(name.partition("+")[0])

    def _hint(self, name: str) -> str:
        task, _, method = name.rpartition(":")
        near = get_close_matches(name, [*self._specs, "save"], n=3)
        near += [known for known in sorted(self._specs) if known.endswith(f":{method}") and known not in near]
        if not near and task:
            near = [known for known in sorted(self._specs) if known.startswith(f"{task}:")]
        hint = f"Did you mean {' or '.join(near)}?" if near else "`imgtk ops` lists the operators."
        broken = [info.name for info in self._plugins if info.error]
        return f"{hint} (Broken plugins: {', '.join(broken)}; see `imgtk plugins`.)" if broken else hint

    def _load(self, entry: EntryPoint, *, skip: bool, strict: bool, folder: Path | None = None) -> None:
        distribution, version = _named(entry.dist)
        distribution = distribution or str(folder or "unknown")
        specs: list[OpSpec] = []
        architectures: list[Architecture] = []
        named: dict[str, dict[str, Any]] = {}
        error: str | None = None
        start = perf_counter()
        if not skip:
            plugin: object = None
            try:
                with redirect_stdout(sys.stderr):  # else a plugin that prints would spoil what commands print as JSON
                    plugin = entry.load()
                _check_api(plugin)
                if folder:
                    specs = decorated(plugin, folder)
                if not specs or any(self.manager.parse_hookimpl_opts(plugin, name) for name in dir(plugin)):
                    self._register(plugin, f"{distribution}:{entry.name}")
                specs += self._answers(plugin, "imgtk_operators")
                architectures = self._answers(plugin, "imgtk_architectures")
                named = {hook: self._by_name(self._answers(plugin, hook), hook, distribution) for hook in NAMED}
                self._check(specs, distribution)
                self._check_architectures(architectures, distribution)
            except KeyboardInterrupt:
                raise
            except BaseException as cause:  # a plugin may do anything when imported, sys.exit() among it
                if self.manager.is_registered(plugin):
                    self.manager.unregister(plugin)
                specs, architectures, named, error = [], [], {}, _describe(cause)
                if strict:
                    raise PluginError(f"plugin {entry.name} ({distribution} {version}) is broken: {error}") from cause
        info = PluginInfo(
            name=entry.name,
            module=entry.value,
            distribution=distribution,
            version=version,
            operators=tuple(spec.name for spec in specs),
            others={hook[6:].replace("_", " "): tuple(things) for hook, things in named.items() if things},
            error=error,
            skipped=skip,
            seconds=perf_counter() - start,
        )
        self._plugins.append(info)
        logger.info("plugin %s: %.0f ms%s", entry.name, info.seconds * 1000, f", {error}" if error else "")
        for spec in specs:
            if spec.name in self._origin:
                self._ambiguous.setdefault(spec.name, [self._origin[spec.name]]).append(info)
                self._specs.pop(spec.name, None)
                if strict:
                    self.spec(spec.name)
            else:
                self._specs[spec.name] = spec
                self._origin[spec.name] = info
        self._architectures += architectures
        for hook, things in named.items():
            self._named[hook] |= {name: (thing, distribution) for name, thing in things.items()}

    def _register(self, plugin: object, name: str) -> None:
        """Register the hooks of a plugin. Raises PluginError for those that are wrong."""
        self.manager.register(plugin, name)
        known = {hook for hook in dir(hookspecs) if hook.startswith("imgtk_")}
        callers = self.manager.get_hookcallers(plugin) or []
        implemented = {caller.name for caller in callers}
        optional = {c.name for c in callers for i in c.get_hookimpls() if i.plugin is plugin and i.optionalhook}
        for hook in sorted(implemented - known - optional):
            near = get_close_matches(hook, known, n=1) or sorted(known)
            raise PluginError(f"unknown hook {hook!r}", hint=f"Did you mean {near[0]}?")
        for hook in sorted(known - implemented):
            if isinstance(getattr(plugin, hook, None), FunctionType):
                raise PluginError(f"{hook} is not marked as a hook", hint="Put @imgtk.hookimpl above it.")
        if not implemented:
            raise PluginError("no hook is implemented", hint=f"The hooks are: {', '.join(sorted(known))}.")

    def _answers(self, plugin: object, hook: str) -> list[Any]:
        """Return the results of the plugin's implementations of `hook`."""
        answers: list[Any] = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            if implementation.plugin is plugin:
                with redirect_stdout(sys.stderr):
                    answers += implementation.function()
        return answers

    def _by_name(self, answers: Iterable[Any], hook: str, distribution: str) -> dict[str, Any]:
        """Return the results of a hook by name. Raises PluginError for one of another type or with a name that is
        taken."""
        found: dict[str, Any] = {}
        for thing in answers:
            if not isinstance(thing, NAMED[hook]):
                raise PluginError(f"{hook} must return {NAMED[hook].__name__} objects, got {type(thing).__name__}")
            other = distribution if thing.name in found else self._named[hook].get(thing.name, (None, ""))[1]
            if other:
                raise PluginError(f"both {other} and {distribution} provide the {hook[6:-1]} {thing.name!r}")
            found[thing.name] = thing
        return found

    def _check(self, specs: Iterable[OpSpec], distribution: str) -> None:
        names: set[str] = set()
        for spec in specs:
            check_spec(spec)
            if spec.name in names:
                raise PluginError(f"{distribution} provides {spec.name!r} twice")
            names.add(spec.name)

    def _check_architectures(self, architectures: Iterable[Architecture], distribution: str) -> None:
        names = {known.name for known in self._architectures}
        for architecture in architectures:
            check_architecture(architecture)
            if architecture.name in names:
                raise PluginError(f"{distribution} brings the architecture {architecture.name!r}, which already exists")
            names.add(architecture.name)


def _blended(specs: Sequence[OpSpec]) -> OpSpec:
    """Return one operator made of several. Raises UsageError for those that cannot be blended."""
    blend = specs[0].blend
    strange = [spec.name for spec in specs if spec.blend is None or spec.blend is not blend]
    if blend is None or strange:
        raise UsageError(
            f"{strange[0]} cannot be blended with another operator",
            hint="`+` joins operators that are networks of one kind, such as style:monet+great-wave.",
        )
    return blend(specs)


def _check_api(plugin: object) -> None:
    """Raise PluginError if a plugin says that it is written for another API than this."""
    wanted = getattr(plugin, "IMGTK_API", API)
    if wanted != API:
        newer = isinstance(wanted, int) and wanted > API
        hint = "Upgrade imgtk." if newer else "Look for a newer version of the plugin."
        raise PluginError(f"it is written for API {wanted!r} of imgtk, and this is API {API}", hint=hint)


def _precedence(entry: EntryPoint) -> tuple[bool, str, str]:
    distribution = _named(entry.dist)[0] or "unknown"
    return distribution != "imgtk", distribution, entry.name


@cache
def _named(distribution: Distribution | None) -> tuple[str, str]:
    """Return the name, or "", and the version of an installed package. Its metadata are long, so they are read once."""
    if distribution is None:
        return "", "unknown"
    metadata = distribution.metadata
    return metadata["Name"] or "", metadata["Version"] or "unknown"


def _describe(error: BaseException) -> str:
    if isinstance(error, ImgtkError):
        return str(error)
    return "".join(traceback.format_exception_only(type(error), error)).strip()


@cache
def default() -> Registry:
    """Return the registry of all installed plugins, discovered on the first call."""
    global discovering
    discovering = True
    try:
        return Registry.discover()
    finally:
        discovering = False
