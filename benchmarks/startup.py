"""Start-up: how long the command line takes until it answers, from bytecode, as after an installation.

python benchmarks/startup.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from common import arguments, bars, record, seconds

IMGTK = [sys.executable, "-m", "imgtk"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "imgtk --help": [*IMGTK, "--help"],
    "imgtk ops": [*IMGTK, "ops"],
    "imgtk help upscale:esrgan": [*IMGTK, "help", "upscale:esrgan"],
    "imgtk run adjust:sepia": [*IMGTK, "run", "adjust:sepia", "in.png", "-o", "out.png", "--overwrite", "--quiet"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=9, help="runs of each command; the median counts")
    options = parser.parse_args()

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    with TemporaryDirectory() as folder:
        Image.new("RGB", (256, 192)).save(Path(folder) / "in.png")

        def runner(command: list[str]) -> Callable[[], object]:
            return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment, cwd=folder)

        times = seconds({name: runner(command) for name, command in COMMANDS.items()}, options.repeat)
    rows = [{"command": name, "seconds": value} for name, value in times.items()]
    record("startup", rows, options.out, bars(times, "Start-up", "seconds"))


if __name__ == "__main__":
    main()
