"""The web application: the API, the page, and the guard before both."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from imgtk.errors import ImgtkError
from imgtk.serve.api import Api, on_error
from imgtk.serve.guard import Guard
from imgtk.serve.metrics import Metrics
from imgtk.serve.problem import Problem
from imgtk.serve.service import Service

__all__ = ["application"]

PAGE = Path(__file__).with_name("page")


def application(service: Service) -> ASGIApp:
    """Return the application of a service. The service's processes start and end with it."""
    metrics = Metrics(service.jobs)

    @asynccontextmanager
    async def living(app: Starlette) -> Any:
        service.start()
        try:
            yield
        finally:
            await service.close()

    async def index(request: Request) -> FileResponse:
        return FileResponse(PAGE / "index.html", media_type="text/html; charset=utf-8")

    routes = [*Api(service, metrics).routes(), Route("/", index), Mount("/page", StaticFiles(directory=PAGE))]
    handlers: Any = dict.fromkeys((HTTPException, Problem, ImgtkError), on_error)
    return Guard(Starlette(routes=routes, exception_handlers=handlers, lifespan=living), service.options, metrics)
