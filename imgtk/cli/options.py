"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from imgtk.engine import Settings

if TYPE_CHECKING:
    from imgtk.pipeline import Pipeline

F = TypeVar("F", bound=Callable[..., Any])

DTYPES = ("auto", "fp32", "fp16", "bf16")
SETTINGS = ("device", "dtype", "backend", "tile", "max_memory", "seed")
"""The fields of `Settings` that have an option each."""
BACKENDS = ("auto", "torch", "openvino", "onnxruntime")


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
        "--pipeline-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read the pipeline from FILE: its text, or YAML if FILE ends in .yaml or .yml.",
    ),
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps …"),
    click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help="Number format."),
    click.option(
        "--backend", type=click.Choice(BACKENDS), default="auto", show_default=True, help="What computes networks."
    ),
    click.option("--tile", type=TileSize(), help="Side of the tiles in pixels; off computes all at once."),
    click.option("--max-memory", type=Amount(1024), metavar="BYTES", help="Memory that may be used, such as 4G."),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=0,
        show_default=True,
        help="Seed of operators that draw at random.",
    ),
)

max_pixels_option = click.option(
    "--max-pixels", type=Amount(1000), metavar="N", help="Refuse larger inputs.  [default: 250M]"
)


def pipeline_options(command: F) -> F:
    """Give a command the options that `build_pipeline` takes: `pipeline_file`, and the others as `settings`."""

    @wraps(command)
    def with_settings(**options: Any) -> Any:
        settings = Settings(**{name: options.pop(name) for name in SETTINGS})
        return command(settings=settings, **options)

    decorated = cast(F, with_settings)
    for option in reversed(_PIPELINE_OPTIONS):
        decorated = option(decorated)
    return decorated


def split_words(words: tuple[str, ...], pipeline_file: Path | None) -> tuple[str | None, tuple[str, ...]]:
    """The pipeline's text, unless a file holds it, and the remaining words."""
    if pipeline_file is not None:
        return None, words
    if not words:
        raise click.UsageError("a pipeline is needed, as text or as --pipeline-file")
    return words[0], words[1:]


def build_pipeline(text: str | None, pipeline_file: Path | None, settings: Settings) -> Pipeline:
    """The pipeline of a command's text, or of its `--pipeline-file`.

    Raises:
        UsageError: if the file cannot be read.
    """
    from imgtk.errors import UsageError
    from imgtk.pipeline import Pipeline

    if pipeline_file is None:
        return Pipeline(text or "", settings)
    try:
        text = pipeline_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the pipeline file {pipeline_file}: {reason(error)}") from None
    is_yaml = pipeline_file.suffix.lower() in (".yaml", ".yml")
    return Pipeline.from_yaml(text, settings) if is_yaml else Pipeline(text, settings)


def reason(error: OSError | UnicodeDecodeError) -> str:
    """What went wrong, without number and path."""
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
