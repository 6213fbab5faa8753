"""The queue is fair, and tells positions; what is finished expires."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import pytest

from imgtk.serve.job import Job, State
from imgtk.serve.jobs import FairQueue, Jobs
from imgtk.serve.options import Limits
from imgtk.serve.problem import Problem, problem_of
from imgtk.serve.tasks import RunTask


def job(client: str, name: str = "a.png", folder: Path = Path("nowhere"), pixels: int = 1) -> Job:
    return Job(client, name, "adjust:blur", folder, RunTask(), (1, 1), (pixels, 1))


def test_clients_take_turns() -> None:
    async def order() -> list[str]:
        queue = FairQueue()
        jobs = [job("a", "a1"), job("a", "a2"), job("a", "a3"), job("b", "b1"), job("c", "c1"), job("b", "b2")]
        for one in jobs:
            await queue.put(one)
        positions = {one.name: queue.position(one) for one in jobs}
        taken = [(await queue.take()).name for _ in jobs]
        assert [positions[name] for name in taken] == list(range(6))
        assert queue.position(jobs[0]) is None
        return taken

    assert asyncio.run(order()) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_cancelled_job_leaves_the_queue() -> None:
    async def left() -> int:
        queue = FairQueue()
        first, second = job("a"), job("a")
        await queue.put(first)
        await queue.put(second)
        queue.remove(first)
        queue.remove(first)
        assert await queue.take() is second
        return len(queue)

    assert asyncio.run(left()) == 0


def test_the_oldest_results_go_first(tmp_path: Path) -> None:
    async def kept() -> list[bool]:
        jobs = Jobs([], Limits(keep_bytes=2500), tmp_path)
        made = []
        for number in range(4):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "result").write_bytes(bytes(1000))
            made.append(job("a", folder=folder))
            await jobs.add(made[-1])
            made[-1].finish(State.DONE)
        jobs.expire()
        return [one.folder.exists() for one in made]

    assert asyncio.run(kept()) == [False, False, True, True]


def test_the_pixels_of_a_client_are_limited() -> None:
    async def add() -> None:
        jobs = Jobs([], Limits(client_pixels=100), Path())
        await jobs.add(job("a", pixels=90))
        await jobs.add(job("b", pixels=90))
        await jobs.add(job("c", pixels=1000))  # alone it is limited by `pixels_out`
        with pytest.raises(Problem, match="100 pixels"):
            await jobs.add(job("a", pixels=11))

    asyncio.run(add())


def test_a_full_disk_is_no_bug() -> None:
    problem = problem_of(OSError(errno.ENOSPC, "No space left on device", "/secret"))
    assert (problem.status, problem.kind) == (507, "disk-full")
    assert "secret" not in problem.detail
