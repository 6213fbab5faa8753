"""Training: the `Trainer` protocol, and the loop that runs every trainer.

The loop is in `imgtk.training.run`, which imports Lightning Fabric (the `[train]` extra) when it starts.
"""

from imgtk.training.images import CropSampler
from imgtk.training.recipe import Recipe
from imgtk.training.trainer import Trainer

__all__ = ["CropSampler", "Recipe", "Trainer"]
