"""For authors of plugins: calls that try to break an operator, a trainer, or a whole plugin."""

from imgtk.testing.images import sample_image
from imgtk.testing.operator import SIZES, check_op
from imgtk.testing.plugin import Check, check_plugin, plugin_checks
from imgtk.testing.tiles import in_tiles
from imgtk.testing.trainer import check_trainer

__all__ = [
    "SIZES",
    "Check",
    "check_op",
    "check_plugin",
    "check_trainer",
    "in_tiles",
    "plugin_checks",
    "sample_image",
]
