"""Chromium, driven by Selenium, which tells what it asked for and complained about; and how to use the page in it."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import until

__all__ = [
    "browser",
    "drag",
    "drop",
    "enter",
    "find",
    "keys",
    "missing",
    "outside",
    "planned",
    "poor_contrast",
    "press",
    "states",
    "text",
    "texts",
    "themed",
    "until",
    "value",
    "write",
]

WIDTH = "return document.querySelector('.pane').clientWidth"
EDGE = "return document.querySelector('.stage img + img').style.clipPath"
SIZES = "return [...document.querySelectorAll('.stage img')].map((image) => image.naturalWidth)"
STAGES = "return [...document.querySelectorAll('.stage')].map((stage) => stage.style.transform)"

DROP = """
const files = new DataTransfer();
for (const [name, type, data] of arguments[0]) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  files.items.add(new File([bytes], name, { type }));
}
document.querySelector("#drop").dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true }));
"""
REFUSED = r"/api/v1/\S* - Failed to load resource.* (401|409|422|500|503) "
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
    found = [one for one in complaints if not re.search(REFUSED, one)]
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked = message["params"]["request"]["url"]
            if not asked.startswith((url, "blob:", "data:", "about:", "chrome:")):
                found.append(asked)
    return found


def find(page: Any, selector: str) -> Any:
    """An element that the page never replaces. Others may be gone when they are used: see `value`, `enter`, `press`."""
    return page.find_element("css selector", selector)


def texts(page: Any, selector: str) -> list[str]:
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector
    )


def text(page: Any, selector: str) -> str:
    """Text of the first element; empty if there is none yet."""
    return next(iter(texts(page, selector)), "")


def value(page: Any, selector: str) -> str | None:
    """Value of a control, if it is there."""
    return page.execute_script("return document.querySelector(arguments[0])?.value", selector)


def keys(page: Any, *pressed: str) -> None:
    """Press keys: they go to what has the focus."""
    from selenium.webdriver import ActionChains

    ActionChains(page).send_keys(*pressed).perform()


def enter(page: Any, selector: str, *pressed: str) -> None:
    """Press keys in a control. What it holds is selected, so that typing replaces it."""
    page.execute_script("const c = document.querySelector(arguments[0]); c.focus(); c.select?.()", selector)
    keys(page, *pressed)


def write(page: Any, text: str) -> None:
    """Type a pipeline."""
    find(page, "#text").clear()
    find(page, "#text").send_keys(text)


def planned(page: Any) -> None:
    """Wait until the page shows the plan of the pipeline, or what is wrong with it."""
    until(lambda: page.execute_script("return document.querySelector('#plan').ariaBusy === 'false'"))


def states(page: Any) -> list[str]:
    return page.execute_script("return [...document.querySelectorAll('.job')].map((job) => job.dataset.state)")


def press(page: Any, word: str) -> None:
    page.execute_script(
        "[...document.querySelectorAll('button')].find((b) => b.textContent === arguments[0]).click()", word
    )
