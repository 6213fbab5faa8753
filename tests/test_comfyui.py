"""examples/comfyui: what ComfyUI imports has the shape that it expects, and the nodes compute."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import ImgtkError
from imgtk.testing import sample_image

FILE = Path(__file__).parents[1] / "examples/comfyui/imgtk_nodes.py"
MODULE: dict[str, Any] = runpy.run_path(str(FILE))
NODES: dict[str, Any] = MODULE["NODE_CLASS_MAPPINGS"]
TYPES = {"INT": int, "FLOAT": (int, float), "BOOLEAN": bool, "STRING": str}


def defaults(node: Any) -> dict[str, Any]:
    """The values of a node's widgets before anybody touches them."""
    return {name: widget[1]["default"] for name, widget in node.INPUT_TYPES()["required"].items() if name != "images"}


@pytest.mark.parametrize("name", NODES)
def test_nodes_have_the_shape_that_comfyui_imports(name: str) -> None:
    node = NODES[name]
    assert MODULE["NODE_DISPLAY_NAME_MAPPINGS"][name]
    assert node.RETURN_TYPES == ("IMAGE", "MASK")
    assert callable(getattr(node, node.FUNCTION))
    assert node.CATEGORY.split("/")[0] == "imgtk"
    inputs = node.INPUT_TYPES()["required"]
    assert inputs.pop("images") == ("IMAGE",)
    for kind, options in inputs.values():
        if isinstance(kind, list):
            assert options["default"] in kind
            continue
        assert isinstance(options["default"], TYPES[kind])
        if kind in ("INT", "FLOAT"):
            assert options["min"] <= options["default"] <= options["max"]


def test_a_node_gives_what_the_pipeline_gives() -> None:
    photo = sample_image(13, 8)
    node = NODES["imgtk adjust:blur"]()
    images, masks = node.run(photo.permute(0, 2, 3, 1).expand(2, -1, -1, -1), **{**defaults(node), "radius": 2.0})
    expected = Pipeline("adjust:blur 2")(photo).tensor()[0].permute(1, 2, 0)
    assert torch.equal(images, torch.stack([expected] * 2))
    assert masks.shape == (2, 8, 13)
    assert not masks.any()


def test_defaults_and_transparency() -> None:
    photo = torch.cat([sample_image(6, 5), torch.full((1, 1, 5, 6), 0.25)], 1).permute(0, 2, 3, 1)
    node = NODES["imgtk upscale:nearest"]()
    images, masks = node.run(photo, **{**defaults(node), "scale": "x2"})
    assert images.shape == (1, 10, 12, 3)
    torch.testing.assert_close(masks, torch.full((1, 10, 12), 0.75))


def test_the_node_of_pipelines() -> None:
    node = NODES["imgtk pipeline"]()
    images, _ = node.run(sample_image(6, 5).permute(0, 2, 3, 1), pipeline="flip | crop 3 2")
    assert images.shape == (1, 2, 3, 3)
    with pytest.raises(ImgtkError, match="unknown operator"):
        node.run(images, pipeline="nothing:here")
