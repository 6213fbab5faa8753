"""Presets and `imgtk.toml` on the command line, and arguments in a wrong order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest
from click.testing import Result

from imgtk.config import Config, config_files, load_config, presets
from imgtk.config_file import line_of
from imgtk.errors import ConfigError
from imgtk.language import parse
from imgtk.registry import default

Cli = Callable[..., Result]
Settings = Callable[[str], Path]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Writes the text of an `imgtk.toml` that is the only one."""

    def write(text: str) -> Path:
        file = tmp_path / "own.toml"
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv("IMGTK_CONFIG", str(file))
        return file

    return write


def test_every_shipped_preset_is_a_pipeline() -> None:
    shipped = presets(default().presets, Config())
    wishes = {"photo-x2", "photo-x4", "old-photo", "drawing", "jpeg", "video-x2", "print", "web", "monet", "great-wave"}
    assert wishes <= shipped.keys()
    for preset in shipped.values():
        assert preset.summary
        assert parse(preset.pipeline, default()).nodes


def test_the_table_of_presets() -> None:
    section = (ROOT / "docs/presets.md").read_text("utf-8").partition("<!-- presets -->")[2].partition("<!-- /pre")[0]
    rows = [f"| `:{preset.name}` | {preset.summary} |" for preset in default().presets.values()]
    assert sorted(section.strip().splitlines()[2:]) == sorted(rows)


def test_the_first_own_preset_is_made_as_the_list_tells(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMGTK_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    said = cli("presets").output
    path, lines = re.search(r"Your own go into (.*):\n\n((?:  .*\n)+)", said).groups()  # type: ignore[union-attr]
    assert Path(path) == tmp_path / "imgtk" / "imgtk.toml"
    Path(path).parent.mkdir()
    Path(path).write_text(lines, encoding="utf-8")
    assert ":mine" in cli("presets").output
    assert f"Your own are in {path}" in cli("presets").output


@pytest.mark.parametrize("words", [[":web"], ["--preset", "web"], ["-p", "web"], ["-p", ":web"]])
def test_a_preset_brings_its_pipeline_and_options(cli: Cli, photo: Path, words: list[str]) -> None:
    assert cli("run", *words, photo).exit_code == 0
    with PIL.Image.open("photo.imgtk.webp") as image:
        assert image.size == (40, 30)  # which is not enlarged


def test_print_states_300_dpi(cli: Cli, photo: Path, settings: Settings) -> None:
    settings('[presets.small]\npipeline = "resize:area x0.5"\noptions = { dpi = 300, format = "png" }')
    assert cli("run", ":small", photo).exit_code == 0
    assert cli("run", ":small", photo, "--dpi", "72", "-o", "b.jpg").exit_code == 0
    for name, dpi in (("photo.imgtk.png", 300), ("b.jpg", 72)):
        with PIL.Image.open(name) as image:
            assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.01)
    result = cli("run", ":small", photo, "-o", "c.webp")
    assert result.exit_code == 1
    assert "WebP does not store a resolution" in result.stderr


def test_presets_are_listed_and_explained(cli: Cli, settings: Settings) -> None:
    file = settings('# mine\n[presets.mine]\npipeline = """\nadjust:blur 2\n| save b.png\n"""\nsummary = "Soft."')
    assert re.search(rf":mine +Soft\. +{re.escape(str(file))}, line 2, presets\.mine\n", cli("presets").stdout)
    assert 'imgtk run "adjust:blur 2 | save b.png" in.jpg' in cli("presets", "mine").stdout
    assert "--dpi 300" in cli("presets", ":print").stdout
    assert json.loads(cli("presets", "mine", "--json").stdout)["pipeline"].startswith("adjust:blur")
    assert "Did you mean :mine?" in cli("presets", "mien").stderr


def test_the_plan_of_a_preset(cli: Cli) -> None:
    assert "upscale:esrgan" in cli("plan", ":photo-x4", "--size", "10x10").stdout
    assert "upscale:esrgan" in cli("plan", "-p", "photo-x4", "--size", "10x10").stdout


def test_what_is_nearer_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMGTK_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    own, project = tmp_path / "config" / "imgtk" / "imgtk.toml", tmp_path / "work" / "imgtk.toml"
    inner = project.parent / "a" / "b"
    for folder in (own.parent, inner):
        folder.mkdir(parents=True)
    own.write_text('defaults.run.format = "bmp"\ndefaults.run.quality = 50\n[presets.web]\npipeline="adjust:blur"')
    project.write_text('[defaults.run]\nformat = "png"\n[presets.p]\npipeline="adjust:blur"')
    monkeypatch.chdir(inner)
    assert [path for path, _ in config_files()] == [own, project]
    config = load_config()
    assert {name: default.value for name, default in config.defaults["run"].items()} == {"format": "png", "quality": 50}
    assert presets(default().presets, config)["web"].pipeline == "adjust:blur"
    assert "p" in config.presets
    project.write_text('[plugins]\nfolders = ["."]')
    with pytest.raises(ConfigError, match="cannot name plugins"):
        load_config()


