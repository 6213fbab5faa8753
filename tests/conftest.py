"""What all tests share."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import settings

from tests.serving import Server

settings.register_profile("imgtk", deadline=None, database=None)  # busy machines are slow, not wrong
settings.load_profile("imgtk")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's images, benchmarks and checkpoints: `IMGTK_SHARED`, or `shared/data` beside the repository."""
    given = os.environ.get("IMGTK_SHARED")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the project's data: set IMGTK_SHARED to its folder")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _nobodys_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests leave the weights and settings of whoever runs them alone."""
    os.environ["IMGTK_CONFIG"] = os.devnull
    os.environ["IMGTK_WEIGHTS"] = str(tmp_path_factory.mktemp("empty") / "weights")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's store of weights, which does not exist yet."""
    monkeypatch.setenv("IMGTK_WEIGHTS", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server on this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), server.handler()) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        http.shutdown()
        thread.join()


@pytest.fixture
def files_end_at() -> Callable[[int], AbstractContextManager[None]]:
    """`with files_end_at(1000):` writing a file beyond so many bytes fails; what crosses that is written in part, as on
    a disk that is full."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
