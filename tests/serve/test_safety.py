"""What strangers may not do. Every answer is a status and a problem, without a traceback, and the server lives on."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from PIL import Image

from imgtk.client import ApiError
from imgtk.serve.server import Protocol
from tests.serve.conftest import ROOT, Served, Start
from tests.waiting import busyness, until

SMALL = ("--max-upload", "1M", "--max-pixels", "1M", "--max-output", "4M", "--queue", "3", "--per-client", "2")


@pytest.fixture(scope="module")
def strict(start: Start) -> Served:
    """A server with low limits, without the plugin."""
    server = start(*SMALL)
    server.wait_ready()
    return server


@pytest.fixture(autouse=True)
def alive(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the server answers, and has written no traceback."""
    yield
    if "strict" in request.fixturenames:
        server: Served = request.getfixturevalue("strict")
        assert server.get("/api/v1/health").json()["status"] == "ok"
        assert "Traceback" not in server.text()


def send(server: Served, pipeline: str, image: bytes, name: str = "a.png", **more: object) -> httpx.Response:
    files = {"image": (name, image)}
    return httpx.post(f"{server.url}/api/v1/jobs", data={"pipeline": pipeline}, files=files, timeout=60, **more)  # type: ignore[arg-type]


def raw(server: Served, request: bytes, seconds: float = 10) -> bytes:
    """What comes back for these bytes."""
    where = urlsplit(server.url)
    with closing(socket.create_connection((where.hostname, where.port), seconds)) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
            if b"\r\n\r\n" in answer:
                break
        return answer


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert "/tmp" not in answer.text
    told = answer.json()
    assert told["status"] == status
    assert told["detail"]
    return dict(told)


@pytest.fixture(scope="module")
def png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (20, 10), "olive").save(data, "PNG")
    return data.getvalue()


@pytest.mark.parametrize(
    "pipeline",
    [
        "adjust:blur | save /tmp/x.png",
        "save x.png",
        "style:colour /etc/passwd",
        "style:colour ../../etc/passwd",
        "style:colour https://example.org/a.png",
        "style:colour image",
        "style:any a.png",
        "style:gram missing.png,/etc/hostname",
        "style:monet mask=/etc/hostname",
        "upscale:esrgan x4 model=/root/weights.pth",
        "upscale:esrgan x4 model=weights.safetensors",
        "upscale:esrgan x4 model=https://example.org/w.pth",
        "style:fast ../weights.safetensors",
        "test:sleep 1",
    ],
)
def test_files_urls_and_other_plugins_are_refused(strict: Served, png: bytes, pipeline: str) -> None:
    answer = send(strict, pipeline, png)
    assert answer.status_code in (403, 422)
    problem(answer, answer.status_code)
    assert "position" not in answer.json()
    planned = httpx.post(f"{strict.url}/api/v1/plan", json={"pipeline": pipeline}, timeout=60)
    problem(planned, answer.status_code)


def test_other_plugins_are_not_even_imported(strict: Served) -> None:
    assert not [one for one in strict.get("/api/v1/operators").json() if one["name"].startswith("test:")]


@pytest.mark.parametrize(
    "pipeline",
    [
        "",
        " | ".join(["adjust:blur"] * 10_000),
        " | ".join(["adjust:blur"] * 101),
        "(" * 5000,
        "a" * 9_999,
        "adjust:blur " + "(" * 60 + ")" * 60,
        "(a+)+$ " * 500,
        "adjust:blur radius=" + "9" * 5000,
        "resize:bicubic x1e999999999",
        "resize:bicubic x" + "9" * 4000,
        "'" * 999,
        "adjust:blur \x00\x1b[31m",
        "adjust:blur radius=nan",
        "@in | " * 300 + "adjust:blur",
        " ; ".join(f"adjust:blur as n{i}" for i in range(700)),
        "\N{SNOWMAN}:\N{PILE OF POO}",
    ],
    ids=range(16),
)
def test_hostile_pipelines(strict: Served, png: bytes, pipeline: str) -> None:
    start = time.monotonic()
    answer = send(strict, pipeline, png)
    assert answer.status_code in (413, 422)
    problem(answer, answer.status_code)
    assert time.monotonic() - start < 5 * busyness()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def pages(count: int) -> bytes:
    data = io.BytesIO()
    images = [Image.new("L", (1000, 900)) for _ in range(count)]
    images[0].save(data, "TIFF", save_all=True, append_images=images[1:], compression="packbits")
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("bomb.png", png_of_size(60_000, 60_000)),
        ("bomb.png", png_of_size(2**31 - 1, 2**31 - 1)),
        ("pages.tif", pages(4)),
        ("empty.png", b""),
        ("noise.jpg", bytes(range(256)) * 30),
        ("text.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"),
        ("clip.mp4", b"\0\0\0\x18ftypmp42" + bytes(999)),
        ("fake.gif", b"GIF89a" + b"\xff\xff\xff\xff" + bytes(20)),
        ("eps.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("x" * 5000 + ".png", b"no image"),
    ],
    ids=range(10),
)
def test_hostile_images(strict: Served, name: str, image: bytes) -> None:
    answer = send(strict, "adjust:blur", image, name)
    told = problem(answer, answer.status_code)
    assert answer.status_code in (413, 422)
    assert "job-" not in str(told)


