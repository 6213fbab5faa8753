"""The API over a real socket: jobs, events, results, plans, errors."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from imgtk.cli import main
from imgtk.client import ApiError, AsyncClient, Client
from tests.serve.conftest import Served
from tests.waiting import busyness, until


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return served.client()


def by_command_line(pipeline: str, image: Path, *options: str) -> bytes:
    """What `imgtk run` writes for an image, beside it."""
    target = image.with_name(f"cli{image.suffix}")
    with pytest.raises(SystemExit) as end:
        main(["run", pipeline, str(image), "-o", str(target), "--overwrite", "--quiet", "--tile", "64", *options])
    assert not end.value.code
    return target.read_bytes()


@pytest.mark.parametrize("pipeline", ["adjust:sharpen 0.7", "upscale:compact x4", "resize:lanczos x2.5 | adjust:blur"])
def test_result_equals_that_of_the_command_line(client: Client, photo: Path, pipeline: str) -> None:
    result = client.run(pipeline, photo)
    assert result.content == by_command_line(pipeline, photo)
    assert result.name == "photo.imgtk.png"
    assert result.job["result"]["size"] == result.job["planned"]["size"]


@pytest.mark.parametrize(("mode", "suffix"), [("L", ".png"), ("RGBA", ".png"), ("I;16", ".png"), ("RGB", ".JPG")])
def test_images_of_all_kinds(client: Client, tmp_path: Path, mode: str, suffix: str) -> None:
    shape = {"L": (5, 1), "RGBA": (1, 7, 4), "I;16": (3, 3), "RGB": (1, 1, 3)}[mode]
    pixels = np.arange(np.prod(shape)).reshape(shape) * (2000 if mode == "I;16" else 9)
    image = tmp_path / f"odd{suffix}"
    Image.fromarray(pixels.astype(np.uint16 if mode == "I;16" else np.uint8)).save(image)
    assert client.run("adjust:gamma 1.5", image).content == by_command_line("adjust:gamma 1.5", image)


def test_format_and_quality_are_options(client: Client, photo: Path) -> None:
    result = client.run("adjust:sharpen", photo, format="jpg", quality=40)
    assert result.name == "photo.imgtk.jpg"
    assert Image.open(io.BytesIO(result.content)).format == "JPEG"


def test_large_results_have_a_preview(served: Served, client: Client, tmp_path: Path) -> None:
    image = tmp_path / "wide.tif"
    Image.new("RGB", (800, 600), "teal").save(image)
    job = client.run("resize:nearest x5", image).job
    assert job["result"]["shown"] is False
    for of, limit in (("result", 8_000_000), ("image", 800 * 600)):
        shown = Image.open(io.BytesIO(served.get(f"/api/v1/jobs/{job['id']}/preview?of={of}").content))
        assert shown.format == "PNG"
        assert 0.9 * limit < shown.width * shown.height <= limit


def test_run_waits_if_asked_to(served: Served, photo: Path) -> None:
    form = {"data": {"pipeline": "adjust:sharpen"}, "files": {"image": photo.open("rb")}}
    answer = httpx.post(f"{served.url}/api/v1/run", headers={"Prefer": "wait=30"}, timeout=60, **form)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="photo.imgtk.png"'
    raw = photo.read_bytes()
    later = httpx.post(
        f"{served.url}/api/v1/run",
        params={"pipeline": "test:wait 30"},
        content=raw,
        headers={"Content-Type": "image/png"},
    )
    assert later.status_code == 202
    path = later.headers["location"]
    assert served.get(path).json()["image"]["name"] == "image.png"
    assert served.get(f"{path}/result").status_code == 409
    assert httpx.delete(served.url + path).status_code in (200, 202)


def test_raw_images_give_the_same(served: Served, client: Client, photo: Path) -> None:
    answer = httpx.post(
        f"{served.url}/api/v1/run",
        params={"pipeline": "adjust:sharpen", "name": "../../x\r\n/photo.png"},
        content=photo.read_bytes(),
        headers={"Content-Type": "image/png", "Prefer": "respond-async, wait=30"},
        timeout=60,
    )
    assert answer.content == client.run("adjust:sharpen", photo).content
    assert 'filename="photo.imgtk.png"' in answer.headers["content-disposition"]


def test_progress_is_told_until_the_end(client: Client, photo: Path) -> None:
    seen: list[dict[str, object]] = []
    client.run("test:wait 2", photo, on_change=seen.append)
    assert seen[-1]["state"] == "done"
    done = [job["progress"]["done"] for job in seen]  # type: ignore[index]
    assert done == sorted(done)
    assert len(set(done)) > 3
    assert any(isinstance(job["seconds_left"], float) and job["seconds_left"] < 2 for job in seen)


def test_stop_stops_within_a_second(served: Served, client: Client, photo: Path) -> None:
    pids = {worker.pid for worker in served.workers()}
    job = client.submit("test:wait 60", photo)
    until(lambda: client.job(job["id"])["progress"]["done"] >= 3)
    client.cancel(job["id"])
    start = time.monotonic()
    *_, last = client.events(job["id"])
    assert last["state"] == "cancelled"
    assert time.monotonic() - start < 1 * busyness()
    assert {worker.pid for worker in served.workers()} == pids
    assert not list(served.folder.glob("imgtk-serve-*/job-*/result/*cli*"))


def test_waiting_jobs_are_told_their_position_and_can_be_cancelled(client: Client, photo: Path) -> None:
    jobs = [client.submit("test:wait 60", photo) for _ in range(4)]
    states = lambda: [client.job(job["id"])["state"] for job in jobs]  # noqa: E731
    until(lambda: states() == ["running", "running", "queued", "queued"])
    assert [client.job(job["id"])["position"] for job in jobs[2:]] == [0, 1]
    for job in jobs[::-1]:
        client.cancel(job["id"])
    for job in jobs:
        *_, last = client.events(job["id"])
        assert last["state"] == "cancelled"


def test_finished_jobs_can_be_removed(client: Client, photo: Path) -> None:
    job = client.run("adjust:blur", photo).job
    client.cancel(job["id"])
    with pytest.raises(ApiError) as missing:
        client.job(job["id"])
    assert missing.value.status == 404


def test_a_wrong_pipeline_is_pointed_at(client: Client, photo: Path) -> None:
    with pytest.raises(ApiError) as error:
        client.submit("upscale:esrgan x4 | stile:monet", photo)
    assert error.value.status == 422
    problem = error.value.problem
    assert (problem["start"], problem["end"]) == (20, 31)
    assert problem["caret"].splitlines()[1] == " " * 20 + "^" * 11
    assert "style:monet" in problem["hint"]


def test_a_failing_operator_fails_its_job_only(client: Client, photo: Path) -> None:
    with pytest.raises(ApiError) as error:
        client.run("test:fail", photo)
    assert "test:fail (misbehaving 1.0) failed because of a bug in it" in str(error.value)
    assert "KeyError" not in str(error.value.problem)
    assert "secret" not in str(error.value.problem)
    assert client.run("adjust:blur", photo).content


def test_a_crash_fails_its_job_only(served: Served, client: Client, photo: Path) -> None:
    other = client.submit("test:wait 3", photo)
    until(lambda: client.job(other["id"])["state"] == "running")
    with pytest.raises(ApiError, match="it was replaced"):
        client.run("test:crash", photo)
    *_, last = client.events(other["id"])
    assert last["state"] == "done"
    served.wait_ready()
    assert client.run("adjust:blur", photo).content


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_that_answers_has_not_loaded_torch(served: Served, client: Client, photo: Path) -> None:
    client.run("adjust:blur", photo)
    loaded = {Path(part.path).name for part in psutil.Process(served.process.pid).memory_maps()}
    assert not {name for name in loaded if name.startswith(("libtorch", "libavcodec", "cv2"))}


def test_what_does_not_stop_is_killed(served: Served, client: Client, photo: Path) -> None:
    before = {worker.pid for worker in served.workers()}
    job = client.submit("test:sleep 100", photo)
    until(lambda: client.job(job["id"])["state"] == "running")
    client.cancel(job["id"])
    start = time.monotonic()
    *_, last = client.events(job["id"])
    assert last["state"] == "cancelled"
    assert time.monotonic() - start < 1.5 * busyness()
    assert {worker.pid for worker in served.workers()} != before


def test_plan(client: Client) -> None:
    told = client.plan("upscale:bicubic   x2| adjust:blur radius=3", (640, 480))
    assert told["pipeline"] == "upscale:bicubic x2 | adjust:blur 3"
    assert told["plan"]["output"] == [1280, 960]
    assert told["plan"]["seconds"] > 0
    assert told["chain"] == [
        {"op": "upscale:bicubic", "params": {"scale": "x2"}},
        {"op": "adjust:blur", "params": {"radius": "3"}},
    ]
    assert client.plan("adjust:blur as a ; @in | blend @a")["chain"] is None


def test_catalogues(client: Client) -> None:
    operators = {one["name"]: one for one in client.get("operators")}
    blur = operators["adjust:blur"]["parameters"][0]
    assert blur["schema"]["type"] == "number"
    assert any(card["name"] for card in client.get("models"))
    assert all(preset["pipeline"] for preset in client.get("presets"))
    assert client.get("health")["workers"]["all"] == 2


def test_images_of_the_same_request_are_used(client: Client, photo: Path, tmp_path: Path) -> None:
    style = tmp_path / "red wall.png"
    Image.new("RGB", (32, 32), (200, 30, 20)).save(style)
    result = client.run("style:colour 'red wall.png' method=reinhard", photo, images=[style])
    pixels = np.asarray(Image.open(io.BytesIO(result.content)))
    assert pixels[..., 0].mean() > pixels[..., 2].mean() + 50


def test_async_client(served: Served, photo: Path) -> None:
    async def use() -> list[bytes]:
        async with AsyncClient(served.url) as client:
            assert (await client.get("health"))["status"] == "ok"
            assert (await client.plan("adjust:blur"))["plan"]
            results = await asyncio.gather(*(client.run(f"adjust:gamma {n}", photo) for n in (1, 2, 3)))
            gone = await client.cancel(results[0].job["id"])
            with pytest.raises(ApiError):
                await client.job(gone["id"])
            return [result.content for result in results]

    assert len(set(asyncio.run(use()))) == 3


def test_openapi_lists_what_is_served(served: Served) -> None:
    from imgtk.serve.api import Api

    paths = served.get("/api/v1/openapi.json").json()["paths"]
    listed = {(path, method.upper()) for path, operations in paths.items() for method in operations}
    routes = Api.routes(Api.__new__(Api))
    there = {
        (route.path.removeprefix("/api/v1"), method)
        for route in routes
        for method in (route.methods or ())
        if method != "HEAD" and route.path.startswith("/api/")
    }
    assert listed == there
    for path, operations in paths.items():  # and the failures that they may have
        open_to_all = path in ("/health", "/openapi.json")
        assert all(("401" in operation["responses"]) != open_to_all for operation in operations.values()), path


def test_plans_do_not_queue_up(client: Client, photo: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def plan(number: int) -> str:
        try:
            return str(client.plan(f"upscale:bicubic x2 | adjust:blur {number + 1}", (2000, 1500))["pipeline"])
        except ApiError as error:
            return str(error.problem["type"])

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(plan, range(8)))
    assert told.count("urn:imgtk:problem:superseded") >= 4
    assert any(one.startswith("upscale") for one in told)
    assert client.run("adjust:blur", photo).content
