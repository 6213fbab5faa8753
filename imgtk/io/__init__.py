"""Reading and writing image files with all their metadata."""

from imgtk.io.convert import convert, to_pil
from imgtk.io.header import MAX_PIXELS
from imgtk.io.options import WriteOptions
from imgtk.io.read import read, read_size
from imgtk.io.write import check_target, write

__all__ = ["MAX_PIXELS", "WriteOptions", "check_target", "convert", "read", "read_size", "to_pil", "write"]
