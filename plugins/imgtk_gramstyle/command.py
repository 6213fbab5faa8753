"""`imgtk styles`: one image in every trained style, to choose from."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import click

from imgtk_gramstyle import STYLES


@click.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default="styles.png", show_default=True, help="The sheet."
)
@click.option(
    "--size", type=click.IntRange(64, 2048), default=480, show_default=True, help="Longest side of each image."
)
@click.option("--columns", type=click.IntRange(1), default=4, show_default=True, help="Images side by side.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the brush strokes.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, mps …")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def styles(image: Path, output: Path, size: int, columns: int, seed: int, device: str, overwrite: bool) -> None:
    """Paint IMAGE in every trained style and lay the results on one sheet, each above its name."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    from imgtk.image import Image
    from imgtk.io import WriteOptions, check_target
    from imgtk.pipeline import Pipeline

    check_target(output, WriteOptions(overwrite))
    small = Pipeline(f"resize:area width={size} height={size} fit=shrink", device=device)(image)
    shown = {"": small}
    for name in STYLES:
        shown[f"style:{name}"] = Pipeline(f"style:{name}", device=device, seed=seed)(small)
    line = 28
    width, height = small.size.width, small.size.height + line
    sheet = Pillow.new("RGB", (columns * width, ceil(len(shown) / columns) * height), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (name, result) in enumerate(shown.items()):
        left, top = index % columns * width, index // columns * height
        sheet.paste(result.pil().convert("RGB"), (left, top))
        draw.text(
            (left + 6, top + height - line + 6), name or image.name, fill="black", font=ImageFont.load_default(16)
        )
    Image.of(sheet).save(output, overwrite=overwrite)
    click.echo(click.format_filename(output))
