"""Training: the `Trainer` protocol, and the loop that every trainer runs in.

The loop lives in `imgtk.training.run`, which imports Lightning Fabric (the `[train]` extra) when it starts.
"""

from imgtk.training.images import CropSampler
from imgtk.training.recipe import Recipe
from imgtk.training.trainer import Trainer

__all__ = ["CropSampler", "Recipe", "Trainer"]
