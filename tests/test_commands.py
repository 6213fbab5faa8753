"""Every command and every Python example in the documentation works.

A command is a line of a `sh` block or of an indented block. Each one runs with small files under the names that it
uses, in one folder per page, or is parsed only for the reason in `PARSED_ONLY`. A command without a check fails.
The tests of the examples check examples/*/README.md, and tests/test_guides.py checks docs/plugins.md.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file
from skimage import data

from imgtk.cli import main
from imgtk.language import parse
from imgtk.registry import default
from imgtk.training.recipe import load_recipe, shipped_recipes
from imgtk.training.trainer import trainer_type

ROOT = Path(__file__).parents[1]
PAGES = [
    page
    for glob in ("README.md", "CONTRIBUTING.md", "docs/*.md", "plugins/*/README.md")
    for page in sorted(ROOT.glob(glob))
]
PARSED_ONLY = {
    "train": "takes minutes: recipe and settings are checked",
    "bench": "takes minutes: the pipelines are parsed",
    "models pull": "needs the network",
    "imgtk check imgtk-": "needs an installed plugin: see tests/cli",
    "imgtk serve": "runs until Ctrl-C: see tests/serve",
    "imgtk install": "changes the environment: see tests/cli",
    "imgtk uninstall": "changes the environment: see tests/cli",
    "doctor --bench": "takes a minute",
    "--watch": "runs until Ctrl-C",
    "--engine ray": "starts a cluster",
    "s3://": "needs an object store",
    ".param": "needs a file of ncnn: see tests/weights",
    "style:gram": "takes a minute: see tests/plugins",
    "generate:texture": "takes two minutes at the sizes of the page: see tests/plugins",
    "--backend openvino": "needs OpenVINO",
    "model=RealESRGAN": "needs the network",
}
NETWORKS = {
    "upscale": "imgtk_esrgan/weights/compact-x4",
    "style:fast": "imgtk_gramstyle/weights/mosaic",
    "style:any": "imgtk_anystyle/weights/any",
    "stylize-sr": "imgtk_stylizesr/weights/monet-x4",
    "translate:cyclegan": "imgtk_cyclegan/weights/photo2monet",
    "translate:pix2pix": "imgtk_pix2pix/weights/sketch2photo",
    "translate:unit": "imgtk_unit/weights/unit-monet",
}
"""Shipped weights that stand for the files that a command's operator is given."""
SEEN: set[str] = set()
"""Pipelines that have run in this process; they do not run again."""
IMAGES = (".jpg", ".png", ".tif", ".webp")
FOLDERS = ("photos", "holiday", "inbox")


