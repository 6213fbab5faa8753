"""The page as people use it: slow presses, the keyboard alone, folders, large images, damaged settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serve.browser import (
    SIZES,
    drag,
    drop,
    enter,
    find,
    keys,
    missing,
    planned,
    press,
    states,
    text,
    texts,
    value,
    write,
)
from tests.serve.conftest import Served, Start
from tests.waiting import until

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.slow]

FOCUS = "return document.activeElement.dataset.key ?? document.activeElement.id"
STOPS = "[...document.querySelectorAll('.job button')].filter((one) => one.textContent === 'Stop' && !one.hidden)"
TAB, ENTER, RIGHT, CONTROL = "\ue004", "\ue007", "\ue014", "\ue009"


def test_files_and_folders_are_dragged_onto_the_page(page: Any, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    (folder / "day 1").mkdir(parents=True)
    for name in ("a.png", "day 1/b.png"):
        (folder / name).write_bytes(photo.read_bytes())
    (folder / "notes.txt").write_text("no image")
    drag(page, photo, folder)
    until(lambda: len(texts(page, "#queue li")) == 3)
    assert texts(page, "#queue .name") == ["photo.png", "a.png", "b.png"]
    assert "1 file is no image" in text(page, "#status")


def test_a_slow_press_stops_a_job_that_makes_progress(page: Any, photo: Path) -> None:
    from selenium.webdriver import ActionChains

    drop(page, photo)
    write(page, "test:wait 60")
    find(page, "#run").click()
    until(lambda: page.execute_script("return document.querySelector('.job progress')?.value > 0"))
    ActionChains(page).click_and_hold(find(page, ".job button")).pause(0.7).release().perform()
    until(lambda: states(page) == ["cancelled"])


def test_the_keyboard_alone_is_enough(page: Any, photo: Path) -> None:
    drop(page, photo)
    find(page, "#text").click()
    write(page, "test:wait 60")
    find(page, "#text").send_keys(CONTROL, ENTER)
    until(lambda: states(page) == ["running"])
    assert page.execute_script(FOCUS) == "text"
    page.execute_script("document.querySelector('.job button').focus()")
    keys(page, ENTER)
    until(lambda: states(page) == ["cancelled"])
    assert page.execute_script("return document.activeElement.ariaLabel") == "Show photo.png"
    assert "1 stopped" in until(lambda: text(page, "#status"))
    keys(page, TAB, ENTER)
    until(lambda: texts(page, "#queue li") == [])


def test_cards_keep_the_focus(page: Any) -> None:
    write(page, "adjust:blur | adjust:gamma | adjust:sharpen")
    until(lambda: len(texts(page, "#cards strong")) == 3)
    enter(page, '[data-key="0 ↓"]', ENTER)
    assert page.execute_script(FOCUS) == "1 ↓"
    keys(page, ENTER)
    assert page.execute_script(FOCUS) == "2 ↑"
    assert texts(page, "#cards strong") == ["adjust:gamma", "adjust:sharpen", "adjust:blur"]
    enter(page, '[data-key="0 gamma"]', "3.50", TAB)
    until(lambda: value(page, '[data-key="0 gamma"]') == "3.5")  # as the server writes it
    assert page.execute_script(FOCUS) == "1 ↑"
    enter(page, '[data-key="1 amount"]', "2", TAB, "1")
    planned(page)  # which has not taken the half-written number away
    keys(page, "5", TAB)
    until(lambda: "radius=15" in value(page, "#text"))
    assert "amount=2" in value(page, "#text")
    enter(page, '[data-key="2 ×"]', ENTER)
    assert page.execute_script(FOCUS) == "1 ×"


def test_plans_do_not_take_fields_away_that_are_typed_in(page: Any) -> None:
    """Also where the server writes other fields in another way."""
    write(page, "adjust:gamma | adjust:sharpen")
    until(lambda: len(texts(page, "#cards strong")) == 2)
    enter(page, '[data-key="0 gamma"]', "2.50", TAB)
    enter(page, '[data-key="1 radius"]', "1")
    until(lambda: value(page, '[data-key="0 gamma"]') == "2.5")
    keys(page, "5", TAB)
    until(lambda: value(page, "#text") == "adjust:gamma gamma=2.5 | adjust:sharpen radius=15")


def test_automatic_parameters_take_a_number_or_the_word(page: Any) -> None:
    strength = '[data-key="0 strength"]'
    write(page, "restore:denoise")
    until(lambda: texts(page, "#cards strong") == ["restore:denoise"])
    words = "return [...document.querySelector('[data-key=\"0 strength\"]').list.options].map((option) => option.value)"
    assert page.execute_script(words) == ["auto"]
    for given in ("12.5", "auto"):
        enter(page, strength, given, TAB)
        until(lambda given=given: f"strength={given}" in value(page, "#text"))
        planned(page)
        assert "→" in text(page, "#plan")
    enter(page, strength, "loud", TAB)
    until(lambda: "0 to 60" in text(page, "#error"))


def test_large_images_are_shown_scaled(page: Any, tmp_path: Path) -> None:
    image = tmp_path / "large.png"
    Image.linear_gradient("L").resize((4000, 2500)).save(image)
    drop(page, image)
    write(page, "adjust:gamma 2")
    until(lambda: "4000 × 2500 → 4000 × 2500" in text(page, "#plan"))
    find(page, "#run").click()
    until(lambda: states(page) == ["done"])
    original, result = until(lambda: (found := page.execute_script(SIZES)) and len(found) == 2 and all(found) and found)
    assert original == result == 3577
    assert any("Shown scaled" in line for line in texts(page, "#info li"))


def test_photos_lie_as_their_cameras_were_held(page: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.linear_gradient("L").resize((60, 40)).save(tmp_path / "turned.jpg", exif=exif.tobytes())
    drop(page, tmp_path / "turned.jpg")
    write(page, "resize:nearest x2")
    until(lambda: "40 × 60 → 80 × 120" in text(page, "#plan"))
    find(page, "#run").click()
    until(lambda: states(page) == ["done"])
    until(lambda: page.execute_script(SIZES) == [40, 80])


def test_a_page_that_goes_stops_its_jobs(page: Any, page_server: Served, photo: Path) -> None:
    drop(page, photo)
    write(page, "test:wait 60")
    find(page, "#run").click()
    until(lambda: page_server.metric("jobs_running") == 1)
    page.get("about:blank")
    until(lambda: page_server.metric("jobs_running") == 0)


@pytest.mark.parametrize("settings", ["{", "null", "[]", '{"texts": 5}', '{"texts": [7, null]}'])
def test_damaged_settings_do_no_harm(page: Any, page_server: Served, settings: str) -> None:
    page.execute_script("localStorage.setItem('imgtk-settings', arguments[0])", settings)
    page.get(page_server.url)
    until(lambda: len(page.find_elements("css selector", "#add option")) > 5)
    assert ":" in value(page, "#text")


def test_copies_run_elsewhere(page: Any, photo: Path, tmp_path: Path) -> None:
    """What is copied for curl does what the page does."""
    import shlex
    import subprocess

    odd = tmp_path / 'it\'s; a "photo".png'
    odd.write_bytes(photo.read_bytes())
    drop(page, odd)
    write(page, "text 'a | b'")
    page.execute_script("document.querySelector('#write').open = true; document.querySelector('#format').value = 'jpg'")
    page.execute_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    press(page, "curl")
    command = until(lambda: text(page, "#status"))
    subprocess.run([*shlex.split(command), "-sS", "--fail"], cwd=tmp_path, check=True, timeout=300)
    assert Image.open(tmp_path / f"{odd.stem}.imgtk.jpg").format == "JPEG"
    press(page, "command")
    words = shlex.split(until(lambda: (told := text(page, "#status")).startswith("imgtk") and told))
    assert words == ["imgtk", "run", "text 'a | b'", odd.name, "--format", "jpg"]


def test_too_large_a_file_is_told(driver: Any, start: Start, tmp_path: Path) -> None:
    server = start("--max-upload", "1M", "--presets-only")
    image = tmp_path / "noise.png"
    Image.effect_noise((2000, 2000), 90).save(image)
    driver.get(server.url)
    until(lambda: len(driver.find_elements("css selector", "#add option")) > 5)
    assert not find(driver, "#stages").is_displayed()
    drag(driver, image)
    until(lambda: "2000 × 2000" in text(driver, "#queue li"))
    find(driver, "#run").click()
    until(lambda: states(driver) == ["failed"])
    assert "larger than 1,000,000 bytes" in text(driver, ".job")


def test_many_photos_at_once(page: Any, tmp_path: Path) -> None:
    for number in range(30):
        Image.new("RGB", (300, 200), (number, 0, 0)).save(tmp_path / f"{number:03}.jpg")
    drag(page, tmp_path)
    until(lambda: len(texts(page, "#queue li")) == 30)
    write(page, "test:wait 0.3")
    page.execute_script(f"document.querySelector('#run').click(); {STOPS}.at(-1).click()")
    find(page, "#text").send_keys("1")  # the page stays usable
    page.execute_script(f"{STOPS}[0]?.click()")  # all may be done by now
    until(lambda: {"done", "cancelled"} == set(states(page)), 300)
    assert states(page).count("done") in (28, 29)
    assert text(page, "#status").startswith(f"{states(page).count('done')} results, ")


def test_results_name_their_weights(page: Any, photo: Path) -> None:
    drop(page, photo)
    write(page, "upscale:compact x2")
    press(page, "Compare with another")
    write(page, "upscale:compact x4 | adjust:gamma 2")
    find(page, "#run").click()
    until(lambda: states(page) == ["done", "done"])
    lines = until(lambda: (found := texts(page, "#info li")) and all("weights" in line for line in found) and found)
    assert [line.partition(", weights ")[2] for line in lines] == ["compact-x2", "compact-x4"]
