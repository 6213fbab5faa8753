"""`BuildContext`: what operators and trainers receive when they are built. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imgtk.weights.architecture import Architecture

__all__ = ["NO_CONTEXT", "BuildContext"]


@dataclass(frozen=True)
class BuildContext:
    """What operators may know of the pipeline that builds them, and trainers of their run.

    `imgtk.registry.Registry.context` makes one. An operator or a trainer whose class takes an argument `context` is
    given it.

    Attributes:
        architectures: the network architectures that the registry knows.
        packages: importable names of the packages whose shipped weights may be named.
        public: names of public weights that can be pulled.
        seed: for operators that draw noise and are given no seed of their own.
        origins: the package that brought each operator, in words, by the operator's name.
    """

    architectures: tuple[Architecture, ...] = ()
    packages: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    seed: int = 0
    origins: Mapping[str, str] = field(default_factory=dict)

    def told(self, name: str) -> str:
        """Return what messages call an operator: "adjust:mine (imgtk-mine 1.0)"."""
        origin = self.origins.get(name.partition("+")[0])
        return f"{name} ({origin})" if origin else name

    def locate(self, model: str | Path, package: str) -> Path:
        """Find the file of `model`: the name of weights, shipped or in the user's store, or a path.

        Args:
            model: the name or path.
            package: importable name of the operator's own package, whose weights take precedence among equal names.

        Raises:
            WeightsError: there is no such model.
        """
        from imgtk.weights.store import locate

        return locate(model, package, self.packages, self.public)


NO_CONTEXT = BuildContext()
"""A context without architectures, and without shipped weights except those of the operator's own package."""
