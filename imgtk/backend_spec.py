"""`BackendSpec`: a runtime that computes networks, as a plugin announces it. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BackendSpec"]


@dataclass(frozen=True)
class BackendSpec:
    """A runtime that may compute networks, for `--backend NAME`.

    Attributes:
        name: what users type.
        impl: "package.module:Class", a subclass of `imgtk.engine.backend.Backend`, imported when it is asked for.
    """

    name: str
    impl: str
