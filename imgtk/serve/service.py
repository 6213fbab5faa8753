"""`Service`: everything behind the API. It takes uploads in, has them looked at, and makes jobs of them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.requests import Request

from imgtk.errors import ImgtkError
from imgtk.language import to_text
from imgtk.language.graph import Graph
from imgtk.preset import Preset
from imgtk.registry import Registry
from imgtk.serve.catalogue import chain_of
from imgtk.serve.job import SHOWN_PIXELS, Job
from imgtk.serve.jobs import Jobs
from imgtk.serve.options import ServeOptions
from imgtk.serve.policy import Policy
from imgtk.serve.pool import WorkerHandle
from imgtk.serve.problem import Problem
from imgtk.serve.tasks import InspectTask, PlanTask, PreviewTask, RunTask
from imgtk.serve.upload import Upload, receive_upload

__all__ = ["Service"]

MAX_SEED = 2**31 - 1

PAGE_SECONDS = 0.2
"""Seconds in which the server does nothing but answer, after its start."""

log = logging.getLogger("imgtk.serve")


class Service:
    """The jobs of a server, its worker processes, and the process that looks at uploads and plans.

    Args:
        options: what it does.
        registry: the operators.
        presets: pipelines that are offered by name, as far as they may be served.
        folder: for files; its owner removes it.
        on_broken: called if no job can ever be done, with the reason.

    Attributes:
        options: what it does.
        registry: the operators.
        presets: the pipelines that are offered by name.
        policy: which pipelines are served.
        inspector: the process that looks at uploads and plans.
        jobs: all jobs, with the workers that compute them.
    """

    def __init__(
        self,
        options: ServeOptions,
        registry: Registry,
        presets: Iterable[Preset],
        folder: Path,
        on_broken: Callable[[Problem], None] | None = None,
    ) -> None:
        self.options, self.registry, self._folder = options, registry, folder
        policy = Policy(registry, replace(options, presets_only=False))
        self.presets = [preset for preset in presets if _usable(preset, policy)]
        self.policy = Policy(registry, options, self.presets)
        devices = options.settings.device.split(",")
        shared = len(devices) * options.workers > 1 and set(devices) <= {"cpu", "auto"}
        threads = max(1, (os.cpu_count() or 1) // options.workers) if shared else None
        workers = [
            WorkerHandle(f"{device}-{n}", replace(options.settings, device=device), options.warm, threads, on_broken)
            for device in devices
            for n in range(options.workers)
        ]
        settings = replace(options.settings, device=devices[0])
        self.inspector = WorkerHandle("inspector", settings, options.warm, on_broken=on_broken)
        self.jobs = Jobs(workers, options.limits, folder)
        self._planning = asyncio.Lock()
        self._newest: dict[str, PlanTask] = {}

    def start(self) -> None:
        """Start the queue and, a moment later, the processes: on a single core they would delay the page."""
        for worker in (*self.jobs.workers, self.inspector):
            asyncio.get_running_loop().call_later(PAGE_SECONDS, worker.start)
        self.jobs.start()

    async def close(self) -> None:
        """End the processes and all jobs."""
        await asyncio.gather(self.jobs.close(), self.inspector.close())

    async def add(self, request: Request, client: str) -> Job:
        """Make a job of a request. Raises Problem, or ImgtkError for a wrong pipeline."""
        with self.jobs.arriving(client):
            async with receive_upload(request, self.options.limits, self._folder) as upload:
                job = await self._job(upload, client)
                await self.jobs.add(job)
                upload.kept = True
        return job

    async def _job(self, upload: Upload, client: str) -> Job:
        text, limits = upload.fields.get("pipeline", ""), self.options.limits
        write, seed = upload.write_as(), upload.whole("seed", 0, MAX_SEED)
        graph = await asyncio.to_thread(self.policy.parse, text, self._callable(upload))
        canonical = to_text(graph, self.registry)
        common: dict[str, Any] = {
            "pipeline": canonical,
            "seed": self.options.settings.seed if seed is None else seed,
            "keep": not any(str(path) in canonical for path in upload.files.values()),
            "names": upload.names,
        }
        inspect = InspectTask(
            **common,
            source=upload.image,
            others=tuple(upload.files.values()),
            write=write,
            pixels_in=limits.pixels_in,
            pixels_out=limits.pixels_out,
        )
        found = await self.inspector.ask(inspect, limits.inspect_seconds)
        results = upload.folder / "result"
        results.mkdir()
        task = RunTask(**common, source=upload.image, folder=results, write=write, max_pixels=limits.pixels_in)
        size, output = tuple(found["size"]), tuple(found["output"])
        return Job(client, upload.name, text, upload.folder, task, (size[0], size[1]), (output[0], output[1]))

    def _callable(self, upload: Upload) -> Mapping[str, Path]:
        return upload.files

    async def plan(self, client: str, text: str, size: tuple[int, int], files: list[str]) -> dict[str, Any]:
        """Return what a pipeline would do with an image of a size; without figures if it reads images that are not
        there yet.

        Raises:
            Problem: for what is not served, and if the client has asked for another plan meanwhile.
            ImgtkError: for a wrong pipeline.
        """
        graph: Graph = await asyncio.to_thread(self.policy.parse, text, {name: Path(name) for name in files})
        canonical, planned = to_text(graph, self.registry), None
        if not files:
            task = PlanTask(canonical, size=size, pixels_out=self.options.limits.pixels_out)
            planned = await self._planned(client, task)
        return {"pipeline": canonical, "chain": chain_of(graph, self.registry), "plan": planned}

    async def _planned(self, client: str, task: PlanTask) -> dict[str, Any]:
        """Return a plan. Plans are made one at a time, so that uploads wait for one at most; of each client only the
        last request counts."""
        self._newest[client] = task
        try:
            async with self._planning:
                if self._newest.get(client) is not task:
                    what = "you have asked for another plan in the meantime"
                    raise Problem(409, "superseded", what, headers={"Retry-After": "1"})
                return await self.inspector.ask(task, self.options.limits.plan_seconds)
        finally:
            if self._newest.get(client) is task:
                del self._newest[client]

    async def preview(self, job: Job, source: Path) -> Path:
        """Return the file of a version of an image that browsers show. Raises Problem."""
        target = source.with_name(f"{source.stem}.preview.png")
        if not target.exists():
            draft = target.with_name(f"draft-{target.name}")
            task = PreviewTask(
                source=source,
                target=draft,
                most=SHOWN_PIXELS,
                max_pixels=self.options.limits.pixels_out,
                names=job.task.names,
            )
            await self.inspector.ask(task, self.options.limits.inspect_seconds)
            await asyncio.to_thread(draft.replace, target)
        return target


def _usable(preset: Preset, policy: Policy) -> bool:
    try:
        policy.parse(preset.pipeline, {})
    except (ImgtkError, Problem) as error:
        log.info("the preset %s is left out: %s", preset.name, error)
        return False
    return True
