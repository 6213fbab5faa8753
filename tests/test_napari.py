"""examples/napari: the manifest has the shape that napari expects, and the widget's function returns layers."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from imgtk import ImgtkError, Pipeline

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parents[1] / "examples/napari"


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return import_module("napari_imgtk")


def layer(data: Any, **changes: Any) -> SimpleNamespace:
    """Return what the widget sees of a layer."""
    usual = {"data": data, "name": "cells", "ndim": 2, "multiscale": False, "scale": (0.5, 2.0), "translate": (3, 4)}
    return SimpleNamespace(**{**usual, **changes})


def test_the_manifest_leads_to_the_function(package: ModuleType) -> None:
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))
    (entry,) = project["project"]["entry-points"]["napari.manifest"].items()
    assert entry == (project["project"]["name"], "napari_imgtk:napari.yaml")
    assert project["tool"]["setuptools"]["package-data"] == {"napari_imgtk": ["napari.yaml"]}
    manifest = yaml.safe_load((FOLDER / "napari_imgtk/napari.yaml").read_text("utf-8"))
    assert manifest["name"] == project["project"]["name"]
    (command,), (widget,) = (manifest["contributions"][kind] for kind in ("commands", "widgets"))
    assert command["id"] == widget["command"] == f"{manifest['name']}.pipeline"
    assert command["python_name"] == "napari_imgtk:run_pipeline"
    assert widget["autogenerate"], "a function of annotated arguments, and not a class of Qt"
    layers, text = inspect.signature(package.run_pipeline).parameters.values()
    assert layers.annotation == "napari.layers.Image"
    assert text.annotation == "str"


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (4, 6, 4), (1, 1)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_the_result_lies_over_its_layer(package: ModuleType, shape: tuple[int, ...], kind: type) -> None:
    data = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    data = (data * (1 if kind is np.float32 else np.iinfo(kind).max)).astype(kind)
    pixels, shown, what = package.run_pipeline(layer(data), "upscale:nearest x2")
    assert pixels.shape == (2 * shape[0], 2 * shape[1], *shape[2:])
    assert np.array_equal(pixels, Pipeline("upscale:nearest x2")(data).numpy())
    assert what == "image"
    assert (shown["rgb"], shown["scale"], shown["translate"]) == (len(shape) == 3, [0.25, 1.0], (3, 4))
    assert shown["name"] == "cells | upscale:nearest x2"


def test_gray_with_transparency_becomes_rgba(package: ModuleType) -> None:
    data = np.full((5, 8), 90, np.uint8)
    pixels, shown, _ = package.run_pipeline(layer(data), "alpha:set 0.5")
    expected = Pipeline("alpha:set 0.5")(data)
    assert expected.alpha is not None
    assert np.array_equal(pixels[..., :3], data[..., None].repeat(3, 2))
    assert np.array_equal(pixels[..., 3], expected.alpha)
    assert shown["rgb"]


def test_the_largest_of_several_resolutions_is_used(package: ModuleType) -> None:
    data = [np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.uint8)]
    assert package.run_pipeline(layer(data, multiscale=True), "flip h")[0].shape == (8, 8)


def test_stacks_and_wrong_pipelines_are_refused_in_words(package: ModuleType) -> None:
    with pytest.raises(ImgtkError, match="cells is a stack of 3 dimensions"):
        package.run_pipeline(layer(np.zeros((3, 8, 8)), ndim=3))
    with pytest.raises(ImgtkError, match="upscale:nothing"):
        package.run_pipeline(layer(np.zeros((8, 8), np.uint8)), "upscale:nothing")