def test_planned_output_is_limited(strict: Served, png: bytes) -> None:
    told = problem(send(strict, "resize:nearest x64 | resize:nearest x64 | resize:area x1/64", png), 413)
    assert "4,000,000" in str(told["detail"])


def test_uploads_are_counted_while_they_come(strict: Served) -> None:
    problem(send(strict, "adjust:blur", bytes(2_000_000)), 413)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 65536
            yield bytes(65536)

    headers = {"Content-Type": "image/png"}
    url = f"{strict.url}/api/v1/run?pipeline=adjust:blur"
    try:
        answer = httpx.post(url, content=endless(), headers=headers, timeout=60)
    except httpx.TransportError:
        pass  # the server has closed the connection while we sent
    else:
        problem(answer, 413)
    assert sent < 20_000_000


@pytest.mark.parametrize(
    "body",
    [b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=image; filename=a.png\r\n\r\nabc", b"\0" * 999],
    ids=range(4),
)
def test_damaged_forms(strict: Served, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = httpx.post(f"{strict.url}/api/v1/jobs", content=body, headers=headers, timeout=60)
    problem(answer, 422)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'{"pipeline": 3}', b'{"pipeline": "adjust:blur", "size": [0, 1e9]}', b"[" * 9999],
)
def test_damaged_plans(strict: Served, body: bytes) -> None:
    problem(httpx.post(f"{strict.url}/api/v1/plan", content=body, timeout=60), 422)


@pytest.mark.parametrize(
    "options", [{"quality": "0"}, {"format": "exe"}, {"depth": "9"}, {"seed": "-1"}, {"lossless": "?"}]
)
def test_wrong_options(strict: Served, png: bytes, options: dict[str, str]) -> None:
    data = {"pipeline": "adjust:blur", **options}
    answer = httpx.post(f"{strict.url}/api/v1/jobs", data=data, files={"image": ("a.png", png)}, timeout=60)
    assert next(iter(options)) in str(problem(answer, 422)["detail"])


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2f..%2f..%2fetc/passwd",
        "/page//etc/passwd",
        "/../../etc/passwd",
        "/api/v1/jobs/..%2f..%2fx/result",
        "/api/v1/jobs/" + "a" * 3000,
        "/\x7f",
        "/page/%00",
    ],
)
def test_paths_lead_nowhere(strict: Served, path: str) -> None:
    answer = raw(strict, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] in (b"404", b"400")
    assert b"root:" not in answer
    assert b"import" not in answer


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost:8000@evil", "192.168.0.1"])
def test_other_hosts_are_refused(strict: Served, host: str) -> None:
    answer = raw(strict, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] == b"421"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost", "https://127.0.0.1"])
def test_other_origins_are_refused(strict: Served, png: bytes, origin: str) -> None:
    answer = send(strict, "adjust:blur", png, headers={"Origin": origin})
    problem(answer, 403)
    assert "access-control-allow-origin" not in answer.headers
    preflight = httpx.options(f"{strict.url}/api/v1/jobs", headers={"Origin": origin})
    assert preflight.status_code == 403
    same = httpx.get(f"{strict.url}/api/v1/health", headers={"Origin": strict.url})
    assert same.status_code == 200


def test_every_answer_has_the_headers(strict: Served) -> None:
    for path in ("/", "/api/v1/health", "/nothing", "/page/style.css"):
        headers = strict.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-request-id"]


def test_methods(strict: Served) -> None:
    problem(httpx.put(f"{strict.url}/api/v1/jobs"), 405)
    problem(httpx.post(f"{strict.url}/api/v1/jobs", content=b"x", headers={"Content-Type": "text/x"}), 415)