def test_defaults_give_way_to_the_command_line(cli: Cli, photo: Path, settings: Settings) -> None:
    settings('[defaults]\ndevice = "cpu"\ntile = 16\n[defaults.run]\nformat = "png"\ndepth = 16\nlossless = false\n')
    assert cli("run", "adjust:gamma 1", photo).exit_code == 0
    assert cli("run", "adjust:gamma 1", photo, "--format", "jpg", "--depth", "8").exit_code == 0
    assert Path("photo.imgtk.png").exists()
    assert Path("photo.imgtk.jpg").exists()
    assert cli("run", "--help").exit_code == 0
    assert cli("bench", "upscale", "--help").exit_code == 0


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[defaults.run]\nquality = 900", 2, "900 is not in the range"),
        ('[defaults.run]\n\nquality = "high"', 3, "'high' is not a valid"),
        ("[defaults.run]\nqualty = 9", 2, "Did you mean quality?"),
        ("[defaults]\ndevise = 'cpu'", 2, "Did you mean device?"),
        ("[defaults]\noverwrite = true", 2, "only be given on the command line"),
        ("[defaults.run]\nlossless = 1", 2, "expected true or false"),
        ("[defaults.run]\ndevice = [1]", 2, "a text, a number, true or false"),
        ("[defaults.rum]\ndevice = 'cpu'", 2, "no command `imgtk rum`"),
        ("[presets]\nweb = 3", 2, "expected a table, got a number"),
        ("[presets.x]\n\npipelin = 'adjust:blur'", 3, "Did you mean pipeline?"),
        ("\n[presets.x]\nsummary = ''", 2, "the key pipeline is missing"),
        ("[presets.x]\npipeline = 5", 2, "expected a text, got a number"),
        ("[presets.x]\npipeline = ''", 1, "the pipeline is empty"),
        ("[presets.'X y']\npipeline = 'adjust:blur'", 1, "lower case"),
        ("[preset.x]\npipeline = 'adjust:blur'", 1, "Did you mean presets?"),
        ("a = 1\nb = = 2", 2, "not valid TOML"),
    ],
)
def test_mistakes_are_told_with_file_line_and_key(
    cli: Cli, photo: Path, settings: Settings, text: str, line: int, said: str
) -> None:
    file = settings(text)
    result = cli("run", "adjust:blur", photo)
    assert result.exit_code == 2
    assert str(file) in result.stderr
    assert f"line {line}" in result.stderr
    assert said in result.stderr
    assert not list(Path.cwd().glob("photo.imgtk*"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pipeline = 'adjust:blurr'", "Did you mean adjust:blur"),
        ("pipeline = 'adjust:blur'\noptions = { qualty = 3 }", "option qualty: there is no such option"),
        ("pipeline = 'adjust:blur'\noptions = { quality = 300 }", "300 is not in the range"),
        ("pipeline = 'adjust:blur'\noptions = { overwrite = true }", "only be given on the command line"),
    ],
)
def test_mistakes_in_a_preset_name_it(cli: Cli, photo: Path, settings: Settings, text: str, said: str) -> None:
    file = settings(f"[presets.mine]\n{text}")
    result = cli("run", ":mine", photo)
    assert result.exit_code == 2
    assert f"preset mine ({file}, line 1" in result.stderr
    assert said in result.stderr


def test_a_file_that_cannot_be_read(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings
) -> None:
    monkeypatch.setenv("IMGTK_CONFIG", str(tmp_path / "none.toml"))
    assert "cannot read" in cli("ops").stderr
    settings("x").write_bytes(b"\xff\xfe")
    assert "not valid TOML" in cli("ops").stderr


def test_no_preset_of_that_name(cli: Cli, photo: Path) -> None:
    for words in ([":photo"], [":"], ["-p", "pipeline.yaml"], ["-p", "web", "--pipeline-file", "x.txt"]):
        result = cli("run", *words, photo)
        assert result.exit_code == 2
    assert "--pipeline-file" in cli("run", "-p", "pipeline.yaml", photo).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["photo.jpg", "adjust:blur 2"], "imgtk run 'adjust:blur 2' photo.jpg"),
        (["photo.jpg", ":web"], "imgtk run :web photo.jpg"),
        (["photo.jpg"], "imgtk run 'upscale:esrgan x4' photo.jpg"),
        (["missing.png", "adjust:blur", "b.png"], "imgtk run adjust:blur missing.png b.png"),
        (["s3://bucket/a", "adjust:blur"], "imgtk run adjust:blur s3://bucket/a"),
        (["adjust:blur", "2", "photo.jpg"], '"adjust:blur 2"'),
        (["upscale:bicubic", "x4", "photo.jpg"], '"upscale:bicubic x4"'),
    ],
)
def test_arguments_in_a_wrong_order(cli: Cli, photo: Path, words: list[str], said: str) -> None:
    for command in ("run", "plan"):
        result = cli(command, *words)
        assert result.exit_code == 2
        if command == "run" or len(words) < 3:
            assert said.replace("imgtk run", f"imgtk {command}") in result.stderr


def test_an_image_with_the_name_of_an_operator(cli: Cli, photo: Path) -> None:
    photo.rename("blend")
    result = cli("run", "blend", "blend")
    assert "comes first" not in result.stderr
    assert cli("run", "adjust:blur", "blend", "-o", "out.png").exit_code == 0


def test_lines_of_keys() -> None:
    text = 'a.b = 1\n[t."x y"]\n# c = 2\nc = 3\n[[list]]\nd = 4\n'
    assert line_of(text, ["a", "b"]) == 1
    assert line_of(text, ["t", "x y", "c"]) == 4
    assert line_of(text, ["t", "x y", "missing"]) == 2
    assert line_of(text, ["list", "d"]) == 6
    assert line_of(text, ["nowhere"]) == 1
