"""Which devices there are, and what "auto" means, on machines that have others than this one."""

from __future__ import annotations

import pytest
import torch

from imgtk.device import available_devices, resolve_device, resolve_dtype
from imgtk.errors import DeviceError


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of GPUs that torch says work; tests add to it."""
    kinds: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: "xpu" in kinds)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 2)
    return kinds


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_auto_takes_a_gpu(works: list[str], kind: str) -> None:
    assert resolve_device("auto").type == "cpu"
    works.append(kind)
    assert available_devices() == [kind, "cpu"]
    assert resolve_device("auto").type == kind
    assert resolve_device(kind).type == kind


def test_several_by_number(works: list[str]) -> None:
    works += ["cuda", "xpu"]
    assert resolve_device("auto").type == "cuda"
    assert resolve_device("xpu:1") == torch.device("xpu", 1)
    for name in ("xpu:2", "cuda:2", "mps", "tpu", "cpu:1"):
        with pytest.raises(DeviceError, match=r"xpu|available|called"):
            resolve_device(name)


def test_number_formats_of_xpu_and_mps() -> None:
    assert resolve_dtype("auto", torch.device("xpu")) == torch.bfloat16
    assert resolve_dtype("auto", torch.device("mps")) == torch.float16