def blocks(page: Path, languages: str) -> list[str]:
    return re.findall(rf"^```(?:{languages})\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> Iterator[str]:
    """The commands of a page, each on one line."""
    text = page.read_text("utf-8")
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    ([a-z]+ .*)$", prose, re.MULTILINE)
    fenced = "".join(blocks(page, "sh|bash|console|shell")).replace("\\\n", " ").splitlines()
    yield from (line for line in [*fenced, *indented] if line and not line.startswith("#"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("IMGTK_WEIGHTS", str(tmp_path / "own-weights"))
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=lambda page: page.stem)
def test_commands(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for settings in blocks(page, "toml"):
        if settings.startswith("# imgtk.toml"):
            Path("imgtk.toml").write_text(settings)
            monkeypatch.delenv("IMGTK_CONFIG")
    for command in commands(page):
        words = shlex.split(command, comments=True)
        check = CHECKS.get(words[0])
        assert check, f"no check for {command!r}"
        check(words, command)


def check_imgtk(words: list[str], command: str) -> None:
    words, output = (words[: words.index(">")], words[-1]) if ">" in words else (words, None)
    if any(mark in command for mark in PARSED_ONLY):
        parse_only(words[1:])
        return
    provide(words)
    if words[1] == "run":
        if words[2] in SEEN:
            parse_only(words[1:])
            return
        SEEN.add(words[2])
        if "--resume" not in words:
            words = [*words, "--overwrite"]
    result = CliRunner().invoke(main, words[1:])
    assert result.exit_code == 0, (command, result.output, result.exception)
    if output:
        Path(output).write_text(result.stdout)


def parse_only(words: list[str]) -> None:
    """Check the options of a command, and what they mean as far as that is known without running it."""
    group: click.Command = main
    with click.Context(main) as ctx:
        while isinstance(group, click.Group):
            found = group.get_command(ctx, words[0])
            if not found:  # `imgtk models` is a command, too
                break
            group, words = found, words[1:]
        values = group.make_context("imgtk", words).params
    if group.name == "train":
        spec = default().spec(values["op"])
        assert spec.trainer
        recipe = shipped_recipes(spec).get(values["recipe"]) if values["recipe"] else None
        assert recipe or not values["recipe"], values["recipe"]
        load_recipe(trainer_type(spec.trainer).recipe_type, recipe, dict(values["settings"]))
    if group.name == "run" and values["words"] and not values["pipeline_file"] and values["words"][0][0] != ":":
        parse(values["words"][0], default())
    for pipeline in values.get("pipelines", ()):
        parse(pipeline.replace("{}", "4"), default())
    for name in ",".join(values.get("ops", ())).split(","):
        assert not name or default().spec(f"upscale:{name}")


def provide(words: list[str]) -> None:
    """Make the files and folders that a command reads, under the names that it gives them."""
    inputs = [word for option, word in pairwise(words) if not option.startswith("-")]
    for word in (word for text in inputs for word in re.sub(r"save ('[^']*'|\S+)", "", text).split()):
        for name in re.split(r"[,=]", word.strip("'()")):
            path = Path(name).expanduser()
            if path.suffix in IMAGES:
                image(Path(str(path).replace("*", "1")))
            elif path.suffix in (".mp4", ".mkv"):
                clip(path)
            elif path.suffix == ".gif":
                first, second = (Image.new("RGB", (16, 12), colour) for colour in ("red", "blue"))
                first.save(path, save_all=True, append_images=[second])
            elif path.suffix in (".pth", ".safetensors"):
                network(path, " ".join(words))
            elif path.parts and (path.parts[0] in FOLDERS or name.startswith("frames/")) and not path.exists():
                for number in range(3):
                    image(path / f"{number + 1:06}.png")


def image(path: Path) -> None:
    """Write a small image: a half-white mask, or a photo with a white spot, and with a hole where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return
    pixels, half = data.chelsea()[100:124, 100:132].copy(), np.zeros((24, 32), np.uint8)
    pixels[4:6, 4:6] = half[:, 16:] = 255
    if "mask" in path.stem:
        pixels = half
    elif "cut" in path.stem:
        pixels = np.dstack([pixels, half])
    Image.fromarray(pixels).save(path)


def clip(path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for level in (0, 100, 200):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def network(path: Path, command: str) -> None:
    """Shipped weights under another name: those of the operator that the command names, or of an upscaler."""
    fitting = [name for task, name in NETWORKS.items() if f"{task}" in command]
    source = ROOT / "plugins" / f"{fitting[-1] if fitting else NETWORKS['upscale']}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pth":
        torch.save(load_file(source), path)
    else:
        shutil.copy(source, path)
        shutil.copy(source.with_suffix(".toml"), path.with_suffix(".toml"))


def check_launcher(words: list[str], command: str) -> None:
    """torchrun and srun, of which the part that starts with imgtk is checked."""
    parse_only(words[words.index("imgtk") + 1 :])


def check_pip(words: list[str], command: str) -> None:
    extras = re.findall(r'^        "(\w+)": ', (ROOT / "setup.py").read_text("utf-8"), re.MULTILINE)
    for named in re.findall(r"\[([\w,]+)\]", command):
        assert set(named.split(",")) <= set(extras), command
    assert re.search(r" (imgtk|\.)(\[|'|$)", command.replace("'", "")), command


def check_python(words: list[str], command: str) -> None:
    if words[1] == "-m":
        return
    source = (ROOT / words[1]).read_text("utf-8")
    for option in (word for word in words[2:] if word.startswith("--")):
        assert f'"{option}"' in source, command


def check_make(words: list[str], command: str) -> None:
    assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text("utf-8"), command


def check_curl(words: list[str], command: str) -> None:
    """Check the pipeline and the path of a request; tests/serve sends such requests."""
    (path,) = re.findall(r"(/api/v1/\S+)", command)
    method = "DELETE" if "DELETE" in words else "POST" if "-F" in words else "GET"
    documented = (ROOT / "docs" / "serve.md").read_text("utf-8")  # which a test compares with the routes
    assert f"#### {method} {path.replace('ID', '{id}')}\n" in documented, command
    for field in words:
        if field.startswith("pipeline="):
            parse(field.removeprefix("pipeline="), default())


def check_docker(words: list[str], command: str) -> None:
    assert (ROOT / "Dockerfile").exists()


CHECKS = {
    "curl": check_curl,
    "docker": check_docker,
    "imgtk": check_imgtk,
    "torchrun": check_launcher,
    "srun": check_launcher,
    "pip": check_pip,
    "python": check_python,
    "make": check_make,
}


def test_an_unknown_command_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Text.\n\n    frobnicate in.jpg\n\n```sh\nimgtk run x \\\n    in.jpg\n```\n```text\nno command\n```\n"
    )
    assert [" ".join(line.split()) for line in commands(page)] == ["imgtk run x in.jpg", "frobnicate in.jpg"]
    assert "frobnicate" not in CHECKS
    with pytest.raises(click.UsageError):
        parse_only(["train", "upscale:compact", "--data", "x", "--out", "y", "--unknown"])


EXAMPLES = [page for page in PAGES if blocks(page, "python") and page.stem != "api"]  # which has signatures


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_python(page: Path, place: Path) -> None:
    """Run the blocks of a page in order, except those that need a cluster or a package."""
    scope: dict[str, object] = {"array": np.zeros((8, 8, 3), np.uint8)}
    for code in blocks(page, "python"):
        compiled = compile(code, page.name, "exec")
        if page.stem == "plugins" or "imgtk.batch.ray" in code:
            continue
        for name in re.findall(r'"([^"]+)"', re.sub(r'(save\(|, )"[^"]*"', "", code)):
            provide(["", "", name])
        exec(compiled, scope)
