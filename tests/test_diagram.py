"""Graphs as SVG, images and pipelines in notebooks, and `run_async`."""

from __future__ import annotations

import asyncio
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from imgtk import Image, Pipeline
from imgtk.cli import main
from imgtk.diagram import DiagramNode, svg
from imgtk.errors import ReadError

SVG = "{http://www.w3.org/2000/svg}"
BRANCHED = "upscale:nearest x2 as up | adjust:blur 2 | blend @up alpha=0.5"


def boxes(text: str) -> list[tuple[float, float, float, float]]:
    rects = ElementTree.fromstring(text).iter(f"{SVG}rect")
    return [tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height")) for rect in rects]  # type: ignore[misc]


def test_a_pipeline_in_a_notebook() -> None:
    text = Pipeline(BRANCHED, device="cpu")._repr_html_()
    words = [element.text for element in ElementTree.fromstring(text).iter(f"{SVG}text")]
    assert words[:2] == ["in", "upscale:nearest as up"]
    assert "scale=x2" in words
    assert "alpha=0.5" in words
    assert text.count("marker-end") == 4


def test_boxes_do_not_touch_and_lie_within() -> None:
    text = Pipeline(BRANCHED, device="cpu")._repr_html_()
    root = ElementTree.fromstring(text)
    found = boxes(text)
    for index, (x, y, width, height) in enumerate(found):
        assert x >= 0
        assert y >= 0
        assert x + width <= float(root.attrib["width"])
        assert y + height <= float(root.attrib["height"])
        for x2, y2, width2, height2 in found[:index]:
            assert x >= x2 + width2 or x2 >= x + width or y >= y2 + height2 or y2 >= y + height


def test_what_is_not_xml_is_escaped() -> None:
    assert '<&>"' in "".join(ElementTree.fromstring(svg([DiagramNode(('<&>"',))])).itertext())


def test_the_plan_as_svg() -> None:
    result = CliRunner().invoke(main, ["plan", BRANCHED, "--size", "40x30", "--svg", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "80x60" in [element.text for element in ElementTree.fromstring(result.stdout).iter(f"{SVG}text")]


@pytest.mark.parametrize("shape", [(1, 1), (30, 40), (30, 40, 4), (3000, 10, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_an_image_in_a_notebook(shape: tuple[int, ...], dtype: type) -> None:
    pixels = np.zeros(shape, dtype)
    with PIL.Image.open(BytesIO(Image.of(pixels)._repr_png_())) as shown:
        assert shown.format == "PNG"
        assert max(shown.size) == min(2048, max(shape[:2]))
        assert shown.has_transparency_data == (len(shape) == 3 and shape[2] == 4)


def test_run_async() -> None:
    pipeline = Pipeline("resize:nearest x2", device="cpu")
    told: list[int] = []

    async def all_of_them() -> list[Image]:
        images = [np.full((2, 3), value, np.uint8) for value in range(4)]
        return await asyncio.gather(*(pipeline.run_async(image, lambda p: told.append(p.done)) for image in images))

    results = asyncio.run(all_of_them())
    assert [int(result.pixels[0, 0, 0]) for result in results] == [0, 1, 2, 3]
    with pytest.raises(ReadError):
        asyncio.run(pipeline.run_async("no such file.png"))
