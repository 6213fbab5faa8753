"""Weights of networks: finding, reading and saving them, and their model cards. Imports no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgtk.weights.card import Card as Card
    from imgtk.weights.checkpoint import read_state as read_state
    from imgtk.weights.checkpoint import save as save
    from imgtk.weights.store import added as added
    from imgtk.weights.store import digest as digest
    from imgtk.weights.store import locate as locate
    from imgtk.weights.store import shipped as shipped

__all__ = ["Card", "added", "digest", "locate", "read_state", "save", "shipped"]

_LAZY = {
    "Card": "imgtk.weights.card",
    "added": "imgtk.weights.store",
    "digest": "imgtk.weights.store",
    "locate": "imgtk.weights.store",
    "read_state": "imgtk.weights.checkpoint",
    "save": "imgtk.weights.checkpoint",
    "shipped": "imgtk.weights.store",
}
"""Imported when they are asked for: `imgtk ops` needs architectures, which are in this package, and nothing else."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'imgtk.weights' has no attribute {name!r}")
