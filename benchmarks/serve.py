"""What serving costs: throughput of served runs over that of `imgtk run`, overhead of a small job, seconds to the page.

    python benchmarks/serve.py

Both sides are warm and take turns. Everything stays on this machine's loopback.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from skimage import data

from common import arguments, bars, record
from imgtk.client import Client

PIPELINE, IMAGES, SIDE = "upscale:compact x4", 4, 160
SMALL, JOBS = "adjust:gamma 1.5", 40
STARTS = 5

RUNNER = f"""
import sys, time
from pathlib import Path
from imgtk.batch import run
from imgtk.pipeline import Pipeline

out, *files = sys.argv[1:]
pipeline = Pipeline({PIPELINE!r})
for number, line in enumerate(sys.stdin):
    start = time.perf_counter()
    rows = list(run(pipeline, files, Path(out) / str(number)))
    print(time.perf_counter() - start, flush=True)
    assert all(row.status == "done" for row in rows)
"""
"""What `imgtk run` does, as often as a line comes, without the start of Python."""


@contextmanager
def server(*words: str) -> Iterator[tuple[str, float]]:
    """A server's address, and the seconds until it gave the page."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "imgtk", "serve", "--port", "0", "--quiet", *words]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        while True:
            try:
                httpx.get(url).raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.01)
        seconds = time.perf_counter() - start
        while httpx.get(f"{url}api/v1/health").json()["status"] != "ok":
            time.sleep(0.05)
        yield url, seconds
    finally:
        process.terminate()
        process.wait(60)


def images(folder: Path) -> list[Path]:
    photo = Image.fromarray(data.astronaut())
    found = []
    for number in range(IMAGES):
        path = folder / f"{number:02}.png"
        left, top = 13 * number % (512 - SIDE), 29 * number % (512 - SIDE)
        photo.crop((left, top, left + SIDE, top + SIDE)).save(path)
        found.append(path)
    return found


@contextmanager
def runner(files: list[Path], out: Path) -> Iterator[Callable[[], float]]:
    """A function that sends all files through the pipeline as `imgtk run` does, and gives the seconds that it took."""
    command = [sys.executable, "-c", RUNNER, str(out), *map(str, files)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def seconds() -> float:
            assert process.stdin
            assert process.stdout
            process.stdin.write("\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        yield seconds
        assert process.stdin
        process.stdin.close()


def served(url: str, files: list[Path]) -> float:
    """Seconds of the same through the server, by one client with four jobs at a time."""
    with Client(url) as client, ThreadPoolExecutor(4) as pool:
        start = time.perf_counter()
        list(pool.map(lambda path: client.run(PIPELINE, path), files))
        return time.perf_counter() - start


def overheads(url: str, image: Path) -> list[float]:
    """Milliseconds of small jobs, one after the other, beyond reading, computing and writing."""
    found = []
    with httpx.Client(base_url=url, timeout=60) as http:
        for number in range(JOBS + 5):
            start = time.perf_counter()
            form: dict[str, Any] = {"data": {"pipeline": SMALL}, "files": {"image": ("a.png", image.read_bytes())}}
            answer = http.post("/api/v1/run", headers={"Prefer": "wait=60"}, **form).raise_for_status()
            seconds = time.perf_counter() - start
            job = http.get(f"/api/v1/jobs/{answer.headers['x-job']}").json()
            if number >= 5:
                found.append(1000 * (seconds - sum(job["result"]["seconds"].values())))
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeat", type=int, default=15, help="rounds of all images; the median counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = images(folder)
        pages = []
        for _ in range(STARTS):
            with server() as (_, page):
                pages.append(page)
        rounds = []
        with server() as (url, _), runner(files, folder) as alone:
            alone(), served(url, files)
            for number in range(options.repeat):
                first = alone() if number % 2 else None
                through = served(url, files)
                rounds.append((first or alone(), through))
            small = overheads(url, files[0])
    ratios = [run / through for run, through in rounds]
    what = f"`{PIPELINE}` on {IMAGES} images of {SIDE}x{SIDE}"
    rows = [
        _row(f"throughput of {what}, served, over that of `imgtk run`", "times", ratios),
        _row(f"`{SMALL}` on a warm worker, beyond reading, computing and writing", "ms", small),
        _row("start of `imgtk serve` until the page is sent", "s", pages),
    ]
    sides = dict(zip(("imgtk run", "served"), map(statistics.median, zip(*rounds, strict=True)), strict=True))
    record("serve", rows, options.out, bars(sides, f"{PIPELINE}, {IMAGES} images", "seconds"))


def _row(what: str, unit: str, values: list[float]) -> dict[str, Any]:
    return {
        "what": what,
        "figure": statistics.median(values),
        "unit": unit,
        "cpus": len(os.sched_getaffinity(0)),
        "all": [round(value, 4) for value in values],
    }


if __name__ == "__main__":
    main()
