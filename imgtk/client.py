"""A client of `imgtk serve`, in two forms: `Client`, and `AsyncClient` for asyncio. Needs `imgtk[serve]`.

>>> from imgtk.client import Client
>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     client.run("upscale:esrgan x4", "in.jpg").save("out.jpg")
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx

from imgtk.errors import ImgtkError

__all__ = ["ApiError", "AsyncClient", "Client", "Result"]

PATIENCE = 600.0
"""Seconds for which a job is offered again to a server that is full."""

TIMEOUT = httpx.Timeout(60, read=120)
EVENT = "data: "

Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)

OnChange = Callable[[dict[str, Any]], None]


class ApiError(ImgtkError):
    """The server refused a request, or a job failed.

    Attributes:
        status: the HTTP status, such as 422.
        problem: what the server says: `detail`, `hint`, and for a pipeline `start`, `end` and `caret`.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        caret = problem.get("caret")
        message = problem.get("detail") or f"the server refused the request ({status})"
        super().__init__(f"{message}\n{caret}" if caret else message, hint=problem.get("hint"))
        self.status, self.problem = status, problem


@dataclass(frozen=True)
class Result:
    """The file that a job has made.

    Attributes:
        content: the bytes of the file.
        name: of the file, without folders.
        job: the job as it ended, with `result`, its notes and warnings.
    """

    content: bytes
    name: str
    job: dict[str, Any]

    def save(self, path: str | Path) -> Path:
        """Write the file to `path`, or into the folder `path`. Returns its path. Raises OSError."""
        path = Path(path)
        path = path / self.name if path.is_dir() else path
        path.write_bytes(self.content)
        return path


class _BaseClient(Generic[Http]):
    """What both clients share: the server's address, and the token."""

    def __init__(self, http: Http, url: str, token: str | None) -> None:
        self._http: Http = http
        self._http.base_url = httpx.URL(f"{url.rstrip('/')}/api/v1/")
        if token:
            self._http.headers["Authorization"] = f"Bearer {token}"


class Client(_BaseClient[httpx.Client]):
    """A client that waits for each answer.

    Args:
        url: address of the server.
        token: if the server asks for one.
        http: an `httpx.Client` to use in place of an own one; it is closed with this client.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", token: str | None = None, *, http: httpx.Client | None = None
    ) -> None:
        super().__init__(http or httpx.Client(timeout=TIMEOUT), url, token)

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
            on_change: called with the job whenever it changes.
            options: `format`, `quality`, `lossless`, `depth`, `seed`.

        Raises:
            ApiError: if the server refuses the request, or the job fails or is cancelled.
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
        """Make a job and return it; if the server is full, wait until it is not. Arguments and errors as for `run`."""
        end = time.monotonic() + PATIENCE
        while True:
            with _form(pipeline, image, images, options) as form:
                answer = self._http.post("jobs", **form)
            pause = _pause(answer, end)
            if not pause:
                return dict(_json(answer))
            time.sleep(pause)

    def job(self, name: str) -> dict[str, Any]:
        """Return the job of that id. Raises ApiError."""
        return dict(self._ask("GET", f"jobs/{name}"))

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the job of that id whenever it changes, until it is finished. Raises ApiError."""
        with self._http.stream("GET", f"jobs/{name}/events") as answer:
            if answer.is_error:
                answer.read()
            for line in _checked(answer).iter_lines():
                if line.startswith(EVENT):
                    yield json.loads(line.removeprefix(EVENT))

    def result(self, job: dict[str, Any]) -> Result:
        """Return the result of a job that is done. Raises ApiError."""
        return _result(self._http.get(f"jobs/{job['id']}/result"), job)

    def cancel(self, name: str) -> dict[str, Any]:
        """Stop the job of that id, or remove it if it is finished. Raises ApiError."""
        return dict(self._ask("DELETE", f"jobs/{name}"))

    def plan(self, pipeline: str, size: tuple[int, int] = (1920, 1080)) -> dict[str, Any]:
        """Return what a pipeline would do with an image of (width, height) pixels. Raises ApiError."""
        return dict(self._ask("POST", "plan", json={"pipeline": pipeline, "size": size}))

    def get(self, path: str) -> Any:
        """Return a list or a state of the server: "operators", "models", "presets" or "health". Raises ApiError."""
        return self._ask("GET", path)

    def _ask(self, method: str, path: str, **content: Any) -> Any:
        return _json(self._http.request(method, path, **content))


