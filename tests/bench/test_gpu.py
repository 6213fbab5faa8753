"""benchmarks/gpu.py is for a day that there is a GPU: until then, it runs to its end on the CPU."""

from __future__ import annotations

import importlib
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture(autouse=True)
def imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find what benchmarks share, and draw nothing: matplotlib need not be installed."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    monkeypatch.setattr(importlib.import_module("common"), "_draw", lambda path, draw: None)


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *words])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_it_runs_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(monkeypatch, "--device", "cpu", "--quick", "--out", str(tmp_path))
    peak, *rows = json.loads((tmp_path / "gpu.json").read_text("utf-8"))["results"]
    assert peak["what"].startswith("matrix products")
    shares = [row["share_of_peak"] for row in rows if "share_of_peak" in row]
    assert len(shares) == 4
    assert min(shares) > 0
    assert [row["what"].rpartition(", ")[2] for row in rows[4:]] == ["1 in a batch", "2 in a batch"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        call(monkeypatch)
    assert end.value.code == 2
    assert "cuda is not available" in capsys.readouterr().err
