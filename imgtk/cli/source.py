"""The pipeline of a command (a text, a preset or a file), and the options that come with a preset."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from imgtk.cli.defaults import NOT_IN_FILES, convert, option_name
from imgtk.config import load_config, preset
from imgtk.engine import Settings
from imgtk.errors import ConfigError, ImgtkError, UsageError
from imgtk.language import parse
from imgtk.preset import Preset
from imgtk.registry import default

if TYPE_CHECKING:
    from imgtk.pipeline import Pipeline


@dataclass(frozen=True)
class PipelineSource:
    """The text of a command's pipeline, and where it is from.

    Attributes:
        text: in imgtk's language, or YAML.
        is_yaml: whether it is YAML.
        preset: the preset that it is from.
    """

    text: str
    is_yaml: bool = False
    preset: Preset | None = None

    def build(self, settings: Settings) -> Pipeline:
        """Return the pipeline. Raises as `Pipeline` does; errors in a preset name it."""
        from imgtk.pipeline import Pipeline

        try:
            return Pipeline.from_yaml(self.text, settings) if self.is_yaml else Pipeline(self.text, settings)
        except UsageError as error:
            if not self.preset:
                raise
            raise ConfigError(f"preset {self.preset.name} ({self.preset.origin}): {error}") from None


def find_source(
    words: tuple[str, ...], name: str | None, pipeline_file: Path | None
) -> tuple[PipelineSource, tuple[str, ...]]:
    """Return the pipeline of a command, and the words after it.

    Args:
        words: the command's arguments: the first one is the pipeline or `:PRESET`, unless one of the others is given.
        name: of a preset.
        pipeline_file: a file with the pipeline.

    Raises:
        UsageError: if there is no pipeline, or it is in another place than it should be.
    """
    if name is not None and pipeline_file is not None:
        raise click.UsageError("--preset and --pipeline-file cannot be combined")
    if pipeline_file is not None:
        return _from_file(pipeline_file), words
    if name is None:
        if not words:
            raise click.UsageError("a pipeline is needed: as text, as --preset or as --pipeline-file")
        if not words[0].startswith(":"):
            _check_order(words)
            return PipelineSource(words[0]), words[1:]
        name, words = words[0][1:], words[1:]
    if PurePath(name).suffix in (".txt", ".yaml", ".yml"):
        raise click.UsageError(f"{name} is not a preset; a file with a pipeline is given by --pipeline-file")
    found = preset(name.removeprefix(":"), default().presets, load_config())
    return PipelineSource(found.pipeline, preset=found), words


def _from_file(file: Path) -> PipelineSource:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read the pipeline file {file}: {reason}") from None
    return PipelineSource(text, is_yaml=file.suffix.lower() in (".yaml", ".yml"))


def _check_order(words: tuple[str, ...]) -> None:
    """Raise UsageError where the first word is an image, or where a pipeline lacks its quotes."""
    for count in range(2, len(words) + 1):
        if not words[count - 1].strip() or _is_input(words[count - 1]):
            break
        if _is_pipeline(joined := " ".join(words[:count])):
            raise UsageError(f"{words[count - 1]!r} is a part of the pipeline", hint=f'Put it into quotes: "{joined}"')
    if _is_input(words[0]) and not _is_pipeline(words[0]):
        pipelines = [word for word in words[1:] if word.startswith(":") or _is_pipeline(word)]
        example = pipelines[0] if pipelines else "upscale:esrgan x4"
        others = [word for word in words if word not in pipelines]
        raise UsageError(
            f"{words[0]} is an image or a folder, but the pipeline comes first",
            hint=f"Write: {click.get_current_context().command_path} {shlex.join([example, *others])}",
        )


def _is_pipeline(word: str) -> bool:
    try:
        parse(word, default())
    except ImgtkError:
        return False
    return True


def _is_input(word: str) -> bool:
    from imgtk.io.formats import readable  # with which numpy comes

    if word.partition(" ")[0] in (spec.name for spec in default().specs):
        return False
    return "://" in word or os.path.exists(word) or (":" not in word and PurePath(word).suffix.lower() in readable())


def preset_options(preset: Preset, context: click.Context) -> dict[str, Any]:
    """Return the options of a preset, converted, that the command line does not set itself. Those that are for another
    command are left out.

    Raises:
        ConfigError: for what cannot be converted, and for options that no preset may set.
    """
    own = {option_name(param): param for param in context.command.params if isinstance(param, click.Option)}
    chosen: dict[str, Any] = {}
    for name, value in preset.options.items():
        place = f"preset {preset.name} ({preset.origin}), option {name}"
        if name in NOT_IN_FILES:
            raise ConfigError(f"{place}: it can only be given on the command line")
        param = own.get(name)
        if param is None and context.command.name == "run":
            raise ConfigError(f"{place}: there is no such option", hint="`imgtk run --help` lists them.")
        if param is None or not param.name:
            continue
        converted = convert(param, value, context, place)
        if context.get_parameter_source(param.name) in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
            chosen[param.name] = converted
    return chosen
