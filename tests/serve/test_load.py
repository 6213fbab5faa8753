"""Many jobs of many clients at once, with cancels and killed workers: every other job is right, and nothing leaks."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from imgtk.client import ApiError, Client
from imgtk.pipeline import Pipeline
from tests.serve.conftest import Served, Start
from tests.waiting import until

CLIENTS, EACH, CANCELS, KILLS = 8, 25, 20, 5

pytestmark = pytest.mark.slow


def test_two_hundred_jobs(start: Start, tmp_path: Path) -> None:
    server = start("--plugins", "--workers", "2", "--quiet")
    server.wait_ready()
    images, expected = [], {}
    for number in range(4):
        path = tmp_path / f"{number}.png"
        Image.effect_mandelbrot((61 + number, 47), (-2, -1, 1, 1), 30 + number).save(path)
        images.append(path)
        for gamma in (1.5, 2.5):
            target = tmp_path / f"{number}-{gamma}.png"
            Pipeline(f"adjust:gamma {gamma}", device="cpu")(path).save(target)
            expected[path, gamma] = target.read_bytes()
    warm = [server.client(address=f"127.0.0.{2 + n}").run("adjust:gamma 1.5", images[0]) for n in range(2)]
    assert warm
    before = (files(server), memory(server))
    numbers = list(range(CLIENTS * EACH))
    random.Random(1).shuffle(numbers)
    cancelled = set(numbers[:CANCELS])
    outcomes: dict[int, str] = {}

    def job(client: Client, number: int) -> str:
        image, gamma = images[number % 4], (1.5, 2.5)[number // 4 % 2]
        try:
            if number in cancelled:
                made = client.submit("test:wait 60", image)
                time.sleep(random.Random(number).random() / 4)
                client.cancel(made["id"])
                *_, last = client.events(made["id"])
                return str(last["state"])
            result = client.run(f"adjust:gamma {gamma}", image)
        except ApiError as error:
            assert error.problem["type"].endswith(("crashed", "queue-full")), error.problem  # noqa: PT017
            return "crashed"
        assert result.content == expected[image, gamma]
        client.cancel(result.job["id"])
        return "done"

    def client(rank: int) -> None:
        with server.client(address=f"127.0.0.{10 + rank}") as own, ThreadPoolExecutor(3) as pool:
            mine = numbers[rank::CLIENTS]
            outcomes.update(zip(mine, pool.map(lambda number: job(own, number), mine), strict=True))

    threads = [threading.Thread(target=client, args=(rank,)) for rank in range(CLIENTS)]
    for thread in threads:
        thread.start()
    killed = 0
    while any(thread.is_alive() for thread in threads):
        if killed < KILLS and server.metric("jobs_total") > 20 * (killed + 1):
            victims = server.workers()
            if victims:
                os.kill(random.Random(killed).choice(victims).pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert killed == KILLS
    assert len(outcomes) == CLIENTS * EACH
    states = [outcomes[number] for number in cancelled]
    assert states.count("cancelled") >= CANCELS - KILLS
    crashed = [number for number, state in outcomes.items() if state in ("crashed", "failed")]
    assert len(crashed) <= KILLS
    assert sum(state == "done" for state in outcomes.values()) >= CLIENTS * EACH - CANCELS - KILLS
    server.wait_ready()
    until(lambda: len(server.workers()) == 3)
    until(lambda: server.metric("jobs_waiting") == server.metric("jobs_running") == 0)
    assert len(list(server.folder.glob("imgtk-serve-*/job-*"))) <= 2 + CANCELS + len(crashed)
    assert files(server) <= before[0] + 8
    assert memory(server) < before[1] + 60e6


def files(server: Served) -> int:
    """Open files of the server's own process."""
    return int(psutil.Process(server.process.pid).num_fds())


def memory(server: Served) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


def test_running_jobs_end_before_the_server_does(start: Start, tmp_path: Path) -> None:
    server = start("--plugins", "--quiet")
    server.wait_ready()
    image = tmp_path / "a.png"
    Image.new("L", (40, 30)).save(image)
    client = server.client()
    running, waiting = client.submit("test:wait 4", image), client.submit("adjust:blur", image)
    follow = {job["id"]: client.events(job["id"]) for job in (running, waiting)}
    for stream in follow.values():
        next(stream)
    server.process.send_signal(signal.SIGTERM)
    last = {name: list(stream)[-1] for name, stream in follow.items()}
    assert last[running["id"]]["state"] == "done"
    assert last[waiting["id"]]["state"] == "failed"
    assert "shut down" in last[waiting["id"]]["problem"]["detail"]
    assert server.process.wait(120) == 0
    assert list(server.folder.glob("imgtk-serve-*")) == []


def test_workers_end_with_a_killed_server(start: Start) -> None:
    server = start("--quiet")
    server.wait_ready()
    workers = server.workers()
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert alive == []
