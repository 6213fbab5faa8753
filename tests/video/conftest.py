"""Pipelines that fail midway."""

from __future__ import annotations

from typing import Any

import pytest

from imgtk import Pipeline


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Grows by one with each frame; when it has as many as `computed.fail_at`, computing fails."""

    class Computed(list[int]):
        fail_at = 10**9

    seen, compute = Computed(), Pipeline.__call__

    def counted(self: Pipeline, *args: Any, **kwargs: Any) -> Any:
        if len(seen) >= seen.fail_at:
            raise RuntimeError("power cut")
        seen.append(1)
        return compute(self, *args, **kwargs)

    monkeypatch.setattr(Pipeline, "__call__", counted)
    return seen
