"""`imgtk models`: listing, adding, downloading, removing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from imgtk.registry import default
from imgtk_esrgan.network import SRVGGNetCompact
from tests.serving import Server

Cli = Callable[..., Result]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save(SRVGGNetCompact(8, 2).state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


def test_shipped_weights_are_listed(cli: Cli) -> None:
    cards = json.loads(cli("models", "--json").stdout)
    files = Path(__file__).parents[2].glob("plugins/*/weights/*.safetensors")
    assert {card["name"] for card in cards} >= {path.stem for path in files}
    for card in cards:
        assert card["name"] in cli("models").stdout


def test_adding_using_and_removing(cli: Cli, store: Path, checkpoint: Path, photo: Path) -> None:
    shipped = cli("models").stdout
    said = cli("models", "add", checkpoint, "--licence", "MIT", "--summary", "A small net.").stdout
    assert "net: SRVGGNetCompact, 2 convolutions" in said
    assert "licence: MIT" in said
    assert 'imgtk run "upscale:compact x4 model=net" in.jpg' in said
    (line,) = [line for line in cli("models").stdout.splitlines() if line.startswith("net ")]
    assert all(word in line for word in ("x4", "A small net.", "net.pth"))
    assert cli("run", "upscale:compact x4 model=net", photo).exit_code == 0
    assert json.loads(cli("doctor", "--json").stdout)["weights"]["yours/net"] == "ok"
    (store / "net.safetensors").write_bytes(b"damaged")
    broken = cli("doctor", "--json")
    assert json.loads(broken.stdout)["weights"]["yours/net"] == "the file is damaged"
    assert broken.exit_code == 1
    assert cli("models", "remove", "net").exit_code == 0
    assert cli("models").stdout == shipped
    again = cli("models", "remove", "net")
    assert again.exit_code == 1
    assert "no weights 'net'" in again.stderr


def test_replacing_needs_force_and_shipped_names_stay(cli: Cli, store: Path, checkpoint: Path) -> None:
    assert cli("models", "add", checkpoint).exit_code == 0
    assert cli("models", "add", checkpoint).exit_code == 2
    assert cli("models", "add", checkpoint, "--force").exit_code == 0
    refused = cli("models", "add", checkpoint, "--name", "compact-x4", "--force")
    assert refused.exit_code == 2
    assert "shipped" in refused.stderr


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>", b"PK\x03\x04", b"\x80\x02}q\x00."])
def test_a_wrong_file_ends_in_one_message(cli: Cli, store: Path, checkpoint: Path, content: bytes) -> None:
    checkpoint.write_bytes(content)
    result = cli("models", "add", checkpoint)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {checkpoint}")
    assert not store.exists()


def test_pulling(cli: Cli, store: Path, checkpoint: Path, server: Server) -> None:
    url = server.serve("/some/net.pth", checkpoint.read_bytes())
    said = cli("models", "pull", url, "--name", "downloaded").stdout
    assert f"from {url}" in said
    assert "model=downloaded" in said
    wrong = cli("models", "pull", url, "--sha256", "0" * 64, "--name", "other", "--quiet")
    assert wrong.exit_code == 1
    assert "another SHA-256" in wrong.stderr
    gone = cli("models", "pull", server.url + "/gone.pth")
    assert gone.exit_code == 1
    assert "404" in gone.stderr
    assert f"put it at {store}" in gone.stderr
    assert cli("models", "pull", "unknown").exit_code == 2
    assert sorted(path.name for path in store.glob("*.*")) == ["downloaded.safetensors", "downloaded.toml"]


def test_public_weights_are_listed(cli: Cli) -> None:
    names = [model.name for model in default().brought("imgtk_public_weights").values()]
    assert [row["name"] for row in json.loads(cli("models", "public", "--json").stdout)] == names
    assert [line.split()[0] for line in cli("models", "public").stdout.splitlines()[1:]] == names
    assert len(cli("models", "public", "--markdown").stdout.splitlines()) == len(names) + 2


def test_the_public_checkpoint_of_real_esrgan(cli: Cli, store: Path, shared: Path) -> None:
    said = cli("models", "add", shared / "checkpoints" / "realesr-animevideov3.pth", "--name", "anime").stdout
    assert "anime: SRVGGNetCompact, 16 convolutions, 0.62 M parameters, x4" in said


def test_info_shows_the_card(cli: Cli) -> None:
    shown = cli("models", "info", "esrgan-x4").stdout
    for fact in ("esrgan-x4: ", "RRDBNet", "Apache-2.0", "recipe", "Set14"):
        assert fact in shown
    assert json.loads(cli("models", "info", "monet", "--json").stdout)["name"] == "monet"
    result = cli("models", "info", "esrgan-x5")
    assert result.exit_code == 1
    assert "Did you mean esrgan-x" in result.stderr
    result = cli("models", "info", "nothing")
    assert "Did you mean" not in result.stderr
    assert "`imgtk models` lists them." in result.stderr
