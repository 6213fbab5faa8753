"""What clients send, counted while it arrives: fields and files, on disk."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from time import monotonic
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from imgtk.serve.options import Limits
from imgtk.serve.problem import Problem
from imgtk.serve.tasks import WriteAs

__all__ = ["Upload", "limited", "receive_upload"]

SLOWEST = 10_000
"""Bytes per second below which a request is given up, after `FIRST_SECONDS`."""

FIRST_SECONDS = 60
"""Seconds in which a request may be as slow as it likes."""

CLOSE = {"Connection": "close"}
"""Header of answers to requests whose rest is not read."""

FIELD_BYTES = 64_000
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")


@dataclass
class Upload:
    """What a request for a job has brought.

    Attributes:
        folder: its files; gone with the request, unless `kept`.
        image: the file of the image.
        name: what the client calls it.
        fields: the others.
        files: further images, by their names.
        kept: whether `folder` outlives the request; the job that it becomes then owns it.
    """

    folder: Path
    image: Path = Path()
    name: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    kept: bool = False

    @property
    def names(self) -> dict[str, str]:
        """What messages call its files, by path."""
        return {str(path): name for name, path in [(self.name, self.image), *self.files.items()]}

    def write_as(self) -> WriteAs:
        """Return how the result is to be written. Raises Problem for options that make no sense."""
        suffix = self.fields.get("format") or None
        if suffix is not None and suffix not in ("jpg", "png", "webp", "tif", "bmp"):
            raise _bad(f"format: expected jpg, png, webp, tif or bmp, got {suffix!r}")
        lossless = self.fields.get("lossless", "false").lower()
        if lossless not in ("true", "false"):
            raise _bad(f"lossless: expected true or false, got {lossless!r}")
        depth = self.whole("depth", 8, 16)
        if depth not in (None, 8, 16):
            raise _bad(f"depth: expected 8 or 16, got {depth}")
        return WriteAs(suffix, self.whole("quality", 1, 100), lossless == "true", depth)

    def whole(self, name: str, low: int, high: int) -> int | None:
        """Return a field that is a whole number; None if it was not sent. Raises Problem for anything else."""
        text = self.fields.get(name) or None
        if text is None:
            return None
        if not re.fullmatch(r"\d{1,10}", text, re.ASCII) or not low <= int(text) <= high:
            raise _bad(f"{name}: expected a whole number from {low} to {high}, got {text[:40]!r}")
        return int(text)


@asynccontextmanager
async def receive_upload(request: Request, limits: Limits, root: Path) -> AsyncIterator[Upload]:
    """Receive a form with files, or the bytes of one image with the fields in the query.

    Raises:
        Problem: for a request that is too large, too slow, or not as it should be.
    """
    upload = Upload(Path(tempfile.mkdtemp(prefix="job-", dir=root)))
    try:
        request = limited(request, limits)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            await _form(request, upload, limits)
        elif kind.startswith("image/") or kind == "application/octet-stream":
            await _raw(request, upload)
        else:
            what = f"requests of type {kind}" if kind else "requests without a type"
            raise Problem(415, "media-type", f"this server does not take {what}", "Send multipart/form-data.")
        if not upload.name:
            raise _bad("the request has no image", "Send it as the field `image`.")
        yield upload
    except ClientDisconnect:
        raise Problem(400, "disconnected", "the request ended before it was complete") from None
    finally:
        if not upload.kept:
            await asyncio.to_thread(shutil.rmtree, upload.folder, ignore_errors=True)


def limited(request: Request, limits: Limits, most: int | None = None) -> Request:
    """Return the request, with its body counted, and timed, while it is read.

    Raises:
        Problem: at once if it says that it is larger than it may be.
    """
    most = limits.upload if most is None else most
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    return Request(request.scope, _Metered(request.receive, most, limits.idle_seconds))


class _Metered:
    """A `receive` that raises Problem when too much has come, or too little in too long a time."""

    def __init__(self, receive: Receive, most: int, idle: float) -> None:
        self._receive, self._most, self._idle = receive, most, idle
        self._count, self._started = 0, monotonic()

    async def __call__(self) -> Message:
        try:
            message = await asyncio.wait_for(self._receive(), self._idle)
        except asyncio.TimeoutError:
            raise _slow(f"the request stopped for more than {self._idle:g} seconds") from None
        self._count += len(message.get("body", b""))
        if self._count > self._most:
            raise _too_large(self._most)
        if message.get("more_body") and monotonic() - self._started > FIRST_SECONDS + self._count / SLOWEST:
            raise _slow(f"the request was slower than {SLOWEST:,} bytes per second")
        return message


async def _form(request: Request, upload: Upload, limits: Limits) -> None:
    try:
        form = await request.form(max_files=limits.files, max_fields=20, max_part_size=FIELD_BYTES)
    except (HTTPException, MultiPartException) as error:
        detail = getattr(error, "detail", None) or getattr(error, "message", "") or "it is damaged"
        raise Problem(422, "request", f"the form cannot be read: {detail}", headers=CLOSE) from None
    try:
        for key, value in form.multi_items():
            if isinstance(value, UploadFile):
                await _file(key, value, upload)
            else:
                upload.fields[key] = value
    finally:
        await form.close()


async def _file(key: str, sent: UploadFile, upload: Upload) -> None:
    name = safe_name(sent.filename)
    if key == "image":
        if upload.name:
            raise _bad("the request has two fields `image`", "Send further images by other names.")
        upload.name = name
        upload.image = path = upload.folder / f"image{_suffix(name)}"
    else:
        if name in upload.files:
            raise _bad(f"two files are called {name!r}")
        upload.files[name] = path = upload.folder / f"other-{len(upload.files)}{_suffix(name)}"
    await asyncio.to_thread(_copy, sent.file, path)


def _copy(source: Any, path: Path) -> None:
    source.seek(0)
    with path.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)


async def _raw(request: Request, upload: Upload) -> None:
    upload.fields.update(request.query_params)
    suffix = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/tiff": ".tif"}
    kind = request.headers["content-type"].partition(";")[0].strip().lower()
    upload.name = safe_name(upload.fields.get("name") or f"image{suffix.get(kind, '')}")
    upload.image = upload.folder / f"image{_suffix(upload.name)}"
    with upload.image.open("xb") as file:
        async for piece in request.stream():
            file.write(piece)


def safe_name(name: str | None) -> str:
    """Return a file's name without folders, and without characters that terminals and headers would misread."""
    last = PureWindowsPath(PurePosixPath(name or "").name).name
    cleaned = "".join(c for c in last if c.isprintable()).strip(". ")
    return cleaned[-120:] or "image"


def _suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    return suffix if _SUFFIX.fullmatch(suffix) else ""


def _bad(detail: str, hint: str | None = None) -> Problem:
    return Problem(422, "request", detail, hint)


def _too_large(most: int) -> Problem:
    return Problem(413, "too-large", f"the request is larger than {most:,} bytes", "Send less at once.", headers=CLOSE)


def _slow(detail: str) -> Problem:
    return Problem(408, "too-slow", detail, headers=CLOSE)
