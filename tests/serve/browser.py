"""Chromium, driven by Selenium, which tells what it asked for and complained about; and how to use the page in it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = [
    "browser",
    "drag",
    "drop",
    "find",
    "missing",
    "outside",
    "poor_contrast",
    "press",
    "states",
    "texts",
    "themed",
    "until",
    "write",
]

WIDTH = "return document.querySelector('.pane').clientWidth"
EDGE = "return document.querySelector('.stage img + img').style.clipPath"
STAGES = "return [...document.querySelectorAll('.stage')].map((stage) => stage.style.transform)"

DROP = """
const files = new DataTransfer();
for (const [name, type, data] of arguments[0]) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  files.items.add(new File([bytes], name, { type }));
}
document.querySelector("#drop").dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true }));
"""
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


def missing() -> str:
    """Why there is no browser; empty if there is one."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return "needs chromium and chromedriver (Debian: apt install chromium chromium-driver)"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "needs selenium"
    return ""


@contextmanager
def browser(downloads: Path, *, dark: bool = False) -> Iterator[Any]:
    """A browser that saves files in a folder."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for word in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", *QUIET):
        options.add_argument(word)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # which Chromium refuses to have as root
    if dark:
        options.add_argument("--blink-settings=preferredColorScheme=0")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.set_window_size(1400, 900)
        yield driver
    finally:
        driver.quit()


def drop(driver: Any, *images: Path) -> None:
    """Drop files onto the page."""
    kinds = {".png": "image/png", ".jpg": "image/jpeg", ".tif": "image/tiff", ".txt": "text/plain"}
    files = [[path.name, kinds[path.suffix], base64.b64encode(path.read_bytes()).decode()] for path in images]
    driver.execute_script(DROP, files)


def drag(driver: Any, *paths: Path) -> None:
    """Drag files and folders from the desktop onto the page, as a pointer does it."""
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    box = find(driver, "#drop").rect
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    for kind in ("dragEnter", "dragOver", "drop"):
        driver.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, "data": data, **place})


@contextmanager
def themed(driver: Any, scheme: str) -> Iterator[None]:
    """The page as it is where the system is "light" or "dark"."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        yield
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def poor_contrast(driver: Any) -> list[Any]:
    """What has less contrast than WCAG asks for, with its ratio and the least."""
    return list(driver.execute_script(Path(__file__).with_name("contrast.js").read_text()))


def outside(driver: Any, url: str) -> list[str]:
    """What the page has asked other hosts for, and what it has complained about. That the API refuses a pipeline is no
    complaint of the page."""
    complaints = [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    found = [
        one for one in complaints if not re.search(r"/api/v1/\S* - Failed to load resource.* (401|409|422|500) ", one)
    ]
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked = message["params"]["request"]["url"]
            if not asked.startswith((url, "blob:", "data:", "about:", "chrome:")):
                found.append(asked)
    return found


def until(check: Callable[[], Any], seconds: float = 60) -> Any:
    """What `check` gives as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def find(page: Any, selector: str) -> Any:
    return page.find_element("css selector", selector)


def texts(page: Any, selector: str) -> list[str]:
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector
    )


def write(page: Any, text: str) -> None:
    find(page, "#text").clear()
    find(page, "#text").send_keys(text)


def states(page: Any) -> list[str]:
    return page.execute_script("return [...document.querySelectorAll('.job')].map((job) => job.dataset.state)")


def press(page: Any, word: str) -> None:
    page.execute_script(
        "[...document.querySelectorAll('button')].find((b) => b.textContent === arguments[0]).click()", word
    )
