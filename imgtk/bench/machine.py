"""The machine that a result was measured on."""

from __future__ import annotations

import platform
from datetime import date
from typing import Any


def machine() -> dict[str, Any]:
    """Return the machine and the versions, as JSON data."""
    import cv2
    import psutil
    import torch

    import imgtk
    from imgtk.device import cpu_name

    return {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "bf16_units": bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "imgtk": imgtk.__version__,
    }
