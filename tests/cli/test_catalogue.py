"""`imgtk ops`, `help`, `plugins`, `plan` and `doctor`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest
from click.testing import Result

from imgtk.cli.catalogue import usage
from imgtk.params import Choice, Colour, Flag, Integer, Param, Scale, Text
from imgtk.registry import Registry, default

Cli = Callable[..., Result]


@pytest.mark.parametrize(
    ("param", "written"),
    [
        (Param("scale", Scale(), "", positional=True), "SCALE"),
        (Param("scale", Scale(), "", default=4, positional=True), "[SCALE]"),
        (Param("model", Text(), "", default=None), "[model=MODEL]"),
        (Param("image", Text(), ""), "image=IMAGE"),
        (Param("steps", Integer(), "", default=10), "[steps=10]"),
        (Param("keep-colour", Flag(), "", default=False), "[keep-colour=no]"),
        (Param("fit", Choice(("a", "b")), "", default="a"), "[fit=a]"),
        (Param("tint", Colour(), "", default=(1.0, 0.0, 0.0)), "[tint=#ff0000]"),
    ],
)
def test_usage_of_a_parameter(param: Param, written: str) -> None:
    assert usage(param) == written


def test_ops_lists_every_operator(cli: Cli) -> None:
    names = {spec.name for spec in default().specs}
    assert {line.split()[0] for line in cli("ops").stdout.splitlines()[1:]} == names
    assert {spec["name"] for spec in json.loads(cli("ops", "--json").stdout)} == names


@pytest.mark.parametrize("name", [spec.name for spec in default().specs])
def test_help_explains_every_parameter(cli: Cli, name: str) -> None:
    spec = default().spec(name)
    said = cli("help", name).stdout
    for text in (spec.summary, *(p.help for p in spec.params), *(p.type.describe() for p in spec.params)):
        assert text in said
    assert [p["name"] for p in json.loads(cli("help", name, "--json").stdout)["params"]] == [
        p.name for p in spec.params
    ]


def test_help_explains_the_stage_that_is_no_operator(cli: Cli) -> None:
    assert "save FILE" in cli("help", "save").stdout


def test_plugins(cli: Cli) -> None:
    rows = json.loads(cli("plugins", "--json").stdout)
    ours = [row for row in rows if row["distribution"] == "imgtk"]
    assert {row["name"] for row in ours} >= {"adjust", "esrgan", "gramstyle", "interpolate"}
    assert [row["error"] for row in ours] == [None] * len(ours)
    assert "operators" in cli("plugins").stdout


def test_broken_plugin_is_reported_and_the_rest_works(cli: Cli, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = photo.parent / "site"
    info = site / "strange-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[imgtk]\nstrange = strange_module\n")
    (site / "strange_module.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(site)

    def discover() -> None:
        registry = Registry.discover()
        for user in ("imgtk.cli.catalogue", "imgtk.cli.doctor", "imgtk.pipeline"):
            monkeypatch.setattr(f"{user}.default", lambda: registry)

    discover()
    listed = cli("plugins").stdout
    assert "strange" in listed
    assert "1.2" in listed
    assert "IMPORT FAILED: ModuleNotFoundError: No module named 'a_module_that_is_not_there'" in listed
    assert "strange: import failed" in cli("ops").stderr
    assert cli("doctor").exit_code == 1
    assert cli("run", "resize:area x0.5", photo).exit_code == 0
    monkeypatch.setenv("IMGTK_DISABLE_PLUGINS", "strange")
    discover()
    assert "disabled" in cli("plugins").stdout


def test_doctor(cli: Cli) -> None:
    result = cli("doctor", "--json")
    facts = json.loads(result.stdout)
    assert result.exit_code == 0, result.stdout
    assert set(facts) == {"versions", "devices", "backends", "settings", "plugins", "weights", "ambiguous operators"}
    assert "cpu" in facts["devices"]
    assert set(facts["backends"]) == {"torch", "openvino", "onnxruntime"}
    assert set(facts["weights"].values()) <= {"ok"}
    assert "torch" in cli("doctor").stdout


def test_plan(cli: Cli, photo: Path) -> None:
    pipeline = "upscale:bicubic x2 as big | resize:area x0.25 | resize:area x4 | blend @big alpha=0.5"
    table = cli("plan", pipeline, photo).stdout.splitlines()
    assert table[0].split()[:3] == ["STAGE", "OP", "SIZE"]
    assert "80x60" in table[2]
    plan = json.loads(cli("plan", pipeline, "--size", "100x50", "--json").stdout)
    assert plan["output"] == [200, 100]
    assert [stage["op"] for stage in plan["stages"]][1:3] == ["upscale:bicubic", "resize:area"]
    yaml = cli("plan", pipeline, "--yaml").stdout
    assert "upscale:bicubic" in yaml


def test_plan_turns_the_image_but_does_not_decode_it(cli: Cli, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PIL.Image.open(photo) as image:
        exif = image.getexif()
        exif[274] = 6  # a quarter turn
        image.save("turned.jpg", exif=exif)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("it decoded"))
    result = cli("plan", "upscale:bicubic x2", "turned.jpg", "--json")
    assert json.loads(result.stdout)["output"] == [60, 80]


def test_mermaid(cli: Cli) -> None:
    said = cli("plan", 'resize:area x0.5 as a | save "it\'s.png" | resize:area x2 | blend @in', "--mermaid").stdout
    lines = said.splitlines()
    assert lines[0] == "flowchart LR"
    assert sum("-->" in line for line in lines) == 5


def test_doctor_measures_the_upscalers(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgtk.bench.quick._SIDES", (8,))
    result = cli("doctor", "--bench", "--json", "--device", "cpu")
    speed = json.loads(result.stdout)["speed"]
    assert {"upscale:bicubic x4", "upscale:esrgan x4", "upscale:compact x4"} <= set(speed)
    assert all("megapixels/s" in said for name, said in speed.items() if name.startswith("upscale:"))


def test_verbose_tells_what_is_done(cli: Cli, photo: Path) -> None:
    command = [sys.executable, "-m", "imgtk", "run", "-v", "upscale:compact x2", str(photo), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for words in ("plugin esrgan: ", "reading the weights ", "compact-x2", "40x30 pixels on cpu", "photo.jpg: done in"):
        assert words in done.stderr
    assert "imgtk.jpg" in done.stdout
