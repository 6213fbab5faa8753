"""QOI images. This module imports no numpy: the codec does."""

from imgtk import hookimpl
from imgtk.file_format import FileFormat


@hookimpl
def imgtk_formats() -> list[FileFormat]:
    return [FileFormat("QOI", (".qoi",), alpha=True, starts=(b"qoif",), codec="imgtk_qoi.codec:Codec")]
