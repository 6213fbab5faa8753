"""The page in a browser. Every test fails if the page asks another host for anything, or complains on the console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imgtk.cli import main
from tests.serve.browser import (
    EDGE,
    SIZES,
    STAGES,
    WIDTH,
    drop,
    enter,
    find,
    missing,
    outside,
    press,
    states,
    text,
    texts,
    value,
    write,
)
from tests.serve.conftest import Start
from tests.waiting import until

LATE = """
const asked = window.fetch;
window.fetch = async (address, options) => {
  const answer = await asked(address, options);
  if (options?.method !== "DELETE") return answer;
  await new Promise((done) => setTimeout(done, 3000));
  setTimeout(() => (window.late = true), 100);
  return answer;
};
"""
"""The answer to a cancel comes after the event that tells of it."""

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.slow]


def test_drop_run_slide_and_download(page: Any, photo: Path, downloads: Path, tmp_path: Path) -> None:
    drop(page, photo)
    until(lambda: "64 × 48" in text(page, "#queue li"))
    write(page, "upscale:compact x4")
    until(lambda: "64 × 48 → 256 × 192" in text(page, "#plan"))
    find(page, "#run").click()
    until(lambda: states(page) == ["done"])
    until(lambda: len(page.find_elements("css selector", ".stage img")) == 2)
    until(lambda: page.execute_script(SIZES) == [64, 256])
    before = page.execute_script(EDGE)
    enter(page, ".divide input", "\ue014" * 20)  # the right arrow key
    assert page.execute_script(EDGE) != before
    assert "256 × 192" in text(page, "#info li")
    press(page, "Download")
    target = downloads / "photo.imgtk.png"
    until(target.exists)
    with pytest.raises(SystemExit):
        main(["run", "upscale:compact x4", str(photo), "-o", str(tmp_path / "out.png"), "--quiet", "--tile", "64"])
    until(lambda: target.stat().st_size)
    assert target.read_bytes() == (tmp_path / "out.png").read_bytes()


def test_the_boundary_follows_the_pointer(page: Any, photo: Path) -> None:
    from selenium.webdriver import ActionChains

    drop(page, photo)
    write(page, "adjust:gamma 2")
    find(page, "#run").click()
    until(lambda: page.find_elements("css selector", ".handle"))
    before, width = page.execute_script(EDGE), page.execute_script(WIDTH)
    ActionChains(page).drag_and_drop_by_offset(find(page, ".handle"), width // 4, 0).perform()
    assert page.execute_script(EDGE) != before
    assert float(value(page, ".divide input")) == pytest.approx(75, abs=3)
    position = page.execute_script(STAGES)
    ActionChains(page).move_to_element_with_offset(find(page, ".pane"), -width // 4, 0).click_and_hold().move_by_offset(
        30, 20
    ).release().perform()
    assert page.execute_script(STAGES) != position


def test_progress_and_stop(page: Any, photo: Path) -> None:
    drop(page, photo)
    write(page, "test:wait 60")
    find(page, "#run").click()
    until(lambda: page.execute_script("return document.querySelector('.job progress')?.value > 0"))
    until(lambda: "left" in text(page, ".job"))
    press(page, "Stop")
    until(lambda: states(page) == ["cancelled"])
    assert "stopped" in text(page, ".job")


def test_a_late_answer_to_stop_changes_nothing(page: Any, photo: Path) -> None:
    page.execute_script(LATE)
    drop(page, photo)
    write(page, "test:wait 60")
    find(page, "#run").click()
    until(lambda: states(page) == ["running"])
    press(page, "Stop")
    until(lambda: page.execute_script("return window.late"))
    until(lambda: states(page) == ["cancelled"])


def test_errors_have_a_caret(page: Any, photo: Path) -> None:
    drop(page, photo)
    write(page, "adjust:blur 3 | adjust:sharpn")
    until(lambda: "adjust:sharpen" in text(page, "#error"))
    assert text(page, "#error").splitlines()[1] == " " * 16 + "^" * 13
    assert find(page, "#text").get_attribute("aria-invalid") == "true"
    write(page, "adjust:blur 3")
    until(lambda: texts(page, "#error") == [""])


def test_errors_of_jobs_are_told(page: Any, photo: Path) -> None:
    drop(page, photo)
    write(page, "test:fail")
    until(lambda: "→" in text(page, "#plan") or text(page, "#error"))
    find(page, "#run").click()
    until(lambda: states(page) == ["failed"])
    assert "test:fail (misbehaving 1.0) failed" in text(page, ".job")


def test_four_pipelines_on_one_crop(page: Any, photo: Path) -> None:
    drop(page, photo)
    write(page, "adjust:gamma 0.5")
    for gamma in (1, 2, 3):
        press(page, "Compare with another")
        write(page, f"adjust:gamma {gamma}")
    find(page, "#run").click()
    until(lambda: states(page) == ["done"] * 4)
    press(page, "Side by side")
    until(lambda: len(page.find_elements("css selector", ".pane")) == 5)
    press(page, "+")
    press(page, "+")
    transforms = page.execute_script(STAGES)
    assert len(set(transforms)) == 1
    assert "scale(" in transforms[0]
    assert [label[:2] for label in texts(page, ".label")] == ["Or", "A:", "B:", "C:", "D:"]
    page.refresh()
    until(lambda: len(texts(page, "#tabs button")) == 6)


def test_text_and_cards_are_in_step(page: Any) -> None:
    from selenium.webdriver.support.select import Select

    write(page, "upscale:bicubic x2 | adjust:blur radius=3")
    until(lambda: texts(page, "#cards strong") == ["upscale:bicubic", "adjust:blur"])
    second = "#cards li:nth-child(2) input"
    until(lambda: value(page, second) == "3")
    enter(page, second, "5\t")
    until(lambda: "radius=5" in value(page, "#text"))
    press(page, "↓")
    until(lambda: texts(page, "#cards strong") == ["adjust:blur", "upscale:bicubic"])
    Select(find(page, "#add")).select_by_value("adjust:gamma")
    until(lambda: len(texts(page, "#cards strong")) == 3)
    write(page, "adjust:blur as a ; @in | blend @a")
    until(lambda: find(page, "#branches").is_displayed())


def test_what_browsers_do_not_show_is_shown(page: Any, tmp_path: Path) -> None:
    image = tmp_path / "scan.tif"
    Image.new("RGB", (40, 30), "navy").save(image)
    note = tmp_path / "note.txt"
    note.write_text("no image")
    drop(page, image, note)
    until(lambda: "1 file is no image" in text(page, "#status"))
    write(page, "resize:nearest x2")
    find(page, "#run").click()
    until(lambda: page.execute_script(SIZES) == [40, 80])


def test_phone(page: Any, photo: Path) -> None:
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    )
    try:
        drop(page, photo)
        write(page, "adjust:gamma 2")
        page.execute_script("document.querySelector('#run').click()")
        until(lambda: states(page) == ["done"])
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
        until(lambda: page.execute_script(WIDTH) > 250)
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_control_has_a_name(page: Any, photo: Path) -> None:
    drop(page, photo)
    write(page, "adjust:gamma 2 | adjust:sharpen")
    until(lambda: len(texts(page, "#cards strong")) == 2)
    find(page, "#run").click()
    until(lambda: states(page) == ["done"])
    nameless = """
    return [...document.querySelectorAll("button, input, select, textarea, progress")].filter((control) =>
      !(control.getAttribute("aria-label") || control.textContent.trim() || control.labels?.length));
    """
    assert page.execute_script(nameless) == []
    assert page.execute_script("return [...document.images].every((image) => image.alt)")


def test_token_in_the_address_and_by_hand(driver: Any, start: Start) -> None:
    server = start("--host", "0.0.0.0", "--token", "secret-token")
    driver.get("about:blank")
    driver.get(f"{server.url}/#token=secret-token")
    until(lambda: len(driver.find_elements("css selector", "#add option")) > 5)
    assert "secret" not in driver.current_url
    driver.execute_script("sessionStorage.clear()")
    driver.refresh()
    until(lambda: find(driver, "#token-dialog").is_displayed())
    find(driver, "#token").send_keys("secret-token\n")
    until(lambda: len(driver.find_elements("css selector", "#add option")) > 5)
    assert outside(driver, server.url) == []
