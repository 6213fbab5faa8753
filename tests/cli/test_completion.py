"""What the Tab key completes: in real shells through a pseudo-terminal, and by the protocol between them and imgtk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from imgtk.cli import main
from imgtk.cli.completion import SHELLS, script, split_line
from tests.cli.terminal import Terminal, terminal
from tests.waiting import until

Cli = Callable[..., Result]
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='$ '; source {}"),
    "zsh": (["zsh", "-f", "-i"], "PROMPT='$ '; autoload -Uz compinit; compinit -D; source {}"),
    "fish": (["fish", "--no-config", "-i"], "function fish_prompt; echo -n '$ '; end; source {}"),
}


KEYS = (
    (("imgtk run :we", " ph", ""), "<imgtk><run><:web><photo.jpg>"),
    (("imgtk run upscale:esrg", " x"), "<imgtk><run><upscale:esrgan><x>"),
    (('imgtk run "upscale:esrgan x4 | style:gre', '" x'), "<imgtk><run><upscale:esrgan x4 | style:great-wave><x>"),
)
"""What is typed, with Tab in between, and the words of the command that it gives."""


@pytest.fixture(params=START)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """A shell with the completion that `imgtk completion install` put there, in a folder with photo.jpg."""
    command, begin = START[request.param]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    imgtk = tmp_path / "bin" / "imgtk"
    imgtk.parent.mkdir()
    imgtk.write_text(f'#!/bin/sh\n"{sys.executable}" -m imgtk "$@"\necho >> {tmp_path}/calls\n')
    imgtk.chmod(0o755)
    (tmp_path / "photo.jpg").touch()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "COMP_"))},
        **{"HOME": str(tmp_path), "TERM": "xterm"},
        "PATH": f"{imgtk.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    installed = subprocess.check_output([imgtk, "completion", "install", request.param], env=environment, text=True)
    with terminal(command, tmp_path, environment) as running:
        running.settle()
        running.type(begin.format(installed.splitlines()[0]) + "; echo rea''dy\r")
        running.wait_for("ready")
        running.settle()
        yield running


def wait_for_call(calls: Path, count: int) -> None:
    """Wait until imgtk has ended so many times."""
    until(lambda: len(calls.read_bytes()) >= count)


@pytest.mark.slow
def test_a_real_shell_completes(shell: Terminal, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    for keys, words in KEYS:
        for key in keys[:-1]:
            before = len(calls.read_bytes())
            shell.type(f"{key}\t")
            wait_for_call(calls, before + 1)
            shell.settle()
        last = keys[-1]
        if last.startswith('"') and shell.name == "fish":  # which closes quotes itself
            last = last[1:]
        shell.type(f"{last}\x01printf '<%s>' ")
        shell.settle()
        shell.type("\r")
        shell.wait_for(words)
        shell.settle()


def candidates(line: str, shell: str = "zsh") -> list[str]:
    """The words that imgtk offers for a line."""
    environment = {"COMP_LINE": line, "_IMGTK_COMPLETE": f"{shell}_complete"}
    result = CliRunner(env=environment).invoke(main, [])
    assert result.stderr == ""
    lines = result.stdout.strip("\n").splitlines()
    assert all(printed.count("\t") == 2 for printed in lines)
    return [printed.split("\t")[1] for printed in lines]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("imgtk dema", []),
        ("imgtk doc", ["doctor"]),
        ("imgtk run upscale:esr", ["upscale:esrgan"]),
        ("imgtk run --dtype fp", ["fp32", "fp16"]),
        ("imgtk run :photo-x", [":photo-x2", ":photo-x4", ":photo-x4-fast"]),
        ("imgtk plan :photo-x", [":photo-x2", ":photo-x4", ":photo-x4-fast"]),
        ("imgtk run -p photo-x", ["photo-x2", "photo-x4", "photo-x4-fast"]),
        ("imgtk presets old", ["old-photo"]),
        ("imgtk help style:mo", ["style:monet", "style:mosaic"]),
        ("imgtk train upscale:com", ["upscale:compact"]),
        ("imgtk models info compact-x", ["compact-x2", "compact-x4-sharp", "compact-x4"]),
        ("imgtk models pull RealESRGAN_x4plus_", ["RealESRGAN_x4plus_anime_6B"]),
        (
            "imgtk run 'upscale:esrgan x4 | style:mo",
            ["upscale:esrgan x4 | style:monet", "upscale:esrgan x4 | style:mosaic"],
        ),
        ('imgtk run "upscale:esrgan x4|style:mon', ["upscale:esrgan x4|style:monet"]),
        ('imgtk run "upscale:esrgan tt', ["upscale:esrgan tta="]),
        ('imgtk run "upscale:esrgan tileable=', [f"upscale:esrgan tileable={side}" for side in ("x", "y", "both")]),
        (
            'imgtk run "upscale:compact model=compact-x',
            [f"upscale:compact model=compact-x{x}" for x in ("4", "2", "4-sharp")],
        ),
        (
            'imgtk run "upscale:nearest x2 as up | blend @',
            [f"upscale:nearest x2 as up | blend @{n}" for n in ("up", "in")],
        ),
        ('imgtk run "blend (style:sta', ["blend (style:starry-night"]),
        ('imgtk run "blend @in mult', ["blend @in multiply"]),
        ('imgtk run "adjust:blur | sa', ["adjust:blur | save"]),
        ('imgtk run "style:monet keep-colour=y', ["style:monet keep-colour=yes"]),
        ('imgtk run "nothing:here x', []),
        ('imgtk run "style:monet | no such | style:an', ["style:monet | no such | style:any"]),
    ],
)
def test_what_is_offered(line: str, expected: list[str]) -> None:
    found = candidates(line)
    assert found[: len(expected)] == expected
    if "no such" not in line:
        assert len(found) == len(expected)


def test_files_within_a_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "painting.jpg").touch()
    (tmp_path / "my painting.jpg").touch()
    (tmp_path / "paint").mkdir()
    (tmp_path / "paint" / "a.png").touch()
    monkeypatch.chdir(tmp_path)
    assert candidates('imgtk run "style:any pa') == ["style:any paint/", "style:any painting.jpg"]
    assert candidates('imgtk run "style:any paint/') == ["style:any paint/a.png"]
    assert candidates('imgtk run "style:any my') == []


def test_your_own_presets_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "imgtk.toml"
    file.write_text('[presets.mine]\npipeline = "adjust:blur"\nsummary = "Two\\twords"')
    monkeypatch.setenv("IMGTK_CONFIG", str(file))
    assert candidates("imgtk run :min") == [":mine"]


def test_bash_gets_what_it_will_replace() -> None:
    assert candidates("imgtk run upscale:esr", "bash") == ["esrgan"]
    assert candidates("imgtk run :we", "bash") == ["web"]
    assert candidates('imgtk run "upscale:esr', "bash") == ["upscale:esrgan", "upscale:esrgan "]
    assert candidates("imgtk run --engine=lo", "bash") == ["local"]
    assert candidates("imgtk run --engine=lo") == ["--engine=local"]


def test_a_line_is_split_as_shells_do() -> None:
    assert split_line('imgtk run "a b" c') == (["imgtk", "run", "a b"], "c", "")
    assert split_line("imgtk run 'a \"b") == (["imgtk", "run"], 'a "b', "'")
    assert split_line(r"imgtk run a\ b") == (["imgtk", "run"], "a b", "")
    assert split_line("imgtk run ''") == (["imgtk", "run"], "", "")
    assert split_line("imgtk run ") == (["imgtk", "run"], "", "")


@pytest.mark.parametrize("name", SHELLS)
def test_scripts_are_shown_and_installed(cli: Cli, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert cli("completion", "show", name).stdout == script(name)
    result = cli("completion", "install", name)
    assert result.exit_code == 0
    path = Path(result.stdout.splitlines()[0])
    assert path.is_relative_to(tmp_path)
    assert path.read_text() == script(name)
    monkeypatch.setenv("SHELL", f"/usr/bin/{name}")
    assert cli("completion", "show").stdout == script(name)


def test_where_it_cannot_be_installed(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    assert cli("completion", "install", "bash").exit_code == 1
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    result = cli("completion", "install")
    assert result.exit_code == 2
    assert "bash, zsh, fish, powershell" in result.stderr
