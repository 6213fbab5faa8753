"""A client of `imgtk serve`, in two forms: `Client`, and `AsyncClient` for asyncio. Needs `imgtk[serve]`.

from imgtk.client import Client

with Client("http://127.0.0.1:8000") as client:
    client.run("upscale:esrgan x4", "in.jpg").save("out.jpg")
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

import httpx

from imgtk.errors import ImgtkError

__all__ = ["ApiError", "AsyncClient", "Client", "Result"]

API = "/api/v1"
PATIENCE = 600.0
"""Seconds for which a job is offered again to a server that is full."""

TIMEOUT = httpx.Timeout(60, read=120)

OnChange = Callable[[dict[str, Any]], None]


class ApiError(ImgtkError):
    """The server refused a request, or a job failed.

    Attributes:
        status: HTTP status.
        problem: the members of the problem, such as `detail`, `hint`, and for a pipeline `start`, `end` and `caret`.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        caret = problem.get("caret")
        message = problem.get("detail") or f"the server answers {status}"
        super().__init__(f"{message}\n{caret}" if caret else message, hint=problem.get("hint"))
        self.status, self.problem = status, problem


@dataclass(frozen=True)
class Result:
    """A result.

    Attributes:
        content: the bytes of the file.
        name: what the server calls it.
        job: the job as it ended, with `result`, its notes and warnings.
    """

    content: bytes
    name: str
    job: dict[str, Any]

    def save(self, path: str | Path) -> Path:
        """Write the file to `path`, or into that folder."""
        path = Path(path)
        path = path / self.name if path.is_dir() else path
        path.write_bytes(self.content)
        return path


class Client:
    """A client that waits for each answer.

    Args:
        url: of the server.
        token: if it needs one.
        http: an `httpx.Client` to use in place of an own one.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", token: str | None = None, *, http: httpx.Client | None = None
    ) -> None:
        self._http = http or httpx.Client(timeout=TIMEOUT)
        self._http.base_url = httpx.URL(url)
        self._http.headers.update(_headers(token))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(
        self,
        pipeline: str,
        image: str | Path,
        *,
        images: Sequence[str | Path] = (),
        on_change: OnChange | None = None,
        **options: Any,
    ) -> Result:
        """Send an image through a pipeline and wait for the result.

        Args:
            pipeline: text in imgtk's language.
            image: a file.
            images: further files, which the pipeline calls by their names.
            on_change: called with the job whenever it gets on.
            options: `format`, `quality`, `lossless`, `depth`, `seed`.

        Raises:
            ApiError: if the server refuses it, or the job fails or is cancelled.
            OSError: if a file cannot be read.
            httpx.HTTPError: if the server cannot be reached.
        """
        job = self.submit(pipeline, image, images=images, **options)
        for now in self.events(job["id"]):
            job = now
            if on_change:
                on_change(job)
        return self.result(_done(job))

    def submit(
        self, pipeline: str, image: str | Path, *, images: Sequence[str | Path] = (), **options: Any
    ) -> dict[str, Any]:
        """Make a job; if the server is full, wait until it is not. Arguments and errors as for `run`."""
        end = time.monotonic() + PATIENCE
        while True:
            with ExitStack() as stack:
                data, files = _form(stack, pipeline, image, images, options)
                answer = self._http.post(f"{API}/jobs", data=data, files=files)
            if not _is_full(answer) or time.monotonic() > end:
                return dict(_checked(answer).json())
            time.sleep(_pause(answer))

    def job(self, name: str) -> dict[str, Any]:
        """Return the job of that id. Raises ApiError."""
        return dict(_checked(self._http.get(f"{API}/jobs/{name}")).json())

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the job of that id, again and again until it is finished. Raises ApiError."""
        with self._http.stream("GET", f"{API}/jobs/{name}/events") as answer:
            if answer.is_error:
                answer.read()
            for line in _checked(answer).iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    def result(self, job: dict[str, Any]) -> Result:
        """Return the result of a job that is done. Raises ApiError."""
        answer = _checked(self._http.get(f"{API}/jobs/{job['id']}/result"))
        return _result(answer, job)

    def cancel(self, name: str) -> dict[str, Any]:
        """Stop the job of that id, or remove it if it is finished. Raises ApiError."""
        return dict(_checked(self._http.delete(f"{API}/jobs/{name}")).json())

    def plan(self, pipeline: str, size: tuple[int, int] = (1920, 1080)) -> dict[str, Any]:
        """Return what a pipeline would do with an image of (width, height). Raises ApiError."""
        return dict(_checked(self._http.post(f"{API}/plan", json={"pipeline": pipeline, "size": size})).json())

    def get(self, path: str) -> Any:
        """Return what the API tells at a path: "operators", "models", "presets", "health". Raises ApiError."""
        return _checked(self._http.get(f"{API}/{path}")).json()


