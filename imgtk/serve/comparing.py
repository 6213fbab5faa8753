"""`imgtk compare`: the results of several pipelines on one page, a single file that needs no server."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import jinja2
import numpy as np

from imgtk.errors import UsageError
from imgtk.image import Image
from imgtk.metrics import psnr, ssim
from imgtk.serve.scaled import scaled

__all__ = ["Compared", "comparison_page"]

FOLDER = Path(__file__).with_name("page")

SHOWN_PIXELS = 16_000_000
"""Images with more are shown scaled, so that browsers keep up; figures are of the pixels as they are."""

SIDE = 96
"""Of the places where results differ, in pixels of the results."""

PLACES = 6


@dataclass(frozen=True, eq=False)
class Compared:
    """One image of a comparison.

    Attributes:
        label: what the page calls it.
        image: its pixels.
        seconds: that it took; None if it was not computed.
    """

    label: str
    image: Image
    seconds: float | None = None


def comparison_page(title: str, original: Compared, results: Sequence[Compared], truth: Compared | None = None) -> str:
    """Return the page, as HTML.

    Args:
        title: its title.
        original: the image that all results are of.
        results: in the order of the pipelines.
        truth: the ground truth, with which the results are compared in figures.

    Raises:
        UsageError: if the ground truth has another size than a result.
    """
    shown = [original, *results, *([truth] if truth else [])]
    notes = [note for result in results for note in result.image.notes]
    if any(one.image.size.pixels > SHOWN_PIXELS for one in shown):
        notes.append(f"Images above {SHOWN_PIXELS // 1_000_000} megapixels are shown scaled.")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=True)
    return environment.get_template("compare.html").render(
        title=title,
        rows=[_row(result, truth) for result in results],
        truth=truth is not None,
        notes=list(dict.fromkeys(notes)),
        images=[{"label": one.label, "size": list(one.image.size), "url": _url(one.image)} for one in shown],
        places=_places(shown),
        style=(FOLDER / "style.css").read_text("utf-8") + (FOLDER / "viewer.css").read_text("utf-8"),
        script=(FOLDER / "viewer.js").read_text("utf-8"),
    )


def _row(result: Compared, truth: Compared | None) -> dict[str, Any]:
    row = {"label": result.label, "size": str(result.image.size), "seconds": result.seconds}
    if truth is None:
        return row
    if truth.image.size != result.image.size:
        raise UsageError(
            f"the ground truth has {truth.image.size} pixels, and the result of {result.label} {result.image.size}",
            hint="Give the image that the results should equal.",
        )
    x, y = result.image.tensor(), truth.image.tensor()
    return {**row, "psnr": psnr(x, y), "ssim": ssim(x, y) if min(result.image.size) >= 11 else None}


def _url(image: Image) -> str:
    """Return the image as a `data:` URL, lossless."""
    image = scaled(image, SHOWN_PIXELS)
    suffix = ".webp" if max(image.size) <= 16_383 else ".png"
    with TemporaryDirectory(prefix="imgtk-") as folder:
        file = Path(folder) / f"image{suffix}"
        plain = replace(image, metadata=replace(image.metadata, exif=None, xmp=None, iptc=None, geo=None, text={}))
        plain.save(file, depth=8, lossless=suffix == ".webp")
        return f"data:image/{suffix[1:]};base64,{b64encode(file.read_bytes()).decode()}"


def _places(shown: Sequence[Compared]) -> list[dict[str, float]]:
    """Return where the images differ most: centres as fractions of the sides, the largest difference first."""
    size = max((one.image.size for one in shown), key=lambda size: size.pixels)
    factor = min(1.0, (SHOWN_PIXELS / 4 / size.pixels) ** 0.5)
    width, height = max(1, round(size.width * factor)), max(1, round(size.height * factor))
    computed = shown[1:] if len(shown) > 2 else shown
    grays = [one.image.tensor().mean(1)[0].numpy() for one in computed]
    spread = np.std([cv2.resize(gray, (width, height), interpolation=cv2.INTER_LINEAR) for gray in grays], axis=0)
    side = max(1, min(round(SIDE * factor), width, height))
    means = cv2.blur(spread.astype(np.float32), (side, side))
    places: list[dict[str, float]] = []
    for _ in range(PLACES):
        _, most, _, (x, y) = cv2.minMaxLoc(means)
        if most <= 0:
            break
        places.append({"x": round((x + 0.5) / width, 4), "y": round((y + 0.5) / height, 4)})
        means[max(0, y - side) : y + side + 1, max(0, x - side) : x + side + 1] = 0
    return places
