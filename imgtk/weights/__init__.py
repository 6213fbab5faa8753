"""Weights of networks: finding, reading and saving them, and their model cards. Imports no torch."""

from imgtk.weights.card import Card
from imgtk.weights.checkpoint import read_state, save
from imgtk.weights.store import added, digest, locate, shipped

__all__ = ["Card", "added", "digest", "locate", "read_state", "save", "shipped"]
