"""TIFF: pages of any layout are read by rows, and written in strips or tiles."""

from imgtk.io.tiff.decode import decoded, strips
from imgtk.io.tiff.encode import Writer, halved, levels, write
from imgtk.io.tiff.layout import MAGIC, Page, RawError, check_segments, pages
from imgtk.io.tiff.tags import metadata

__all__ = [
    "MAGIC",
    "Page",
    "RawError",
    "Writer",
    "check_segments",
    "decoded",
    "halved",
    "levels",
    "metadata",
    "pages",
    "strips",
    "write",
]
