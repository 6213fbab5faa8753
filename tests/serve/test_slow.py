"""Requests that come slowly, never end, or are given up; and jobs that do not stop by themselves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from PIL import Image
from skimage import data
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from imgtk.serve.api import on_error
from imgtk.serve.options import Limits, ServeOptions
from imgtk.serve.problem import Problem
from imgtk.serve.server import Protocol, _socket
from imgtk.serve.upload import receive_upload
from tests.serve.conftest import Served, Start
from tests.waiting import busyness, until

FORM = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
HEADS = {
    "form": b"Content-Type: multipart/form-data; boundary=x\r\n",
    "raw": b"Content-Type: image/png\r\n",
}


@contextmanager
def receiver(folder: Path, limits: Limits) -> Iterator[tuple[str, int]]:
    """The address of a server that only receives uploads, with limits that are quickly reached."""

    async def upload(request: Request) -> Response:
        async with receive_upload(request, limits, folder) as received:
            return JSONResponse({"bytes": received.image.stat().st_size})

    app = Starlette(routes=[Route("/", upload, methods=["POST"])], exception_handlers={Problem: on_error})  # type: ignore[dict-item]
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Protocol, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        thread.join(60)


def answer(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed."""
    connection.settimeout(60)
    told = b""
    try:
        while piece := connection.recv(65536):
            told += piece
    except ConnectionResetError:
        pass  # we were still sending
    return told


@pytest.mark.parametrize("kind", list(HEADS))
@pytest.mark.parametrize("pause", [0.05, 10.0], ids=["drops", "silence"])
def test_bodies_that_come_slowly_are_given_up(
    kind: str, pause: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgtk.serve.upload.FIRST_SECONDS", 0.5)
    limits = Limits(idle_seconds=0.4)
    with receiver(tmp_path, limits) as address, closing(socket.create_connection(address, 60)) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n" + HEADS[kind] + b"\r\n")
        slow.sendall(FORM if kind == "form" else b"")
        start = time.monotonic()
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(pause):
                try:
                    slow.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        told = answer(slow)
        stop.set()
        thread.join()
        assert b" 408 " in told
        assert b"problem+json" in told
        assert time.monotonic() - start < 4 * busyness()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "begin",
    [
        FORM,
        b"--x\r\n",
        b"--x\r\nX-Long: ",
        b"no boundary",
        b'--x\r\nContent-Disposition: form-data; name="pipeline"\r\n\r\n',
    ],
)
def test_chunked_forms_that_never_end(tmp_path: Path, begin: bytes) -> None:
    sent = 0
    with (
        receiver(tmp_path, Limits(upload=3_000_000)) as address,
        closing(socket.create_connection(address, 60)) as endless,
    ):
        endless.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + HEADS["form"] + b"\r\n")
        try:
            for piece in (begin, *[b"y" * 65536] * 1000):
                endless.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                sent += len(piece)
        except OSError:
            pass  # the server has closed the connection
        else:
            assert answer(endless).split()[1] in (b"413", b"422")
    assert sent < 40_000_000
    assert list(tmp_path.iterdir()) == []


def test_small_answers_are_sent_at_once() -> None:
    """asyncio turns off Nagle's algorithm, which costs 40 ms per answer, for sockets that say that they are TCP."""
    with closing(_socket(ServeOptions(port=0))) as listening:
        assert listening.proto == socket.IPPROTO_TCP


@pytest.fixture(scope="module")
def server(start: Start) -> Served:
    served = start("--grace", "0")
    served.wait_ready()
    return served


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.png"
    Image.fromarray(data.astronaut()).resize((1600, 1600)).save(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", ["upscale:esrgan x4", "style:monet", "denoise:nlm", "adjust:blur radius=90"])
@pytest.mark.parametrize("after", [0.2, 2.0])
def test_operators_stop_within_a_second(server: Served, large: Path, pipeline: str, after: float) -> None:
    client = server.client()
    job = client.submit(pipeline, large)
    events = client.events(job["id"])
    while next(events)["state"] == "queued":
        pass
    time.sleep(after)
    start = time.monotonic()
    client.cancel(job["id"])
    *_, last = events
    if last["state"] != "done":  # on a quick machine
        assert last["state"] == "cancelled"
        assert time.monotonic() - start < 1.5 * busyness()
    small = client.run("adjust:gamma 2", large)
    assert small.content


@pytest.mark.slow
def test_jobs_of_clients_that_have_left_are_stopped(server: Served, large: Path) -> None:
    body = (
        FORM
        + large.read_bytes()
        + b'\r\n--x\r\nContent-Disposition: form-data; name="pipeline"\r\n\r\nupscale:esrgan\r\n--x--\r\n'
    )
    head = f"POST /api/v1/run HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\nContent-Length: {len(body)}\r\n"
    where = urlsplit(server.url)
    with closing(socket.create_connection((where.hostname, where.port))) as client:
        client.sendall(head.encode() + HEADS["form"] + b"\r\n" + body)
        until(lambda: server.metric("jobs_running"))
    until(lambda: not server.metric("jobs_running"))
