"""The page for everyone (WCAG 2.2, level AA): contrast, names, focus, narrow windows, in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.serve.browser import drop, find, missing, poor_contrast, press, states, text, texts, themed, write
from tests.waiting import until

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.slow]

CONTROLS = "button checkbox combobox listbox progressbar searchbox slider spinbutton textbox"
NAMED = {*CONTROLS.split(), "dialog", "image", "img", "region"}
OUTLINE = """
const shown = document.activeElement.closest(".button") ?? document.activeElement;
const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(shown);
const box = shown.getBoundingClientRect();
const { ariaLabel, id, textContent } = document.activeElement;
const name = ariaLabel ?? id + textContent.slice(0, 30);
return [name, outlineStyle, parseFloat(outlineWidth), box.width > 0 && box.bottom > 0 && box.top < innerHeight];
"""
OVERFLOW = """
const wide = [...document.querySelectorAll("body *")].filter((one) => !one.closest(".pane") && one.checkVisibility() &&
  !one.matches("option, input[type=file]") && one.getBoundingClientRect().right > innerWidth + 1);
return [document.documentElement.scrollWidth, wide.map((one) => one.outerHTML.slice(0, 80))];
"""


def fill(page: Any, photo: Path, pipeline: str) -> None:
    """Show results, cards, and a pipeline that is wrong."""
    drop(page, photo)
    write(page, pipeline)
    press(page, "Compare with another")
    write(page, "test:fail")
    page.execute_script("document.querySelector('#run').click()")
    until(lambda: states(page) == ["done", "failed"])
    page.execute_script("document.querySelectorAll('#tabs button')[0].click()")
    until(lambda: len(texts(page, "#cards strong")) == 2)
    page.execute_script("document.querySelector('#write').open = true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(page: Any, photo: Path, scheme: str) -> None:
    with themed(page, scheme):
        assert poor_contrast(page) == []
        fill(page, photo, "upscale:compact x2 | adjust:gamma 2")
        assert poor_contrast(page) == []
        press(page, "Side by side")
        write(page, "adjust:gama")
        until(lambda: "gamma" in text(page, "#error"))
        assert poor_contrast(page) == []


def test_screen_readers_are_told_all_names(page: Any, photo: Path) -> None:
    fill(page, photo, "restore:denoise | adjust:curves 0:0,1:1")
    page.execute_cdp_cmd("Accessibility.enable", {})
    try:
        nodes = page.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    finally:
        page.execute_cdp_cmd("Accessibility.disable", {})
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    nameless = [role for role, name in told if role in NAMED and not name.strip()]
    assert nameless == []
    assert {"Images", "Before and after", "Pipeline"} <= {name for role, name in told if role == "region"}
    buttons = [name for role, name in told if role == "button"]
    assert "Download A of photo.png" in buttons
    assert len(buttons) == len(set(buttons))
    assert ("slider", "Boundary") in told


def test_focus_is_seen_and_follows_the_page(page: Any, photo: Path) -> None:
    from selenium.webdriver import ActionChains

    fill(page, photo, "resize:nearest x2 | adjust:gamma 2")
    page.execute_script("document.querySelector('#files').focus()")
    seen: list[str] = []
    for _ in range(80):
        name, style, width, inside = page.execute_script(OUTLINE)
        assert (style != "none" and width >= 2) or not name, name
        assert inside, name
        seen.append(name)
        ActionChains(page).send_keys("\ue004").perform()
        if page.execute_script("return document.activeElement === document.body"):
            break
    assert len(seen) > 25
    order = [
        next(i for i, name in enumerate(seen) if part in name)
        for part in ("Remove photo", "Zoom out", "presets", "text")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("width", [320, 700, 1000])
def test_nothing_is_cut_off_in_narrow_windows(page: Any, photo: Path, width: int) -> None:
    size = {"width": width, "height": 640, "deviceScaleFactor": 1, "mobile": width < 500}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        fill(page, photo, "upscale:compact x2 | adjust:gamma 2")
        most, wide = page.execute_script(OVERFLOW)
        assert wide == []
        assert most <= width
        assert find(page, ".pane").rect["width"] > width / 3
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
