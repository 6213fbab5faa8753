"""Memory needed by a tile, measured on two small ones."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Counts the bytes of the tensors that live at once, on any device; `peak` is the most there were.

    Scratch memory inside an operation is not seen; `HEADROOM` allows for it.
    """

    HEADROOM = 1.3

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[int, int] = {}
        self.peak = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # the default wraps __torch_dispatch__ so that its first call imports torch._dynamo: 1.5 seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self.live:
            self.live[key] = storage.nbytes()
            weakref.finalize(storage, self.live.pop, key, None)
            self.peak = max(self.peak, sum(self.live.values()))


def probe(render: Callable[[int], int]) -> tuple[float, float]:
    """Fit `peak = fixed + per_pixel * pixels`.

    Args:
        render: renders a square of about the given side and returns how many pixels it had.
    """
    points = []
    for side in (32, 96):
        with torch.no_grad(), PeakMemory() as memory:
            actual = render(side)
        points.append((actual, memory.peak * PeakMemory.HEADROOM))
    (small, low), (large, high) = points
    per_pixel = max(0.0, (high - low) / (large - small)) if large > small else high / max(1, large)
    return max(0.0, low - per_pixel * small), per_pixel
