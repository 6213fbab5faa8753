"""Process images with operators that are plugins, in pipelines that are lines of text.

>>> import imgtk
>>> imgtk.Pipeline("upscale:esrgan x4 | style:monet")("in.jpg").save("out.png")  # doctest: +SKIP
>>> result = imgtk.Pipeline("generate:gradient 64x48 | resize:area x0.5")()
>>> print(result.size)
32x24
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgtk.errors import ImgtkError as ImgtkError
    from imgtk.functional import operator as operator
    from imgtk.hookspecs import hookimpl as hookimpl
    from imgtk.image import Image as Image
    from imgtk.pipeline import Pipeline as Pipeline

API = 1
"""Version of what plugins are written against. It grows when plugins must change; those of another version are left
out, with the reason. A plugin's module may say `IMGTK_API = 1`."""
__version__ = "0.1.0"
__all__ = ["API", "Image", "ImgtkError", "Pipeline", "__version__", "hookimpl", "operator"]

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
"""Large pages for torch's tensors: without them the first touch of a new image takes longer than most operators."""

_LAZY = {
    "Image": "imgtk.image",
    "ImgtkError": "imgtk.errors",
    "Pipeline": "imgtk.pipeline",
    "hookimpl": "imgtk.hookspecs",
    "operator": "imgtk.functional",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'imgtk' has no attribute {name!r}")
