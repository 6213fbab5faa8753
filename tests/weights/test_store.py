import subprocess
import sys

import pytest
import torch

from imgtk.errors import WeightsError
from imgtk.weights import Card, added, locate, save, shipped
from imgtk.weights import store as module


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


@pytest.mark.parametrize("name", ["absent_package", "absent_package.inner", "imgtk.weights.store", "imgtk_esrgan.", ""])
def test_a_package_that_is_not_installed_is_named(package, name):
    with pytest.raises(WeightsError, match=f"there is no package '{name}'") as error:
        locate("lily-x4", name)
    assert error.value.hint.startswith("Install it.")
    with pytest.raises(WeightsError, match=f"there is no package '{name}'"):
        locate("lily-x4", "weighty_package", [name])
    with pytest.raises(WeightsError, match=f"there is no package '{name}'"):
        shipped(name)


def test_a_package_without_weights_ships_none():
    assert shipped("imgtk.weights") == []
    with pytest.raises(WeightsError, match="none"):
        locate("x", "imgtk.weights")


def test_finding_weights_imports_no_torch():
    code = "import sys, imgtk.weights as w; w.shipped('imgtk_esrgan'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# The user's store


@pytest.fixture
def yours(store):
    for name in ("rose-x4", "lily-x4"):
        save(store / f"{name}.safetensors", {"a": torch.ones(3)}, Card(name, "s", "a", origin="rose.pth"))
    return store


def test_where_the_store_is(monkeypatch):
    monkeypatch.delenv("IMGTK_WEIGHTS", raising=False)
    assert module.store().parts[-2:] == ("imgtk", "weights")
    monkeypatch.setenv("IMGTK_WEIGHTS", "~/elsewhere")
    monkeypatch.setenv("HOME", "/home/of")
    assert str(module.store()) == "/home/of/elsewhere"


def test_your_names_come_after_shipped_ones_and_before_files(package, yours, tmp_path, monkeypatch):
    assert [card.name for card in added()] == ["lily-x4", "rose-x4"]
    assert added()[1].origin == "rose.pth"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rose-x4").touch()
    assert locate("rose-x4", "weighty_package") == yours / "rose-x4.safetensors"
    assert locate("lily-x4", "weighty_package") == package / "weights/lily-x4.safetensors"
    with pytest.raises(WeightsError, match=r"Did you mean rose-x4\? Shipped are: lily-x2, lily-x4. Yours are: lily"):
        locate("rosé-x4", "weighty_package")


def test_public_names_are_known_without_being_there(package, store):
    with pytest.raises(WeightsError, match=r"imgtk models pull RealESRGAN_x4plus"):
        locate("RealESRGAN_x4plus", "weighty_package", public=["RealESRGAN_x4plus"])
    with pytest.raises(WeightsError, match="is neither shipped"):
        locate("RealESRGAN_x4plus", "weighty_package")


def test_weights_without_a_card_are_there_nevertheless(package, yours):
    (yours / "rose-x4.toml").write_text("name = ")
    (yours / "lily-x4.toml").unlink()
    assert [(card.name, card.architecture) for card in added()] == [("lily-x4", "unknown"), ("rose-x4", "unknown")]
    assert locate("rose-x4", "weighty_package") == yours / "rose-x4.safetensors"


def test_removing(package, yours):
    module.remove("rose-x4")
    assert sorted(path.name for path in yours.iterdir()) == ["lily-x4.safetensors", "lily-x4.toml"]
    for name in ("rose-x4", "../store/lily-x4", "lily-x4.safetensors", ""):
        with pytest.raises(WeightsError, match="Yours are: lily-x4"):
            module.remove(name)
    assert len(list(yours.iterdir())) == 2


def test_a_store_that_is_not_there_is_empty(store):
    assert added() == []
    with pytest.raises(WeightsError, match="Yours are: none"):
        module.remove("x")
    assert not store.exists()
