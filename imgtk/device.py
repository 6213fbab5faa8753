"""Devices, number formats and free memory, and what "auto" means for them."""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import psutil
import torch

from imgtk.errors import DeviceError

__all__ = ["DTYPES", "available_devices", "available_memory", "cpu_name", "resolve_device", "resolve_dtype"]

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
"""Number formats, by the names that users give them."""


def resolve_device(name: str | torch.device) -> torch.device:
    """Return the device of that name; "auto" means an NVIDIA or AMD, Apple or Intel GPU if there is
    one, else the CPU.

    Raises:
        DeviceError: if this machine has no such device; the message lists those that it has.
    """
    if isinstance(name, torch.device):
        name = str(name)
    if name == "auto":
        return torch.device(available_devices()[0])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"there is no device called {name!r}", hint=f"Use {_choices()}.") from None
    if device.type not in available_devices() or (device.index or 0) >= _count(device.type):
        raise DeviceError(f"the device {name} is not available on this machine", hint=f"Use {_choices()}.")
    return device


def available_devices() -> list[str]:
    """Return the types of the devices that work on this machine, "cpu" last."""
    works: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "xpu": torch.xpu.is_available,
    }
    return [*(kind for kind, available in works.items() if available()), "cpu"]


def _count(kind: str) -> int:
    counts: dict[str, Callable[[], int]] = {"cuda": torch.cuda.device_count, "xpu": torch.xpu.device_count}
    return counts[kind]() if kind in counts else 1


def _choices() -> str:
    return ", ".join(["auto", *available_devices()])


def resolve_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the number format of that name ("fp32", "fp16", "bf16"); "auto" means the fastest one that the device
    supports in hardware: bf16 on CPUs with AVX512-BF16 or AMX and on GPUs that have it, else fp16 on GPUs, else
    fp32."""
    if name != "auto":
        try:
            return DTYPES[name]
        except KeyError:
            raise DeviceError(f"unknown number format {name!r}", hint=f"Use auto, {', '.join(DTYPES)}.") from None
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type in ("mps", "xpu"):
        return torch.float16 if device.type == "mps" else torch.bfloat16
    return torch.bfloat16 if _cpu_has_bf16() else torch.float32


@lru_cache
def _cpu_has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def available_memory(device: torch.device) -> int:
    """Return the number of free bytes on the device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "xpu":
        free: int = torch.xpu.mem_get_info(device)[0]
        return free
    return min(psutil.virtual_memory().available, _cgroup_limit())


def _cgroup_limit() -> int:
    """Return the bytes left to this process's control group (containers), or a very large number."""
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text().strip()
        return max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return 1 << 62


def cpu_name() -> str:
    """Return the processor's name and number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {psutil.cpu_count()} cores"
