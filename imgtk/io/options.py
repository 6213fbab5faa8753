"""`WriteOptions`: how image files are written, as one value. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WriteOptions:
    """How image files are written.

    Whether a format can hold what is asked for is checked when a file is written: see `imgtk.io.write`.

    Attributes:
        overwrite: whether files that exist may be replaced.
        quality: of JPEG and lossy WebP, 1 to 100; None for 95. JPEG colour is not subsampled.
        lossless: whether WebP keeps every pixel. Without `quality` it does, too, for images from such a file.
        depth: bits per sample: 8, 16 (PNG, TIFF) or 32 (floating point; TIFF). None keeps the depth of integers; floats
            stay floats in TIFF and become 8 bits elsewhere.
        dpi: pixels per inch that files state; None for what the image carries.
        metadata: "keep"; "strip" to leave out all but colours and resolution; or "none-but-copyright".
    """

    overwrite: bool = False
    quality: int | None = None
    lossless: bool = False
    depth: int | None = None
    dpi: float | None = None
    metadata: str = "keep"
