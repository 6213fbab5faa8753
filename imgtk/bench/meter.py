"""Time and peak memory of a piece of work."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from time import perf_counter

import psutil
import torch

__all__ = ["Meter"]

INTERVAL = 0.001
"""Seconds between two checks of the memory, where the system does not keep the peak itself."""

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class Meter:
    """`with Meter(device) as meter: work()` measures what the work takes beyond what the process holds already.

    On a CPU that is resident memory: on Linux the kernel's own high-water mark (`VmHWM`, reset before), elsewhere the
    largest of samples, which may miss a short peak. Memory that earlier work has freed is given back to the system
    before, where the C library can (glibc), or the reuse of it would go unseen. On CUDA it is what tensors hold.

    Attributes:
        seconds: time it took.
        peak_bytes: most memory it held; None where it cannot be measured (Apple GPUs).
    """

    seconds: float
    peak_bytes: int | None

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()

    def __enter__(self) -> Meter:
        self._done = threading.Event()
        self._sampler: threading.Thread | None = None
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            self._before = torch.cuda.memory_allocated(self._device)
        else:
            _give_back()
            self._before = self._most = self._process.memory_info().rss
            self._kept_by_kernel = _reset_high_water()
            if not self._kept_by_kernel:
                self._sampler = threading.Thread(target=self._sample, daemon=True)
                self._sampler.start()
        self._started = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.seconds = perf_counter() - self._started
        self._done.set()
        if self._sampler:
            self._sampler.join()
        self.peak_bytes = self._peak()

    def _peak(self) -> int | None:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._before
        if self._device.type != "cpu":
            return None
        return max(0, (_high_water() if self._kept_by_kernel else self._most) - self._before)

    def _sample(self) -> None:
        while not self._done.wait(INTERVAL):
            self._most = max(self._most, self._process.memory_info().rss)


def _reset_high_water() -> bool:
    """Have the kernel start anew with its high-water mark of this process; whether it does."""
    try:
        _CLEAR.write_text("5")
        return _high_water() > 0
    except OSError:
        return False


def _high_water() -> int:
    """Return the peak resident memory in bytes since the last reset; 0 if the kernel does not tell."""
    lines = _STATUS.read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _give_back() -> None:
    """Return the memory that is free within the process to the system."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if psutil.LINUX else None
    if trim is not None:
        trim(0)
