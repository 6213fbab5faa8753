"""`imgtk compare`: one file, right pixels, right figures."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from imgtk.cli import main
from tests.serve.browser import EDGE, SIZES, STAGES, browser, missing, outside, poor_contrast, themed
from tests.waiting import until


def compared(*words: object) -> str:
    """What the command prints; it must succeed."""
    done = CliRunner().invoke(main, ["compare", *map(str, words), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    return done.stdout


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def pixels(image: dict[str, Any]) -> np.ndarray:
    data = base64.b64decode(image["url"].partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(data)))


def test_images_are_those_of_the_pipelines(photo: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    compared("adjust:gamma 2", "resize:nearest x2", photo, "-o", page)
    data = data_of(page)
    original = np.asarray(Image.open(photo))
    assert [image["label"] for image in data["images"]] == ["Original", "adjust:gamma 2", "resize:nearest x2"]
    assert np.array_equal(pixels(data["images"][0]), original)
    assert np.array_equal(pixels(data["images"][2]), original.repeat(2, 0).repeat(2, 1))
    assert data["places"]


def test_figures_of_a_ground_truth(photo: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    compared("adjust:gamma 1", "adjust:gamma 1.1", photo, "--truth", photo, "-o", page)
    text = page.read_text("utf-8")
    assert "inf dB" in text
    assert "1.0000" in text
    assert len(re.findall(r"[\d.]+ dB", text)) == 1


def test_hostile_names_do_not_become_markup(tmp_path: Path) -> None:
    image = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.new("L", (1, 1)).save(image)
    compared("adjust:blur # </script><b>", image, "-o", tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8")
    assert "<img src=x" not in text
    assert "</script><b>" not in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["IMAGE"], "one to four pipelines"),
        (["adjust:blur"] * 5 + ["IMAGE"], "one to four pipelines"),
        (["adjust:blurr", "IMAGE"], "^^^^"),
        (["adjust:blur", "missing.png"], "no such file"),
        (["adjust:blur", "IMAGE", "--truth", "SMALL"], "ground truth"),
        (["adjust:blur", "IMAGE", "-o", "missing/a.html"], "does not exist"),
    ],
)
def test_errors(words: list[str], told: str, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (3, 3)).save("small.png")
    names = {"IMAGE": str(photo), "SMALL": "small.png"}
    done = CliRunner().invoke(main, ["compare", *(names.get(word, word) for word in words), "--device", "cpu"])
    assert done.exit_code in (1, 2)
    assert told in done.output
    assert not Path("compare.html").exists()


def test_an_existing_page_is_kept(photo: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    page.write_text("mine")
    words = ["compare", "adjust:blur", str(photo), "-o", str(page)]
    assert CliRunner().invoke(main, words).exit_code
    assert page.read_text() == "mine"
    compared("adjust:blur", photo, "-o", page, "--overwrite")


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_the_page_works_from_the_disk(photo: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    compared("adjust:gamma 2", "adjust:gamma 3", photo, "-o", page)
    with browser(tmp_path) as driver:
        driver.get(page.as_uri())
        until(lambda: len(driver.find_elements("css selector", ".pane")) == 3)
        until(lambda: driver.execute_script(SIZES) == [64] * 3)
        before = driver.execute_script(STAGES)
        driver.find_element("css selector", "#places button").click()
        assert driver.execute_script(STAGES) != before
        driver.find_element("css selector", "[data-mode=slider]").click()
        until(lambda: driver.execute_script(EDGE))
        assert outside(driver, page.as_uri()) == []


BOXES = """
return [...document.querySelectorAll(".pane")].map((pane) => [pane.offsetWidth, pane.offsetHeight]);
"""


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize("width", [1400, 390, 320])
def test_six_images_have_room_in_any_window(photo: Path, tmp_path: Path, width: int) -> None:
    page = tmp_path / "a.html"
    pipelines = [f"adjust:gamma 1.{n} | adjust:sharpen {n} | adjust:blur 0.{n}" for n in range(1, 5)]
    compared(*pipelines, photo, "--truth", photo, "-o", page)
    with browser(tmp_path) as driver:
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.as_uri())
        until(lambda: len(driver.find_elements("css selector", ".pane")) == 6)
        assert min(map(min, driver.execute_script(BOXES))) > 120
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        for scheme in ("light", "dark"):
            with themed(driver, scheme):
                assert poor_contrast(driver) == []
        assert outside(driver, page.as_uri()) == []
