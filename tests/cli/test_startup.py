"""Commands that only tell start at once: they leave the heavy libraries alone."""

import json
import subprocess
import sys

import pytest

HEAVY = ["torch", "numpy", "cv2", "PIL", "rich", "scipy", "lightning_fabric"]


@pytest.mark.parametrize(
    "words",
    [
        "--help",
        "--version",
        "ops",
        "ops --json",
        "help upscale:bicubic",
        "plugins",
        "models",
        "run --help",
        "bench upscale --help",
    ],
)
def test_light_commands_import_nothing_heavy(words: str) -> None:
    script = f"""
import json, sys
from imgtk.cli import main
try:
    main({words.split()})
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_help_asks_no_plugin() -> None:
    script = """
import sys
from imgtk.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert not end.code, end.code
plugins = ("imgtk_", "imgtk.registry", "pluggy", "importlib.metadata")
assert not [name for name in sys.modules if name.startswith(plugins)]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_python_m_imgtk() -> None:
    done = subprocess.run([sys.executable, "-m", "imgtk", "--version"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("imgtk ")
