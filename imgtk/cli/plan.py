"""The command `imgtk plan`."""

from __future__ import annotations

import json
from typing import Any

import click

from imgtk.cli.options import complete, max_pixels_option, pipeline_options
from imgtk.cli.source import PipelineSource
from imgtk.cli.table import bytes_text, table
from imgtk.engine import Settings
from imgtk.geometry import Size

FIELDS = ("stage", "op", "size", "extent", "halo", "tile", "device", "backend", "dtype", "bytes", "weights", "note")
"""Columns of the table: fields of `imgtk.engine.plan.PlanRow`."""


class SizeType(click.ParamType):
    """`WIDTHxHEIGHT`."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        if isinstance(value, Size):
            return value
        width, _, height = str(value).lower().partition("x")
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            self.fail(f"expected a size such as 1920x1080, got {value!r}", param, ctx)
        return Size(int(width), int(height))


@click.command()
@click.argument("words", nargs=-1, metavar="PIPELINE [INPUT]", shell_complete=complete("words"))
@pipeline_options
@max_pixels_option
@click.option("--size", type=SizeType(), default="1920x1080", show_default=True, help="Size to plan for without INPUT.")
@click.option("--json", "form", flag_value="json", help="Print the plan as JSON.")
@click.option("--mermaid", "form", flag_value="mermaid", help="Print the graph as a Mermaid diagram.")
@click.option("--svg", "form", flag_value="svg", help="Print the graph as an SVG image.")
@click.option("--yaml", "form", flag_value="yaml", help="Print the pipeline as YAML, for `imgtk run --pipeline-file`.")
def plan(
    source: PipelineSource,
    inputs: tuple[str, ...],
    max_pixels: int | None,
    size: Size,
    form: str | None,
    settings: Settings,
) -> None:
    """Show the stages of PIPELINE for the image INPUT: sizes, tiles, devices, memory and weights."""
    if len(inputs) > 1:
        raise click.UsageError("plan takes at most one image")
    pipeline = source.build(settings)
    if form == "yaml":
        click.echo(pipeline.yaml(), nl=False)
        return
    if inputs:
        from imgtk.io import MAX_PIXELS, read_size

        size = read_size(inputs[0], max_pixels=max_pixels or MAX_PIXELS)
    planned = pipeline.plan(size)
    if form == "json":
        click.echo(json.dumps(planned.to_dict(), indent=2))
    elif form == "mermaid":
        click.echo(planned.mermaid(), nl=False)
    elif form == "svg":
        click.echo(planned.svg(), nl=False)
    else:
        rows = [[_cell(field, getattr(row, field)) for field in FIELDS] for row in planned.rows]
        click.echo(table(FIELDS, rows))


def _cell(field: str, value: Any) -> str:
    if value is None:
        return ""
    return bytes_text(value) if field == "bytes" else str(value)
