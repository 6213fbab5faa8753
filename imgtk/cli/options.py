"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from imgtk.cli.source import find_source, preset_options
from imgtk.engine import Settings
from imgtk.registry import default

F = TypeVar("F", bound=Callable[..., Any])

DTYPES = ("auto", "fp32", "fp16", "bf16")
SETTINGS = ("device", "dtype", "backend", "tile", "max_memory", "seed")
"""The fields of `Settings` that have an option each."""


class BackendName(click.ParamType):
    """The name of a backend: "auto", "torch", or that of a plugin's."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = ("auto", "torch", *default().brought("imgtk_backends"))
        if value not in known:
            self.fail(f"{value!r} is not one of {', '.join(known)}.", param, ctx)
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        known = ("auto", "torch", *default().brought("imgtk_backends"))
        return [CompletionItem(name) for name in known if name.startswith(incomplete)]


def complete(what: str) -> Callable[[click.Context, click.Parameter, str], Any]:
    """Return a `shell_complete` that calls the function `what` of `imgtk.cli.complete`, which is imported by then."""
    return lambda *arguments: getattr(import_module("imgtk.cli.complete"), what)(*arguments)


class TileSize(click.ParamType):
    """A side in pixels, or "off"."""

    name = "N|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Literal["off"]:
        if value == "off":
            return "off"
        try:
            side = int(value)
        except ValueError:
            side = 0
        if side < 1:
            self.fail(f"expected a number of pixels or off, got {value!r}", param, ctx)
        return side


class Amount(click.ParamType):
    """A whole number that may end in K, M, G or T (powers of `base`)."""

    name = "amount"

    def __init__(self, base: int) -> None:
        self.base = base

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).strip().upper().removesuffix("B").removesuffix("I")
        power = " KMGT".find(text[-1:]) if text[-1:].isalpha() else 0
        try:
            amount = int(float(text[:-1] if power else text) * self.base ** max(power, 0))
        except (ValueError, OverflowError):
            amount = 0
        if amount < 1 or power < 0:
            self.fail(f"expected an amount such as 800M or 4G, got {value!r}", param, ctx)
        return amount


class Rate(click.ParamType):
    """Frames per second, as a Fraction."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        from imgtk.video.formats import rate_of

        try:
            return rate_of(str(value))
        except ValueError:
            self.fail(f"expected frames per second such as 25, 29.97 or 24000/1001, got {value!r}", param, ctx)


_PIPELINE_OPTIONS = (
    click.option(
        "-p",
        "--preset",
        metavar="NAME",
        shell_complete=complete("presets"),
        help="Take the pipeline of a preset: see `imgtk presets`.",
    ),
    click.option(
        "--pipeline-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read the pipeline from FILE: its text, or YAML if FILE ends in .yaml or .yml.",
    ),
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps …"),
    click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help="Number format."),
    click.option("--backend", type=BackendName(), default="auto", show_default=True, help="Runtime for networks."),
    click.option(
        "--tile", type=TileSize(), help="Side of a tile in input pixels; off computes the image in one piece."
    ),
    click.option("--max-memory", type=Amount(1024), metavar="BYTES", help="Memory that may be used, such as 4G."),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=0,
        show_default=True,
        help="Seed of operators that use random numbers.",
    ),
)

max_pixels_option = click.option(
    "--max-pixels", type=Amount(1000), metavar="N", help="Refuse larger inputs.  [default: 250M]"
)


def pipeline_options(command: F) -> F:
    """Give a command with an argument `words` the options of pipelines. The command is called with the `source` of its
    pipeline, the other words as `inputs`, and the `settings`."""

    @wraps(command)
    def with_settings(words: tuple[str, ...], preset: str | None, pipeline_file: Path | None, **options: Any) -> Any:
        source, inputs = find_source(words, preset, pipeline_file)
        if source.preset:
            options |= preset_options(source.preset, click.get_current_context())
        settings = Settings(**{name: options.pop(name) for name in SETTINGS})
        return command(source=source, inputs=inputs, settings=settings, **options)

    decorated = cast(F, with_settings)
    for option in reversed(_PIPELINE_OPTIONS):
        decorated = option(decorated)
    return decorated
