"""Checks of every request (host, origin, token), and headers, request id and log line of every response."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from hmac import compare_digest
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgtk.serve.metrics import Metrics
from imgtk.serve.options import ServeOptions, is_loopback
from imgtk.serve.problem import MEDIA_TYPE, Problem, problem_of

__all__ = ["Guard", "problem_response"]

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
OPEN = ("/api/v1/health", "/api/v1/openapi.json")
"""Paths of the API that need no token; neither does the page, which asks for it."""

METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH")

_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")
_ADDRESS = re.compile(r"\[.*\]|\d+\.\d+\.\d+\.\d+")

log = logging.getLogger("imgtk.serve")


class Guard:
    """The outermost application: it refuses requests, or passes them on, and logs both.

    Args:
        app: what answers the requests that pass.
        options: of the server.
        metrics: counts them.
    """

    def __init__(self, app: ASGIApp, options: ServeOptions, metrics: Metrics) -> None:
        self._app, self._options, self._metrics = app, options, metrics
        own = {"localhost", "127.0.0.1", "[::1]", f"[{options.host}]" if ":" in options.host else options.host}
        self._hosts = {name.lower() for name in (*own, *options.hosts)}
        self._tokens = [token.encode() for token in options.tokens]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, start = Headers(scope=scope), perf_counter()
        name = secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["request_id"] = name
        origin, status = headers.get("origin"), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message), name, scope["path"], origin)
            await send(message)

        try:
            answer = self._checked(scope, headers)
            if answer is not None:
                await answer(scope, receive, sending)
            else:
                await self._app(scope, receive, sending)
        except Exception as error:
            problem = problem_of(error)
            if problem.status == 500:
                log.exception("a request failed", extra={"request": name})
            if status:  # the response has begun: there is no taking it back
                raise
            await problem_response(problem)(scope, receive, sending)
        finally:
            seconds = perf_counter() - start
            self._metrics.request(scope["method"] if scope["method"] in METHODS else "other", status, seconds)
            told = {"request": name, "client": _told(state.get("client", "")), "method": scope["method"][:20]}
            path = {"path": _without_ids(scope["path"]), "status": status, "ms": round(1000 * seconds, 1)}
            log.info("request", extra={**told, **path})

    def _checked(self, scope: Scope, headers: Headers) -> Response | None:
        """Return the answer to a preflight request (CORS); None for a request that may pass. Raises Problem for one
        that may not."""
        self._check_host(headers.get("host", ""))
        cross = self._check_origin(headers, scope)
        if cross and scope["method"] == "OPTIONS":
            methods = "GET, POST, DELETE, OPTIONS"
            asked = "Authorization, Content-Type, Prefer"
            allow = {"Access-Control-Allow-Methods": methods, "Access-Control-Allow-Headers": asked}
            return Response(status_code=204, headers={**allow, "Access-Control-Max-Age": "600"})
        address = scope["client"][0] if scope.get("client") else "local"
        token = self._token(scope, headers)
        scope["state"]["client"] = f"{hashlib.sha256(token).hexdigest()[:16]}@{address}" if token else address
        return None

    def _check_host(self, host: str) -> None:
        match = _HOST.fullmatch(host)
        name = match["name"].lower() if match else ""
        address = not is_loopback(self._options.host) and _ADDRESS.fullmatch(name)
        if name not in self._hosts and not address:
            hint = f"Start the server with --allow-host {name}, if that is its name." if name else None
            raise Problem(421, "host", "this server has another name", hint)

    def _check_origin(self, headers: Headers, scope: Scope) -> bool:
        """Return whether a page of another site asks that may use this server. Raises Problem for one that may not."""
        origin = headers.get("origin")
        if origin is None:
            if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in ("GET", "HEAD"):
                raise Problem(403, "origin", "pages of other sites may not use this server")
            return False
        if origin.lower() == f"{scope.get('scheme', 'http')}://{headers.get('host', '')}".lower():
            return False
        if origin in self._options.origins:
            return True
        hint = "Start the server with --allow-origin to let them."
        raise Problem(403, "origin", "pages of other sites may not use this server", hint)

    def _token(self, scope: Scope, headers: Headers) -> bytes:
        """Return the token of a request, if tokens are needed. Raises Problem if it is missing or wrong."""
        guarded = scope["path"].startswith("/api/") or scope["path"] == "/metrics"
        if not self._tokens or not guarded or scope["path"] in OPEN:
            return b""
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            for token in self._tokens:
                if compare_digest(token, given.strip().encode()):
                    return token
        hint = "Send it as `Authorization: Bearer TOKEN`; `imgtk serve` printed it when it started."
        raise Problem(401, "token", "this server needs a token", hint, headers={"WWW-Authenticate": "Bearer"})

    def _add_headers(self, headers: MutableHeaders, name: str, path: str, origin: str | None) -> None:
        headers["X-Request-Id"] = name
        for key, value in HEADERS.items():
            headers.setdefault(key, value)
        headers.setdefault("Cache-Control", "no-store" if path.startswith("/api/") else "no-cache")
        if origin in self._options.origins and origin is not None:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "Location, Content-Disposition, X-Request-Id, Retry-After"
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            headers.add_vary_header("Origin")


def problem_response(problem: Problem) -> JSONResponse:
    """Return a problem as a response."""
    return JSONResponse(problem.to_dict(), problem.status, dict(problem.headers), MEDIA_TYPE)


def _without_ids(path: str) -> str:
    """Return a path as the log tells it: with shortened ids of jobs, which are as good as passwords."""
    return re.sub(r"[^\x20-\x7e]", "?", re.sub(r"(/jobs/[\w-]{4})[\w-]*", r"\1*", path))[:200]


def _told(client: str) -> str:
    return client.partition("@")[2] or client
