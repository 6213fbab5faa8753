"""The client, with answers made up: what servers that are full, gone or strangers say."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from imgtk import client as module
from imgtk.client import ApiError, AsyncClient, Client, Result

JOB = {"id": "a1", "state": "done", "problem": None, "result": {"name": "../in.imgtk.png"}}


class Answers:
    """A transport that gives prepared answers in turn, and keeps the requests."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.left, self.seen = list(answers), list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return self.left.pop(0)


def ask(kind: str, answers: Answers, method: str, *arguments: Any, **options: Any) -> Any:
    """Call a method of one of the two clients."""
    if kind == "sync":
        with Client("http://here/", "secret", http=httpx.Client(transport=httpx.MockTransport(answers))) as client:
            return getattr(client, method)(*arguments, **options)

    async def asked() -> Any:
        http = httpx.AsyncClient(transport=httpx.MockTransport(answers))
        async with AsyncClient("http://here/", "secret", http=http) as client:
            return await getattr(client, method)(*arguments, **options)

    return asyncio.run(asked())


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
def test_addresses_and_token(kind: str) -> None:
    answers = Answers(httpx.Response(200, json={"status": "ok"}))
    assert ask(kind, answers, "get", "health") == {"status": "ok"}
    assert str(answers.seen[0].url) == "http://here/api/v1/health"
    assert answers.seen[0].headers["authorization"] == "Bearer secret"


@both
def test_a_full_server_is_asked_again(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.png").write_bytes(b"pixels")
    full = [httpx.Response(429, headers={"Retry-After": "0"}), httpx.Response(503, headers={"Retry-After": "0"})]
    answers = Answers(*full, httpx.Response(202, json=JOB))
    assert ask(kind, answers, "submit", "adjust:blur", tmp_path / "in.png", lossless=True) == JOB
    assert len(answers.seen) == 3
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    with pytest.raises(ApiError) as caught:
        ask(kind, Answers(httpx.Response(429, headers={"Retry-After": "0"})), "submit", "x", tmp_path / "in.png")
    assert caught.value.status == 429


@both
@pytest.mark.parametrize("body", ["<html>", "", "[1, 2"])
def test_other_servers_are_recognised(kind: str, body: str) -> None:
    with pytest.raises(ApiError, match="here answers something else than an imgtk server does"):
        ask(kind, Answers(httpx.Response(200, text=body)), "get", "operators")


@both
def test_problems_are_told_with_their_caret(kind: str) -> None:
    problem = {"detail": "unknown operator 'x'", "hint": "Did you mean y?", "caret": "x | z\n^"}
    with pytest.raises(ApiError) as caught:
        ask(kind, Answers(httpx.Response(422, json=problem)), "plan", "x | z", (1, 1))
    assert caught.value.message == "unknown operator 'x'\nx | z\n^"
    assert caught.value.hint == "Did you mean y?"
    with pytest.raises(ApiError, match=r"refused the request \(502\)"):
        ask(kind, Answers(httpx.Response(502, text="Bad Gateway")), "job", "a1")


@both
def test_names_of_results_have_no_folders(kind: str, tmp_path: Path) -> None:
    result: Result = ask(kind, Answers(httpx.Response(200, content=b"pixels")), "result", JOB)
    assert result.save(tmp_path) == tmp_path / "in.imgtk.png"
    assert (tmp_path / "in.imgtk.png").read_bytes() == b"pixels"


@both
def test_cancelled_and_failed_jobs_are_errors(kind: str, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(b"pixels")
    for end, said in (
        ({**JOB, "state": "cancelled"}, "the job was cancelled"),
        ({**JOB, "state": "failed", "problem": {"status": 413, "detail": "too large"}}, "too large"),
    ):
        events = "".join(f"event: job\ndata: {httpx.Response(200, json=job).text}\n\n" for job in (JOB, end))
        answers = Answers(httpx.Response(202, json=JOB), httpx.Response(200, text=events))
        seen: list[Any] = []
        with pytest.raises(ApiError, match=said):
            ask(kind, answers, "run", "x", tmp_path / "in.png", on_change=seen.append)
        assert seen == [JOB, end]
