"""The API's routes: requests to calls of `Service`, and what it gives to responses."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict
from time import monotonic
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from imgtk import __version__
from imgtk.serve.catalogue import models, operator
from imgtk.serve.guard import problem_response
from imgtk.serve.job import Job, State
from imgtk.serve.metrics import MEDIA_TYPE as METRICS_TYPE
from imgtk.serve.metrics import Metrics
from imgtk.serve.openapi import document
from imgtk.serve.problem import Problem, problem_of
from imgtk.serve.service import Service
from imgtk.serve.upload import limited

__all__ = ["ROOT", "Api", "on_error"]

ROOT = "/api/v1"
LONGEST_WAIT = 300
"""Maximum number of seconds for `Prefer: wait`."""

EVENT_PACE = 0.1
"""Minimum number of seconds between two events of a job."""

GONE_SECONDS = 0.5
"""Seconds between two checks whether a client that waits is still there."""

QUIET_SECONDS = 15
"""Seconds after which a comment shows that a stream of events is alive."""

PLAN_BYTES = 100_000


class Api:
    """The handlers.

    Args:
        service: does the work.
        metrics: what `/metrics` tells.
    """

    def __init__(self, service: Service, metrics: Metrics) -> None:
        self._service, self._metrics = service, metrics
        self._operators = [operator(spec) for spec in service.policy.specs]

    def routes(self) -> list[Route]:
        """Return all paths of the API."""
        job = ROOT + "/jobs/{id}"
        return [
            Route(f"{ROOT}/run", self.run, methods=["POST"]),
            Route(f"{ROOT}/jobs", self.create, methods=["POST"]),
            Route(job, self.job, methods=["GET"]),
            Route(job, self.cancel, methods=["DELETE"]),
            Route(f"{job}/events", self.events, methods=["GET"]),
            Route(f"{job}/result", self.result, methods=["GET"]),
            Route(f"{job}/preview", self.preview, methods=["GET"]),
            Route(f"{ROOT}/plan", self.plan, methods=["POST"]),
            Route(f"{ROOT}/operators", self.operators, methods=["GET"]),
            Route(f"{ROOT}/models", self.models, methods=["GET"]),
            Route(f"{ROOT}/presets", self.presets, methods=["GET"]),
            Route(f"{ROOT}/health", self.health, methods=["GET"]),
            Route(f"{ROOT}/openapi.json", self.openapi, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]

    async def run(self, request: Request) -> Response:
        """Return the result at once, if the client waits for it long enough; else the job."""
        seconds = _wait(request.headers.get("prefer", ""))
        job = await self._add(request)
        end = monotonic() + seconds
        while not job.finished and (left := end - monotonic()) > 0:
            await _happens(job.change, min(left, GONE_SECONDS))
            await self._stop_if_gone(request, job)
        if job.state is State.DONE:
            return self._file(job)
        if job.problem:
            return problem_response(job.problem)
        return self._accepted(job)

    async def create(self, request: Request) -> Response:
        return self._accepted(await self._add(request))

    async def _add(self, request: Request) -> Job:
        job = await self._service.add(request, request.state.client)
        await self._stop_if_gone(request, job)
        return job

    async def _stop_if_gone(self, request: Request, job: Job) -> None:
        """Stop a job whose client has left before it learned the job's id."""
        if not job.finished and await request.is_disconnected():
            self._service.jobs.cancel(job)

    async def job(self, request: Request) -> Response:
        return JSONResponse(self._told(self._job(request)))

    async def cancel(self, request: Request) -> Response:
        job = self._job(request)
        self._service.jobs.cancel(job)
        return JSONResponse(self._told(job), 200 if job.finished else 202)

    async def events(self, request: Request) -> Response:
        """Return a stream: an event `job` for every change, the last one when the job is finished."""
        job = self._job(request)
        return StreamingResponse(self._events(job), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _events(self, job: Job) -> AsyncIterator[str]:
        while True:
            change, finished = job.change, job.finished
            yield f"event: job\ndata: {json.dumps(self._told(job))}\n\n"
            if finished:
                return
            while not await _happens(change, QUIET_SECONDS):
                yield ": still here\n\n"
            if not job.finished:
                await asyncio.sleep(EVENT_PACE)

    async def result(self, request: Request) -> Response:
        return self._file(self._job(request))

    async def preview(self, request: Request) -> Response:
        """Return the image or the result as browsers show it, with 8 megapixels at most."""
        job = self._job(request)
        which = request.query_params.get("of", "result")
        if which not in ("image", "result"):
            raise Problem(422, "request", f"of: expected image or result, got {which[:40]!r}")
        shown = await self._service.preview(job, job.result if which == "result" else job.task.source)
        return FileResponse(shown, media_type="image/png")

    async def plan(self, request: Request) -> Response:
        try:
            body = json.loads(await limited(request, self._service.options.limits, PLAN_BYTES).body())
            width, height = body.get("size", (1920, 1080))
            files = [str(name) for name in body.get("files", ())]
            text = body["pipeline"]
            good = type(width) is type(height) is int and min(width, height) > 0 and isinstance(text, str)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            good = False
        if not good:
            detail = 'expected JSON like {"pipeline": "upscale:bicubic x2", "size": [640, 480]}'
            raise Problem(422, "request", detail)
        return JSONResponse(await self._service.plan(request.state.client, text, (width, height), files))

    async def operators(self, request: Request) -> Response:
        return JSONResponse(self._operators)

    async def models(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(models, self._service.registry))

    async def presets(self, request: Request) -> Response:
        return JSONResponse([{**asdict(preset), "options": dict(preset.options)} for preset in self._service.presets])

    async def health(self, request: Request) -> Response:
        workers = self._service.jobs.workers
        ready = sum(worker.ready for worker in workers)
        told = {
            "status": "ok" if ready else "starting",
            "version": __version__,
            "workers": {"ready": ready, "all": len(workers)},
            "token_needed": bool(self._service.options.tokens),
            "presets_only": self._service.options.presets_only,
        }
        return JSONResponse(told)

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(document(self._service.options.limits))

    async def metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), media_type=METRICS_TYPE)

    def _job(self, request: Request) -> Job:
        return self._service.jobs.get(request.path_params["id"], request.state.client)

    def _told(self, job: Job) -> dict[str, Any]:
        return job.to_dict(self._service.jobs.position(job))

    def _accepted(self, job: Job) -> Response:
        return JSONResponse(self._told(job), 202, {"Location": f"{ROOT}/jobs/{job.id}"})

    def _file(self, job: Job) -> Response:
        headers = {"X-Job": job.id, "Content-Disposition": _attachment(job.result_name)}
        return FileResponse(job.result, media_type=job.media_type, headers=headers)


async def on_error(request: Request, error: Exception) -> Response:
    """Return the response for an error that a handler raised on purpose."""
    if isinstance(error, HTTPException):
        kind = {404: "not-found", 405: "method"}.get(error.status_code, "request")
        error = Problem(error.status_code, kind, str(error.detail), headers=dict(error.headers or {}))
    return problem_response(problem_of(error))


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Return whether something happens within so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True


def _attachment(name: str) -> str:
    """Return a `Content-Disposition` header (RFC 6266), with a plain name for programs that read nothing else."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    exact = "" if plain == name else f"; filename*=UTF-8''{quote(name)}"
    return f'attachment; filename="{plain}"{exact}'


def _wait(prefer: str) -> float:
    """Return the seconds that a `Prefer` header asks to wait (RFC 7240)."""
    match = re.search(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])", prefer)
    return min(int(match[1]), LONGEST_WAIT) if match else 0
