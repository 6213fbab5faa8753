"""The wheel: it holds the packages with their data and nothing else, and works where it is installed."""

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
DATA = {".py", ".safetensors", ".toml", ".html", ".css", ".js", ".bash", ".zsh", ".fish", ".ps1"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without network from the sdist of a copy of the tree, as a release is."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("imgtk", "plugins", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    sdist = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", sdist, out], cwd=source, check=True, timeout=300, stdout=subprocess.DEVNULL)
    subprocess.run([*pip, "-w", out, *out.glob("imgtk-*.tar.gz")], check=True, timeout=300)
    (built,) = out.glob("imgtk-*.whl")
    return built


def test_wheel_holds_the_packages_and_their_data_only(wheel: Path) -> None:
    expected = {
        str(path.relative_to(base))
        for base, folders in ((ROOT, ["imgtk"]), (ROOT / "plugins", ["."]))
        for folder in folders
        for path in (base / folder).rglob("*")
        if path.suffix in DATA
        or path.name in ("py.typed", "directory.json")
        or ("template" in path.parts and path.is_file())
    }
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected
    assert "imgtk/py.typed" in held
    assert {name.partition("/")[0] for name in held} == {"imgtk", *(p.name for p in (ROOT / "plugins").iterdir())}


def test_the_package_index_takes_wheel_and_sdist(wheel: Path) -> None:
    """PyPI takes files up to 100 MB; its page of the project has no relative links."""
    for built in wheel.parent.iterdir():
        assert built.stat().st_size < 100e6, built.name
    with ZipFile(wheel) as archive:
        (metadata,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    for field in ("Author: The imgtk authors", "License-Expression: Apache-2.0", "Requires-Python: >=3.10"):
        assert f"{field}\n" in metadata
    links = re.findall(r"\]\(([^)]+)\)", metadata.partition("\n\n")[2])
    assert links
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_everything_imported_is_declared_and_pinned(wheel: Path) -> None:
    imported = {
        name.partition(".")[0]
        for folder in ("imgtk", "plugins")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    owners = packages_distributions()  # pytest itself loads the only module that imports it
    needed = {normalised(owners[name][0]) for name in imported if name in owners} - {"imgtk", "pytest"}
    assert {"torch", "opencv-python-headless"} <= needed
    with ZipFile(wheel) as archive:
        (metadata,) = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    required = re.findall(r"^Requires-Dist: ([\w.-]+)(?!.*extra == \"(?:test|dev)\")", metadata, re.MULTILINE)
    assert needed <= set(map(normalised, required))
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert needed <= {normalised(name) for name in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE)}


def normalised(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    target = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    # The libraries of this environment; the .pth files among them, our own editable install's too, are not followed.
    (Path(target.strip()) / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--force-reinstall", wheel], check=True, timeout=300)

    def imgtk(*words: str) -> str:
        command = [home / "bin" / "imgtk", *words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120).stdout

    where = subprocess.check_output([python, "-c", "import imgtk; print(imgtk.__file__)"], text=True, cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(home)
    assert "upscale:esrgan" in imgtk("ops")
    assert "FAILED" not in imgtk("plugins")
    shipped = {path.stem for path in ROOT.glob("plugins/*/weights/*.safetensors")}
    assert shipped <= set(imgtk("models").split())
