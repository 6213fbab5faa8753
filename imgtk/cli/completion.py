"""`imgtk completion`: scripts with which shells complete commands, options, pipelines and names.

The scripts call imgtk with the environment variable `_IMGTK_COMPLETE=SHELL_complete`, and with the line up to the
cursor in `COMP_LINE`. imgtk prints one candidate per line: its type (plain, file or dir), the word and what it means,
with tabs in between.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class

from imgtk.errors import UsageError, WriteError

VARIABLE = "_IMGTK_COMPLETE"
SHELLS = ("bash", "zsh", "fish", "powershell")
_SUFFIX = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "ps1"}


def split_line(line: str) -> tuple[list[str], str, str]:
    """Return the words of a command line that is being typed.

    Returns:
        The words before the last one, without quotes; the last one, which may be empty; and the quote that it is in.
    """
    words: list[str] = []
    word, quote, escaped, begun = "", "", False, False
    for letter in line:
        if escaped:
            word, escaped = word + letter, False
        elif letter == "\\" and quote != "'":
            escaped, begun = True, True
        elif quote:
            quote, word = ("", word) if letter == quote else (quote, word + letter)
        elif letter in "\"'":
            quote, begun = letter, True
        elif letter.isspace():
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word, begun = word + letter, True
    return words, word, quote


class LineComplete(ShellComplete):
    """Completes what is in `COMP_LINE`; each shell is a subclass."""

    quote: str = ""
    word: str = ""

    def source(self) -> str:
        return script(self.name)

    def get_completion_args(self) -> tuple[list[str], str]:
        words, self.word, self.quote = split_line(os.environ.get("COMP_LINE", ""))
        return words[1:], self.word

    def format_completion(self, item: CompletionItem) -> str:
        option, equals, _ = self.word.partition("=")
        if equals and option.startswith("--") and not item.value.startswith(option):  # click gives the value alone
            item.value = f"{option}={item.value}"
        meaning = " ".join((item.help or "").split())
        self.shorten(item)
        return f"{item.type}\t{item.value}\t{meaning}"

    def shorten(self, item: CompletionItem) -> None:
        """Leave out what the shell does not replace."""


class BashComplete(LineComplete):
    """Bash replaces what follows the last one of COMP_WORDBREAKS, unless that is in quotes. There, it would close the
    quotes after the only candidate, but not after the first of two."""

    name: ClassVar[str] = "bash"

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        found = super().get_completions(args, incomplete)
        if self.quote and len(found) == 1 and found[0].type == "plain":
            found.append(CompletionItem(f"{found[0].value} "))
        return found

    def shorten(self, item: CompletionItem) -> None:
        if not self.quote:
            breaks = os.environ.get("COMP_WORDBREAKS", " \t\n\"'><=;|&(:")
            kept = max((self.word.rfind(letter) for letter in breaks), default=-1) + 1
            item.value = item.value[kept:]


class ZshComplete(LineComplete):
    name: ClassVar[str] = "zsh"


class FishComplete(LineComplete):
    name: ClassVar[str] = "fish"


class PowerShellComplete(LineComplete):
    name: ClassVar[str] = "powershell"


for _class in (BashComplete, ZshComplete, FishComplete, PowerShellComplete):
    add_completion_class(_class)


def script(shell: str) -> str:
    """Return the script for a shell."""
    suffix = _SUFFIX[shell]
    return (files("imgtk.cli") / "completions" / f"imgtk.{suffix}").read_text(encoding="utf-8")


def this_shell() -> str:
    """Return the user's shell, by the environment variable SHELL. Raises UsageError if it is none of `SHELLS`."""
    name = Path(os.environ.get("SHELL", "powershell" if os.name == "nt" else "")).stem
    if name not in SHELLS:
        raise UsageError(f"your shell {name!r} is not known", hint=f"Name one: {', '.join(SHELLS)}.")
    return name


def place(shell: str) -> tuple[Path, str]:
    """Return where the script of a shell is installed, and what else has to be done, in words."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    if shell == "bash":
        path = data / "bash-completion/completions/imgtk"
        return path, f"Open a new shell. Without the package bash-completion, add to ~/.bashrc: source {path}"
    if shell == "fish":
        return config / "fish/completions/imgtk.fish", "Open a new shell."
    if shell == "zsh":
        path = data / "zsh/site-functions/_imgtk"
        line = f"fpath=({path.parent} $fpath); autoload -Uz compinit; compinit"
        return path, f"Add to ~/.zshrc, unless the folder is in its fpath: {line}"
    path = data / "imgtk/imgtk.ps1"
    return path, f"Add to the file that $PROFILE names: . {path}"


@click.group()
def completion() -> None:
    """Complete commands, operators, parameters, models and presets with the Tab key."""


@completion.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def install(shell: str | None) -> None:
    """Install the completion for SHELL: by default, yours."""
    shell = shell or this_shell()
    path, then = place(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script(shell), encoding="utf-8")
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror}") from None
    click.echo(f"{path}\n  {then}")


@completion.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def show(shell: str | None) -> None:
    """Print the script for SHELL: by default, for yours."""
    click.echo(script(shell or this_shell()), nl=False)
