import subprocess
import sys

import pytest
import torch

from imgtk.errors import WeightsError
from imgtk.weights import Card, locate, save, shipped


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with two sets of weights, whose code must not run to find them."""
    folder = tmp_path / "weighty_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    for name in ("lily-x4", "lily-x2"):
        save(folder / "weights" / f"{name}.safetensors", {"a": torch.ones(2)}, Card(name, "s", "a", "t", "r"))
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_shipped_weights_are_found_by_name(package):
    assert [card.name for card in shipped("weighty_package")] == ["lily-x2", "lily-x4"]
    assert locate("lily-x4", "weighty_package") == package / "weights/lily-x4.safetensors"


def test_files_are_found_by_path(package, tmp_path, monkeypatch):
    file = tmp_path / "own.pth"
    file.touch()
    assert locate(str(file), "weighty_package") == file
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("~/own.pth", "weighty_package") == file
    monkeypatch.chdir(tmp_path)
    assert locate("own.pth", "weighty_package").samefile(file)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("lilly-x4", ["lilly-x4", "Did you mean lily-x4?", "lily-x2"]),
        ("qqq", ["qqq", "Shipped are: lily-x2, lily-x4"]),
        ("gone.pth", ["no file of weights gone.pth"]),
        ("some/where/net", ["no file of weights", "some/where/net"]),
        (".", ["folder"]),
        ("", ["folder"]),
    ],
)
def test_what_is_not_there_is_said_with_the_nearest_name(package, model, words):
    with pytest.raises(WeightsError) as caught:
        locate(model, "weighty_package")
    assert all(word in str(caught.value) for word in words)


def test_a_package_without_weights_ships_none():
    assert shipped("imgtk.weights") == []
    with pytest.raises(WeightsError, match="none"):
        locate("x", "imgtk.weights")


def test_finding_weights_imports_no_torch():
    code = "import sys, imgtk.weights as w; w.shipped('imgtk_esrgan'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
