"""The meter sees what work takes, and nothing else."""

from __future__ import annotations

from time import sleep

import numpy as np
import pytest
import torch

from imgtk.bench import meter as module
from imgtk.bench.meter import Meter

CPU = torch.device("cpu")
MB = 1_000_000


@pytest.fixture(params=["kernel", "samples"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "samples":
        monkeypatch.setattr(module, "_reset_high_water", lambda: False)


@pytest.mark.usefixtures("way")
def test_memory_that_is_gone_at_the_end_counts() -> None:
    with Meter(CPU) as meter:
        pixels = np.ones(64 * MB, np.uint8)
        sleep(0.05)
        del pixels
    assert meter.peak_bytes is not None
    assert 60 * MB < meter.peak_bytes < 90 * MB
    assert meter.seconds >= 0.05


@pytest.mark.usefixtures("way")
def test_what_was_held_before_does_not_count() -> None:
    pixels = np.ones(64 * MB, np.uint8)
    with Meter(CPU) as meter:
        sleep(0.01)
    assert meter.peak_bytes is not None
    assert meter.peak_bytes < 10 * MB
    assert pixels.all()


def test_reusing_freed_memory_counts() -> None:
    """Small blocks stay with the process when they are freed, so taking them again would not raise its size."""
    blocks = [np.ones(50_000, np.uint8) for _ in range(600)]
    del blocks
    with Meter(CPU) as meter:
        again = [np.ones(50_000, np.uint8) for _ in range(600)]
    assert len(again) == 600
    assert meter.peak_bytes is not None
    assert meter.peak_bytes > 20 * MB or not module.psutil.LINUX


def test_an_error_goes_through() -> None:
    with pytest.raises(KeyError), Meter(CPU):
        raise KeyError


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_tensors_count() -> None:
    device = torch.device("cuda")
    kept = torch.ones(64 * MB, dtype=torch.uint8, device=device)
    with Meter(device) as meter:
        torch.ones(32 * MB, dtype=torch.uint8, device=device)
    assert meter.peak_bytes is not None
    assert 32 * MB <= meter.peak_bytes < 40 * MB
    del kept
