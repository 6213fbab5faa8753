"""For authors of plugins: one call that tries to break an operator."""

from imgtk.testing.operator import SIZES, check_op
from imgtk.testing.pictures import picture

__all__ = ["SIZES", "check_op", "picture"]
