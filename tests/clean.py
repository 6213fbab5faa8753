"""Environments of their own for tests: a fresh one with this one's libraries, and wheels made by hand."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile


def clean_environment(home: Path) -> Path:
    """The interpreter of a new environment that sees the libraries of ours, pip among them."""
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    where = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    libraries = sysconfig.get_path("purelib")
    (Path(where.strip()) / "libraries.pth").write_text(f"import site; site.addsitedir({libraries!r})\n")
    return python


def offline(home: Path, links: Path | None = None) -> dict[str, str]:
    """The variables of processes that find packages in the folder `links` only, and keep their data in `home`."""
    found = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "IMGTK_"))}
    found |= {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_CONFIG_HOME": str(home / "config")}
    found |= {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return found | ({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links)} if links else {})


def make_wheel(folder: Path, name: str, version: str = "1.0", *, files: Mapping[str, str], **fields: str) -> Path:
    """A wheel with these files. `fields` are lines of its metadata, `Requires_Dist="numpy<1"`; the package NAME, with
    underscores, is a plugin if it is among the files."""
    package = name.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    lines = [f"{key.replace('_', '-')}: {value}" for key, value in fields.items()]
    metadata = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines]) + "\n"
    contents = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if f"{package}/__init__.py" in files:
        contents[f"{info}/entry_points.txt"] = f"[imgtk]\n{name} = {package}\n"
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    wheel = folder / f"{package}-{version}-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return wheel