class AsyncClient:
    """The same for asyncio. Arguments and errors as for `Client`."""

    def __init__(
        self, url: str = "http://127.0.0.1:8000", token: str | None = None, *, http: httpx.AsyncClient | None = None
    ) -> None:
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT)
        self._http.base_url = httpx.URL(url)
        self._http.headers.update(_headers(token))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(
        self,
        pipeline: str,
        image: str | Path,
        *,
        images: Sequence[str | Path] = (),
        on_change: OnChange | None = None,
        **options: Any,
    ) -> Result:
        """Send an image through a pipeline and wait for the result, as `Client.run`."""
        job = await self.submit(pipeline, image, images=images, **options)
        async for now in self.events(job["id"]):
            job = now
            if on_change:
                on_change(job)
        return await self.result(_done(job))

    async def submit(
        self, pipeline: str, image: str | Path, *, images: Sequence[str | Path] = (), **options: Any
    ) -> dict[str, Any]:
        """Make a job, as `Client.submit`."""
        end = time.monotonic() + PATIENCE
        while True:
            with ExitStack() as stack:
                data, files = _form(stack, pipeline, image, images, options)
                answer = await self._http.post(f"{API}/jobs", data=data, files=files)
            if not _is_full(answer) or time.monotonic() > end:
                return dict(_checked(answer).json())
            await asyncio.sleep(_pause(answer))

    async def job(self, name: str) -> dict[str, Any]:
        """Return the job of that id."""
        return dict(_checked(await self._http.get(f"{API}/jobs/{name}")).json())

    async def events(self, name: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the job of that id, again and again until it is finished."""
        async with self._http.stream("GET", f"{API}/jobs/{name}/events") as answer:
            if answer.is_error:
                await answer.aread()
            async for line in _checked(answer).aiter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    async def result(self, job: dict[str, Any]) -> Result:
        """Return the result of a job that is done."""
        answer = _checked(await self._http.get(f"{API}/jobs/{job['id']}/result"))
        return _result(answer, job)

    async def cancel(self, name: str) -> dict[str, Any]:
        """Stop the job of that id, or remove it if it is finished."""
        return dict(_checked(await self._http.delete(f"{API}/jobs/{name}")).json())

    async def plan(self, pipeline: str, size: tuple[int, int] = (1920, 1080)) -> dict[str, Any]:
        """Return what a pipeline would do with an image of (width, height)."""
        return dict(_checked(await self._http.post(f"{API}/plan", json={"pipeline": pipeline, "size": size})).json())

    async def get(self, path: str) -> Any:
        """Return what the API tells at a path, as `Client.get`."""
        return _checked(await self._http.get(f"{API}/{path}")).json()


def _headers(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _form(
    stack: ExitStack, pipeline: str, image: str | Path, images: Sequence[str | Path], options: dict[str, Any]
) -> tuple[dict[str, str], list[tuple[str, tuple[str, Any]]]]:
    """Return the fields and files of a form; the files are closed with `stack`."""
    fields = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
    paths = [("image", Path(image)), *((f"image{number}", Path(path)) for number, path in enumerate(images, 2))]
    files = [(key, (path.name, stack.enter_context(path.open("rb")))) for key, path in paths]
    return {"pipeline": pipeline, **fields}, files


def _is_full(answer: httpx.Response) -> bool:
    return answer.status_code in (429, 503) and "retry-after" in answer.headers


def _pause(answer: httpx.Response) -> float:
    text = answer.headers["retry-after"]
    return min(float(text), 30.0) if text.isdecimal() else 1.0


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_error:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    raise ApiError(answer.status_code, problem if isinstance(problem, dict) else {})


def _done(job: dict[str, Any]) -> dict[str, Any]:
    if job["state"] != "done":
        problem = job["problem"] or {"detail": f"the job was {job['state']}"}
        raise ApiError(problem.get("status", 409), problem)
    return job


def _result(answer: httpx.Response, job: dict[str, Any]) -> Result:
    header = Message()
    header["Content-Disposition"] = answer.headers.get("content-disposition", "")
    return Result(answer.content, header.get_filename() or job["result"]["name"], job)
