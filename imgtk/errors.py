"""The exceptions that imgtk raises.

A message says what happened and where; a hint says what to do next. The command line prints both and exits with
`exit_code`; Python users catch `ImgtkError`.
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "ClusterError",
    "ConfigError",
    "DeviceError",
    "ImgtkError",
    "MemoryLimitError",
    "ParameterError",
    "PipelineError",
    "PluginError",
    "ReadError",
    "TrainingError",
    "UsageError",
    "WeightsError",
    "WriteError",
]


class ImgtkError(Exception):
    """Base of all deliberate errors.

    Args:
        message: what happened, naming the file, stage or parameter it happened to.
        hint: what the user can do about it, as a sentence.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(ImgtkError):
    """A command or call cannot be run as it was written."""

    exit_code = 2


class PipelineError(UsageError):
    """A pipeline text or document is wrong at a known place.

    Args:
        message: what is wrong there.
        source: the pipeline text.
        start, end: the half-open range of characters that is wrong.
    """

    def __init__(self, message: str, *, source: str, start: int, end: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.source, self.start, self.end = source, start, end

    def __str__(self) -> str:
        line_start = self.source.rfind("\n", 0, self.start) + 1
        line_end = self.source.find("\n", self.start)
        line = self.source[line_start : line_end if line_end >= 0 else len(self.source)]
        width = max(1, min(self.end - self.start, len(line) - (self.start - line_start)))
        number = self.source.count("\n", 0, self.start) + 1
        gutter = f"line {number}: " if "\n" in self.source else ""
        caret = " " * (len(gutter) + self.start - line_start) + "^" * width
        tail = f"\n  {self.hint}" if self.hint else ""
        return f"{self.message}\n  {gutter}{line}\n  {caret}{tail}"


class ParameterError(UsageError):
    """An operator's parameter is missing, unknown, of the wrong type or out of range."""


class ConfigError(UsageError):
    """A configuration file, `imgtk.toml`, cannot be read or is wrong."""


class PluginError(ImgtkError):
    """A plugin cannot be used, or two plugins contradict each other."""


class OperatorError(ImgtkError):
    """An operator, or a trainer, failed by a bug of its own, or does not keep what it promises.

    Args:
        message, hint: as for other errors.
        who: the operator and the package that brought it: "adjust:mine (imgtk-mine 1.0)".
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str | None = None, who: str = "an operator") -> None:
        super().__init__(message, hint=hint)
        self.who = who


class BrokenContract(Exception):  # noqa: N818 - `blame` makes an OperatorError of it, which names who broke it
    """An operator breaks a promise; the message continues "adjust:mine (imgtk-mine 1.0) "."""


def blame(who: str, doing: str, error: BaseException, contract: str = "This is a bug there.") -> OperatorError:
    """Say of a bug in a plugin whose it is.

    Args:
        who: the operator and the package that brought it: "adjust:mine (imgtk-mine 1.0)".
        doing: what failed: "when it was built".
        error: what was raised; keep it as the cause.
        contract: where to read what was to be done.
    """
    if isinstance(error, BrokenContract):
        hint = "This is a bug in that operator: `check_op` finds it."
        return OperatorError(f"{who} {error}", hint=hint, who=who)
    first = (str(error).splitlines() or [""])[0]
    return OperatorError(
        f"{who} failed {doing}: {type(error).__name__}: {first}",
        hint=f"{contract} Please report it, with what the same command with --debug prints.",
        who=who,
    )


class ReadError(ImgtkError):
    """An image cannot be read."""


class WriteError(ImgtkError):
    """An image cannot be written, or its format cannot hold what the image carries."""


class WeightsError(ImgtkError):
    """Weights are missing, damaged, unsafe, or not for this network."""


class DeviceError(ImgtkError):
    """The requested device does not exist."""


class ClusterError(ImgtkError):
    """A cluster cannot be reached, is gone, or its machines do not fit together."""


class BackendError(ImgtkError):
    """A runtime other than torch is not installed, or cannot compute a network."""


class MemoryLimitError(ImgtkError):
    """Not even the smallest tile fits into the memory that may be used."""


class TrainingError(ImgtkError):
    """A training run cannot start or continue."""
