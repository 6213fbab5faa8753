"""Photograph the page of `imgtk serve` for the documentation: python scripts/serve_images.py [FOLDER]

Needs chromium and chromedriver. The photos are scikit-image's (CC0).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

from drawing import FOLDER
from PIL import Image
from skimage import data

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.serve.browser import browser, drop  # noqa: E402

SHOTS = {
    "serve": (1400, 860, False, ["upscale:compact x4"], "slider"),
    "serve-compare": (
        1400,
        860,
        True,
        ["upscale:bicubic x4", "upscale:compact x4", "upscale:esrgan x4"],
        "grid",
    ),
    "serve-phone": (390, 1100, False, ["style:monet"], "slider"),
}
"""For each file: width and height, whether dark, the pipelines, and the arrangement of images."""

PRESS = "[...document.querySelectorAll('button')].find((b) => b.textContent === arguments[0]).click()"


def photos(folder: Path) -> list[Path]:
    found = []
    for name, crop in (("chelsea", (60, 20, 380, 260)), ("coffee", (100, 60, 420, 300))):
        path = folder / f"{name}.png"
        Image.fromarray(getattr(data, name)()).crop(crop).resize((240, 180), Image.Resampling.LANCZOS).save(path)
        found.append(path)
    return found


def wait(driver: Any, script: str, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not driver.execute_script(script):
        assert time.monotonic() < end, script
        time.sleep(0.1)


def photograph(driver: Any, url: str, name: str, images: list[Path], target: Path) -> None:
    width, height, _, pipelines, mode = SHOTS[name]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(url)
    wait(driver, "return document.querySelectorAll('#add option').length > 5")
    drop(driver, *images)
    for number, text in enumerate(pipelines):
        if number:
            driver.execute_script(PRESS, "Compare with another")
        box = driver.find_element("css selector", "#text")
        box.clear()
        box.send_keys(text)
    driver.execute_script("document.querySelector('#run').click()")
    wait(driver, f"return document.querySelectorAll('.job[data-state=done]').length === {len(pipelines) * len(images)}")
    if mode == "grid":
        driver.execute_script(PRESS, "Side by side")
    wait(driver, "return /about/.test(document.querySelector('#plan').textContent)")
    time.sleep(0.5)
    if mode == "grid":
        driver.execute_script("document.querySelector('imgtk-viewer').goTo(0.42, 0.42, 1.6)")
    driver.execute_script("scrollTo(0, 0)")
    time.sleep(0.3)
    Image.open(BytesIO(driver.get_screenshot_as_png())).convert("RGB").save(target, quality=90, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="where to write")
    parser.add_argument("--suffix", default=".webp", help="of the files")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        images = photos(Path(scratch))
        command = [sys.executable, "-m", "imgtk", "serve", "--port", "0", "--device", "cpu", "--quiet"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=scratch)
        try:
            assert server.stdout
            url = server.stdout.readline().strip()
            for name, (_, _, dark, _, _) in SHOTS.items():
                with browser(Path(scratch), dark=dark) as driver:
                    photograph(driver, url, name, images, words.folder / f"{name}{words.suffix}")
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main()
