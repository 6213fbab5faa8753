"""`check_op`: one call that tries to break an operator, for authors of plugins."""

from imgtk.testing.images import sample_image
from imgtk.testing.operator import SIZES, check_op
from imgtk.testing.tiles import in_tiles

__all__ = ["SIZES", "check_op", "in_tiles", "sample_image"]
