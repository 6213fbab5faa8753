"""`imgtk compare`."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import click

from imgtk.cli.options import DTYPES, BackendName, TileSize, max_pixels_option
from imgtk.cli.source import find_source
from imgtk.engine import Settings


@click.command()
@click.argument("words", nargs=-1, metavar="PIPELINE... INPUT", required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="compare.html",
    show_default=True,
    help="Where to write the page.",
)
@click.option(
    "--truth", type=click.Path(path_type=Path), help="Image that the results should equal, for PSNR and SSIM."
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps …")
@click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help="Number format.")
@click.option("--backend", type=BackendName(), default="auto", show_default=True, help="Runtime for networks.")
@click.option("--tile", type=TileSize(), help="Side of a tile in input pixels; off computes the image in one piece.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Seed of operators.")
@max_pixels_option
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
@click.option("--quiet", is_flag=True, help="Do not print the name of the page.")
def compare(
    words: tuple[str, ...],
    output: Path,
    truth: Path | None,
    max_pixels: int | None,
    overwrite: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Send INPUT through each PIPELINE, and write a page that shows the results under a slider and side by side.

    The page is one HTML file, which opens without a server or a network.
    """
    *pipelines, name = words
    if not 1 <= len(pipelines) <= 4:
        raise click.UsageError("one to four pipelines and an image are needed")
    sources = [find_source((word,), None, None)[0] for word in pipelines]
    from imgtk.image import Image
    from imgtk.io import MAX_PIXELS
    from imgtk.io.write import check_place, replacing
    from imgtk.serve.comparing import Compared, comparison_page

    check_place(output, overwrite)
    most = max_pixels or MAX_PIXELS
    image = Image.open(name, max_pixels=most)
    target = Compared("Ground truth", Image.open(truth, max_pixels=most)) if truth else None
    results = []
    for source, word in zip(sources, pipelines, strict=True):
        pipeline = source.build(Settings(**settings))
        pipeline.check()
        start = perf_counter()
        result = pipeline(image)
        results.append(Compared(" ".join(word.split()), result, perf_counter() - start))
    page = comparison_page(Path(name).name, Compared("Original", image), results, target)
    with replacing(output) as file:
        file.write(page.encode())
    if not quiet:
        click.echo(click.format_filename(output))