def test_queue_and_clients_have_limits(start: Start, photo: Path) -> None:
    server = start(*SMALL, "--plugins", "--ops", "test:*,adjust:blur", "--keep", "1", "--grace", "0")
    server.wait_ready()
    first, second = server.client(), server.client(address="127.0.0.2")
    job = first.submit("test:wait 60", photo)
    with pytest.raises(ApiError) as other:
        second.job(job["id"])
    assert other.value.status == 404
    with pytest.raises(ApiError):
        second.cancel(job["id"])
    with pytest.raises(ApiError, match="not served"):
        first.submit("adjust:sharpen", photo)
    first.submit("test:wait 60", photo)
    full = send(server, "test:wait 1", photo.read_bytes())
    assert problem(full, 429)["type"] == "urn:imgtk:problem:queue-full"
    assert full.headers["retry-after"]
    second.submit("adjust:blur", photo)
    second.submit("adjust:blur", photo)
    third = httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.3"))
    form = {"data": {"pipeline": "adjust:blur"}, "files": {"image": photo.open("rb")}}
    problem(third.post(f"{server.url}/api/v1/jobs", **form), 503)  # type: ignore[arg-type]
    first.cancel(job["id"])
    until(lambda: len(list(server.folder.glob("imgtk-serve-*/job-*"))) == 3)
    until(lambda: server.get(f"/api/v1/jobs/{job['id']}").status_code == 404)  # it expires


def test_time_is_limited(start: Start, photo: Path) -> None:
    server = start("--plugins", "--max-seconds", "1", "--grace", "0")
    with pytest.raises(ApiError, match="longer than 1 seconds"):
        server.client().run("test:wait 60", photo)


def test_tokens(start: Start, photo: Path) -> None:
    server = start("--host", "0.0.0.0", "--token", "first-secret", "--token", "second", "--presets-only", "--log-json")
    assert server.get("/").status_code == 200
    assert server.get("/api/v1/health").json()["token_needed"] is True
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic first-secret"}):
        for path in ("/api/v1/operators", "/metrics", "/api/v1/jobs/x"):
            problem(server.get(path, headers=headers), 401)
    client = server.client("first-secret")
    with pytest.raises(ApiError, match="presets only"):
        client.submit("adjust:blur", photo)
    preset = next(preset for preset in client.get("presets") if preset["name"] == "monet")
    job = client.submit(preset["pipeline"], photo)
    with pytest.raises(ApiError) as other:
        server.client("second").job(job["id"])
    assert other.value.status == 404
    *_, last = client.events(job["id"])
    assert last["state"] == "done"
    assert "first-secret" not in server.text()
    assert job["id"] not in server.text()
    assert photo.name not in server.text()
    assert {"request", "status", "ms"} <= json.loads(server.text().splitlines()[0]).keys()


def test_an_address_for_everyone_makes_a_token(start: Start) -> None:
    server = start("--host", "0.0.0.0")
    assert server.get("/api/v1/presets").status_code == 401


def test_a_token_in_the_environment(start: Start) -> None:
    server = start(IMGTK_TOKEN="from-the-environment")
    assert server.get("/api/v1/presets").status_code == 401
    assert server.client("from-the-environment").get("presets")


def test_connections_that_send_no_request_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgtk.serve.server.HEADER_SECONDS", 0.3)

    async def app(scope: object, receive: object, send: object) -> None: ...

    config = uvicorn.Config(app, port=0, http=Protocol, lifespan="off", log_config=None)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    address = server.servers[0].sockets[0].getsockname()
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: lo", b"POST / HT"):
        with closing(socket.create_connection(address, 60)) as connection:
            connection.sendall(begun)
            start = time.monotonic()
            assert connection.recv(100) == b""
            assert time.monotonic() - start < 3 * busyness()
    server.should_exit = True
    thread.join(60)


def test_a_taken_port_and_a_missing_device_are_told(start: Start, strict: Served) -> None:
    import subprocess
    import sys

    port = str(urlsplit(strict.url).port)
    for words, told in ((["--port", port], "cannot listen on"), (["--port", "0", "--device", "cuda:77"], "cuda")):
        command = [sys.executable, "-m", "imgtk", "serve", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
        assert done.returncode in (1, 2)
        assert told in done.stderr
        assert "Traceback" not in done.stderr
