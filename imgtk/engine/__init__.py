"""The engine: plans, renders regions through the graph, and exports networks to other runtimes. Importing it does not
import torch."""

from imgtk.engine.settings import Settings

__all__ = ["Settings"]
