"""`imgtk export`: the file computes what torch computes, says what it is, and is there whole or not at all."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from imgtk.engine import export as exporting
from imgtk.engine.onnx import further_inputs
from imgtk.errors import BackendError
from imgtk.pipeline import Pipeline
from imgtk.registry import default
from imgtk.weights import Card
from imgtk.weights.store import digest, folder
from imgtk_esrgan.network import RRDBNet
from tests.cli.conftest import Cli

onnx = pytest.importorskip("onnx", reason="needs onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")


def session(path: Path) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def facts(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}


@pytest.mark.parametrize(
    ("op", "sizes"),
    [
        ("upscale:compact", [(1, 1), (7, 45), (33, 2)]),
        ("upscale:esrgan", [(5, 9), (16, 1)]),
        ("style:monet", [(8, 8), (40, 24)]),
        ("stylize-sr:monet", [(8, 8), (2, 24)]),
    ],
)
def test_the_file_computes_what_torch_computes(op: str, sizes: list[tuple[int, int]], cli: Cli, tmp_path: Path) -> None:
    result = cli("export", op, "--onnx", "net.onnx")
    assert result.exit_code == 0, result.output
    assert result.stdout == "net.onnx\n"
    runtime = session(tmp_path / "net.onnx")
    network = default().build(op).network
    assert isinstance(network, nn.Module)
    for height, width in sizes:
        x = torch.rand(1 if op.startswith("style:") else 2, 3, height, width)
        with torch.inference_mode():
            expected = network.float()(x).numpy()
        others = {name: value.numpy() for name, value in further_inputs(network, x).items()}  # noise
        (given,) = runtime.run(None, {"input": x.numpy(), **others})
        assert given.shape == expected.shape
        assert np.abs(given - expected).max() < 1e-4


def test_weights_of_the_users_that_fold_the_input(cli: Cli, tmp_path: Path) -> None:
    network = RRDBNet(features=8, blocks=1, growth=4, scale=2).eval()
    save_file(network.state_dict(), tmp_path / "mine.safetensors")
    assert cli("export", "upscale:esrgan x2 model=mine.safetensors", "--onnx", "net.onnx").exit_code == 0
    x = torch.rand(1, 3, 10, 6)
    (given,) = session(tmp_path / "net.onnx").run(None, {"input": x.numpy()})
    with torch.inference_mode():
        assert np.abs(given - network(x).numpy()).max() < 1e-4
    said = facts(tmp_path / "net.onnx")
    assert said["scale"] == "2"
    assert said["licence"] == "unstated"
    assert said["sha256"] == digest(tmp_path / "mine.safetensors")
    assert "multiples of 2" in said["input"]


def test_what_the_file_says_of_itself(cli: Cli, tmp_path: Path) -> None:
    cli("export", "upscale:compact x4", "--onnx", "net.onnx")
    card = Card.read(folder("imgtk_esrgan") / "compact-x4.toml")
    said = facts(tmp_path / "net.onnx")
    assert said["name"] == "compact-x4"
    assert said["operator"] == "upscale:compact x4"
    assert said["scale"] == "4"
    assert said["licence"] == card.licence
    assert said["sha256"] == card.sha256
    content = (tmp_path / "net.onnx").read_bytes()
    assert str(Path(exporting.__file__).parents[2]).encode() not in content  # no path of this machine


def test_a_pipeline_runs_on_after_its_export(tmp_path: Path) -> None:
    pipeline = Pipeline("upscale:compact x4", dtype="bf16", device="cpu", backend="torch")
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
    before = pipeline(image).numpy()
    (note,) = pipeline.export_onnx(tmp_path / "net.onnx")
    assert "the network alone" in note
    assert (pipeline(image).numpy() == before).all()


def test_half_precision(cli: Cli, tmp_path: Path) -> None:
    assert cli("export", "upscale:compact", "--onnx", "half.onnx", "--dtype", "fp16").exit_code == 0
    assert cli("export", "upscale:compact", "--onnx", "full.onnx").exit_code == 0
    x = torch.rand(1, 3, 9, 14).numpy()
    (half,) = session(tmp_path / "half.onnx").run(None, {"input": x.astype(np.float16)})
    (full,) = session(tmp_path / "full.onnx").run(None, {"input": x})
    assert half.dtype == np.float16
    assert np.abs(half - full).max() < 2e-2
    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * (tmp_path / "full.onnx").stat().st_size


@pytest.mark.parametrize("op", ["upscale:compact x2.5", "upscale:compact tta=8", "upscale:compact tileable=x"])
def test_what_is_left_out_is_said(op: str, cli: Cli) -> None:
    result = cli("export", op, "--onnx", "net.onnx")
    assert result.exit_code == 0
    assert "holds the network alone, which is x4" in result.stderr
    assert f"not what {op} does around it" in result.stderr


def test_what_an_upscaler_does_around_its_network_is_said(cli: Cli) -> None:
    """Mirrored borders, and what ties the result to the input."""
    assert "the network alone, which is x4" in cli("export", "upscale:compact x4", "--onnx", "net.onnx").stderr


@pytest.mark.parametrize(
    ("op", "message"),
    [
        ("adjust:blur 2", "adjust:blur 2 has no network"),
        ("upscale:bicubic x2", "has no network"),
        (
            "upscale:compact | adjust:blur 2",
            "has upscale:compact, adjust:blur\n  Export by themselves: upscale:compact.",
        ),
        ("adjust:blur | adjust:sharpen", "None of them has a network"),
        ("upscale:compact | save a.png", "has upscale:compact, save"),
        ("upscale:nothing", "upscale:nothing"),
    ],
)
def test_what_cannot_be_exported(op: str, message: str, cli: Cli, tmp_path: Path) -> None:
    result = cli("export", op, "--onnx", "net.onnx")
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def untouched(*args: object) -> bytes:
        raise AssertionError("the place is checked first")

    monkeypatch.setattr(exporting, "to_onnx", untouched)
    (tmp_path / "there.onnx").write_bytes(b"mine")
    for name, message in [
        ("there.onnx", "it exists"),
        ("no/net.onnx", "does not exist"),
        (".", "is a directory"),
        ("there.onnx/net.onnx", "is a file, not a directory"),
    ]:
        result = cli("export", "upscale:compact", "--onnx", name)
        assert result.exit_code == 1
        assert message in result.stderr
    assert (tmp_path / "there.onnx").read_bytes() == b"mine"


def test_overwrite(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"old")
    assert cli("export", "upscale:compact", "--onnx", "net.onnx", "--overwrite").exit_code == 0
    assert session(tmp_path / "net.onnx")


def test_a_failure_leaves_nothing_behind(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", broken)
    result = cli("export", "upscale:compact", "--onnx", "net.onnx")
    assert result.exit_code == 1
    assert "No space left" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_from_torch_is_refused() -> None:
    network = nn.Conv2d(3, 3, 3, padding=1)
    other = exporting.to_onnx(nn.Conv2d(3, 3, 3, padding=1))
    with pytest.raises(BackendError, match="differs from torch by"):
        exporting._check(other, network, 1, "fp32", single=False)
    larger = exporting.to_onnx(nn.Upsample(scale_factor=2))
    with pytest.raises(BackendError, match="another size than torch"):
        exporting._check(larger, network, 1, "fp32", single=False)


def test_missing_extras(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent: set[str] = {"onnxruntime"}
    find = importlib.util.find_spec
    for module in ("imgtk.engine.export", "imgtk.engine.backend"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None if name in absent else find(name))
    result = cli("export", "upscale:compact", "--onnx", "net.onnx")
    assert result.exit_code == 0
    assert "not checked: onnxruntime is not installed" in result.stderr
    absent.add("onnx")
    result = cli("export", "upscale:compact", "--onnx", "other.onnx")
    assert result.exit_code == 1
    assert "needs the package onnx\n  pip install 'imgtk[onnx]'" in result.stderr
    assert not (tmp_path / "other.onnx").exists()
