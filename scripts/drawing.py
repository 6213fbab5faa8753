"""What the scripts that draw the images of the documentation share: their command line, and images side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click
import numpy as np
from PIL import Image

FOLDER = Path(__file__).parents[1] / "docs" / "images"
GAP = 4
"""Pixels between images that stand side by side."""


def draw(
    description: str | None,
    drawings: Mapping[str, Callable[[], np.ndarray]],
    folder: Path = FOLDER,
    *,
    quality: int = 85,
    lossless: bool = False,
) -> None:
    """Draw the images that the command line names, or all, and write each into `folder` as NAME.webp.

    description: what `--help` says.
    drawings: for each name, a function that returns the pixels (height, width, 3).
    """

    def written(names: Sequence[str]) -> None:
        folder.mkdir(exist_ok=True)
        for name in names or drawings:
            path = folder / f"{name.replace(':', '-')}.webp"
            Image.fromarray(drawings[name]()).save(path, quality=quality, method=6, lossless=lossless)
            click.echo(path)

    names = click.Argument(["names"], nargs=-1, metavar="[NAME]...", type=click.Choice([*drawings]))
    click.Command(None, callback=written, params=[names], help=f"{description}\n\nNames: {', '.join(drawings)}.")()


def row(images: Sequence[np.ndarray]) -> np.ndarray:
    """Return images of one size side by side."""
    height, width = images[0].shape[:2]
    sheet = np.full((height, (width + GAP) * len(images) - GAP, 3), 255, np.uint8)
    for number, pixels in enumerate(images):
        sheet[:, number * (width + GAP) :][:, :width] = pixels
    return sheet
