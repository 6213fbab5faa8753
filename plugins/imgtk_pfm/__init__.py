"""PFM: images of floating point samples, as renderers and depth estimators write them. This module imports no numpy."""

from __future__ import annotations

from imgtk.file_format import FileFormat
from imgtk.hookspecs import hookimpl


@hookimpl
def imgtk_formats() -> list[FileFormat]:
    starts = (b"PF\n", b"Pf\n", b"PF\r\n", b"Pf\r\n", b"PF ", b"Pf ")
    return [FileFormat("PFM", (".pfm",), depths=(32,), starts=starts, codec="imgtk_pfm.codec:Codec")]