class AsyncClient(_BaseClient[httpx.AsyncClient]):
    """A client for asyncio. Arguments and errors as for `Client`."""

    def __init__(
        self, url: str = "http://127.0.0.1:8000", token: str | None = None, *, http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(http or httpx.AsyncClient(timeout=TIMEOUT), url, token)

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
            with _form(pipeline, image, images, options) as form:
                answer = await self._http.post("jobs", **form)
            pause = _pause(answer, end)
            if not pause:
                return dict(_json(answer))
            await asyncio.sleep(pause)

    async def job(self, name: str) -> dict[str, Any]:
        """Return the job of that id, as `Client.job`."""
        return dict(await self._ask("GET", f"jobs/{name}"))

    async def events(self, name: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the job of that id whenever it changes, as `Client.events`."""
        async with self._http.stream("GET", f"jobs/{name}/events") as answer:
            if answer.is_error:
                await answer.aread()
            async for line in _checked(answer).aiter_lines():
                if line.startswith(EVENT):
                    yield json.loads(line.removeprefix(EVENT))

    async def result(self, job: dict[str, Any]) -> Result:
        """Return the result of a job that is done, as `Client.result`."""
        return _result(await self._http.get(f"jobs/{job['id']}/result"), job)

    async def cancel(self, name: str) -> dict[str, Any]:
        """Stop the job of that id, or remove it, as `Client.cancel`."""
        return dict(await self._ask("DELETE", f"jobs/{name}"))

    async def plan(self, pipeline: str, size: tuple[int, int] = (1920, 1080)) -> dict[str, Any]:
        """Return what a pipeline would do, as `Client.plan`."""
        return dict(await self._ask("POST", "plan", json={"pipeline": pipeline, "size": size}))

    async def get(self, path: str) -> Any:
        """Return a list or a state of the server, as `Client.get`."""
        return await self._ask("GET", path)

    async def _ask(self, method: str, path: str, **content: Any) -> Any:
        return _json(await self._http.request(method, path, **content))


@contextmanager
def _form(
    pipeline: str, image: str | Path, images: Sequence[str | Path], options: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the fields and files of a form, as arguments for httpx; the files are open meanwhile."""
    fields = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()}
    paths = [("image", Path(image)), *((f"image{number}", Path(path)) for number, path in enumerate(images, 2))]
    with ExitStack() as stack:
        files = [(key, (path.name, stack.enter_context(path.open("rb")))) for key, path in paths]
        yield {"data": {"pipeline": pipeline, **fields}, "files": files}


def _pause(answer: httpx.Response, end: float) -> float:
    """Return after how many seconds to send a job again, as the server is full; 0 if it is not, or after `end`."""
    if answer.status_code not in (429, 503) or "retry-after" not in answer.headers or time.monotonic() > end:
        return 0
    text = answer.headers["retry-after"]
    return min(max(float(text), 0.1), 30.0) if text.isdecimal() else 1.0


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_error:
        return answer
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    raise ApiError(answer.status_code, problem if isinstance(problem, dict) else {})


def _json(answer: httpx.Response) -> Any:
    try:
        return _checked(answer).json()
    except ValueError:
        detail = f"{answer.url.host} answers something else than an imgtk server does"
        raise ApiError(answer.status_code, {"detail": detail, "hint": "Give the address of `imgtk serve`."}) from None


def _done(job: dict[str, Any]) -> dict[str, Any]:
    if job["state"] != "done":
        problem = job["problem"] or {"detail": f"the job was {job['state']}"}
        raise ApiError(problem.get("status", 409), problem)
    return job


def _result(answer: httpx.Response, job: dict[str, Any]) -> Result:
    return Result(_checked(answer).content, Path(job["result"]["name"]).name, job)
