"""Chromium, driven by Selenium, which tells what it asked for and complained about."""

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

__all__ = ["browser", "drop", "missing", "outside"]

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
