"""Images that do not fit into memory: read and written by regions, with their pixels on disk meanwhile."""

from imgtk.io.large.kept import drafts
from imgtk.io.large.raster import Raster, raster
from imgtk.io.large.read import DiskImage, opened
from imgtk.io.large.vips import check_installed, installed
from imgtk.io.large.write import Output, check_encoder, output

__all__ = [
    "DiskImage",
    "Output",
    "Raster",
    "check_encoder",
    "check_installed",
    "drafts",
    "installed",
    "opened",
    "output",
    "raster",
]
