"""Servers of their own processes, reached over real sockets; and a plugin that misbehaves on demand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from imgtk.client import Client
from tests.serve.browser import browser, outside
from tests.waiting import until

ROOT = Path(__file__).parents[2]

PLUGIN = """
import os
import time
import imgtk
from imgtk.op import OpSpec
from imgtk.params import Number, Param

SECONDS = (Param("seconds", Number(0, 1000), "How long.", default=1.0, positional=True),)

@imgtk.hookimpl
def imgtk_operators():
    return [
        OpSpec("test:sleep", "misbehaving.op:Sleep", "Sleep in one piece.", SECONDS),
        OpSpec("test:wait", "misbehaving.op:Wait", "Wait, step by step.", SECONDS),
        OpSpec("test:crash", "misbehaving.op:Crash", "End the process."),
        OpSpec("test:fail", "misbehaving.op:Fail", "Raise."),
    ]
"""
OPERATORS = """
import os
import time
from imgtk.geometry import Extent, Geometry
from imgtk.op import ImageOp
from imgtk.steps import report_step

class Sleep(ImageOp):
    geometry = Geometry()
    def __init__(self, seconds=1.0):
        self.seconds = seconds
    def __call__(self, x):
        time.sleep(self.seconds if x.shape[-1] > 16 else 0)
        return x.clone()

class Wait(ImageOp):
    geometry = Geometry(extent=Extent.WHOLE)
    def __init__(self, seconds):
        self.seconds = seconds
    def __call__(self, x):
        steps = int(self.seconds * 50)
        for step in range(steps):
            time.sleep(0.02)
            report_step(step + 1, steps)
        return x.clone()

class Crash(Sleep):
    def __call__(self, x):
        os._exit(3)

class Fail(Sleep):
    def __call__(self, x):
        raise KeyError("secret of /etc/passwd")
"""


@dataclass
class Served:
    """A server that runs: where, its process, and what it has written."""

    url: str
    process: subprocess.Popen[str]
    log: Path
    folder: Path

    def client(self, token: str | None = None, address: str | None = None) -> Client:
        """A client, which may come from another loopback address than 127.0.0.1."""
        transport = httpx.HTTPTransport(local_address=address) if address else None
        http = httpx.Client(timeout=60, transport=transport) if transport else httpx.Client(timeout=60)
        return Client(self.url, token, http=http)

    def get(self, path: str, **how: object) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60, **how)  # type: ignore[arg-type]

    def workers(self) -> list[psutil.Process]:
        """Its processes that compute or inspect, youngest last."""
        helpers = [
            child
            for child in psutil.Process(self.process.pid).children()
            if any(word in " ".join(child.cmdline()) for word in ("resource_tracker", "forkserver"))
        ]
        children = psutil.Process(self.process.pid).children(recursive=True)
        return sorted((child for child in children if child not in helpers), key=lambda child: child.create_time())

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_ready(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while self.get("/api/v1/health").json()["status"] != "ok":
            assert time.monotonic() < end, self.text()
            assert self.process.poll() is None, self.text()
            time.sleep(0.1)

    def metric(self, name: str) -> float:
        lines = [line for line in self.get("/metrics").text.splitlines() if line.startswith(f"imgtk_{name}")]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


Start = Callable[..., Served]


@pytest.fixture(scope="session")
def misbehaving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with a plugin of another distribution than imgtk."""
    folder = tmp_path_factory.mktemp("plugin")
    package, info = folder / "misbehaving", folder / "misbehaving-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text(dedent(PLUGIN))
    (package / "op.py").write_text(dedent(OPERATORS))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[imgtk]\nmisbehaving = misbehaving\n")
    return folder


def started(folder: Path, plugin: Path, words: tuple[str, ...], **variables: str) -> Served:
    """Start `imgtk serve` on a free port, and wait until it listens."""
    paths = [str(ROOT), str(ROOT / "plugins"), str(plugin), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "TMPDIR": str(folder)}
    log = folder / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "imgtk", "serve", "--port", "0", "--device", "cpu", *words],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**environment, **variables},
            cwd=folder,
        )
    assert process.stdout
    line = process.stdout.readline()
    assert line, log.read_text()
    url = line.split()[-1].partition("/#")[0].rstrip("/").replace("0.0.0.0", "127.0.0.1")
    return Served(url, process, log, folder)


def ended(served: Served) -> None:
    """End a server, and see that it leaves no process and no file."""
    children = psutil.Process(served.process.pid).children(recursive=True) if served.process.poll() is None else []
    served.process.send_signal(signal.SIGTERM)
    try:
        served.process.wait(120)
    finally:
        served.process.kill()
        assert served.process.stdout
        served.process.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []
    assert list(served.folder.glob("imgtk-serve-*")) == []


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, misbehaving: Path) -> Iterator[Start]:
    """Start servers; each ends with the module, if the test does not end it."""
    running: list[Served] = []

    def begin(*words: str, **variables: str) -> Served:
        running.append(started(tmp_path_factory.mktemp("served"), misbehaving, words, **variables))
        return running[-1]

    yield begin
    for served in running:
        if served.process.poll() is None:
            ended(served)


@pytest.fixture(scope="module")
def served(start: Start) -> Served:
    """A server with the usual limits and two workers, and with the plugin."""
    server = start("--plugins", "--workers", "2", "--tile", "64")
    server.wait_ready()
    return server


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small colour image."""
    y, x = np.mgrid[:48, :64]
    pixels = np.stack([x * 4, y * 5, (x * y) % 256], axis=2).astype(np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def page_server(start: Start) -> Served:
    served = start("--plugins", "--workers", "2", "--tile", "64", "--grace", "0")
    served.wait_ready()
    return served


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(downloads: Path) -> Iterator[Any]:
    with browser(downloads) as driver:
        yield driver


@pytest.fixture
def page(driver: Any, page_server: Served) -> Iterator[Any]:
    """The page as a new visitor sees it."""
    driver.get(f"{page_server.url}/api/v1/health")  # of the same origin, without the page's scripts
    driver.execute_script("localStorage.clear()")
    outside(driver, page_server.url)
    driver.get(page_server.url)
    until(lambda: len(driver.find_elements("css selector", "#add option")) > 5)
    yield driver
    assert outside(driver, page_server.url) == []
