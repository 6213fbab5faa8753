"""The example of a stranger's package, from its wheel in a clean environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "imgtk-sepia"

pytestmark = pytest.mark.slow

TONE = """
import imgtk, numpy
toned = imgtk.Pipeline("adjust:sepia 1 | upscale:nearest x2")(numpy.full((4, 6), 100, numpy.uint8))
print(toned.size, *toned.pixels[0, 0])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the example's wheel in it, and the libraries of ours."""
    source, out, home = (tmp_path_factory.mktemp(name) for name in ("source", "wheel", "venv"))
    shutil.copytree(
        EXAMPLE, source, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    )
    pip = [sys.executable, "-m", "pip"]
    offline = ["--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "wheel", *offline, "--no-build-isolation", "-w", out, source], check=True, timeout=300)
    (wheel,) = out.glob("imgtk_sepia-1.0-*.whl")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    where = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    libraries = sysconfig.get_path("purelib")
    (Path(where.strip()) / "libraries.pth").write_text(f"import site; site.addsitedir({libraries!r})\n")
    subprocess.run([*pip, "--python", python, "install", *offline, wheel], check=True, timeout=300)
    return python


def run(python: Path, *words: str, where: Path) -> str:
    done = subprocess.run([python, *words], cwd=where, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_operator_is_found_described_and_run(python: Path, tmp_path: Path) -> None:
    assert "adjust:sepia" in run(python, "-m", "imgtk", "ops", where=tmp_path)
    assert "imgtk-sepia" in run(python, "-m", "imgtk", "plugins", where=tmp_path)
    assert "strength" in run(python, "-m", "imgtk", "help", "adjust:sepia", where=tmp_path)
    assert run(python, "-c", TONE, where=tmp_path).split() == ["12x8", "100", "91", "74"]


def test_its_own_tests_pass(python: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path, dirs_exist_ok=True)
    assert "passed" in run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", where=tmp_path)
