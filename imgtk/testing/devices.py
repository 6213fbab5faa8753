"""A device without values, on which tensors that stay on the CPU are found: what a GPU would find, without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

__all__ = ["StayedOnCPUError", "other_device"]

DEVICE = torch.device("meta")

aten = torch.ops.aten
TAKES_BOTH = {aten.copy_, aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
"""What GPUs do with tensors of both devices, too: copying, and indexing by numbers on the CPU."""


class StayedOnCPUError(RuntimeError):
    """A tensor on the CPU and one on another device were mixed."""


@contextmanager
def other_device() -> Iterator[torch.device]:
    """Yield torch's device "meta", which behaves as a GPU while the context lasts.

    Its tensors have shapes and number formats, and no values. Those that are asked of it (`item`, `cpu`) are made up.
    torch refuses most mixtures of its tensors with those of the CPU; here all are refused that a GPU would refuse.
    Autocast, which does not know the device, does nothing.

    Raises:
        StayedOnCPUError: from within the context, where tensors are mixed.
    """
    with patch.object(torch, "autocast", lambda *_, **__: nullcontext()), _MadeUpValues():
        yield DEVICE


class _MadeUpValues(TorchDispatchMode):
    """Stands between torch and its kernels."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = function.overloadpacket
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if all(not tensor.is_meta for tensor in tensors):
            return function(*args, **kwargs)
        with self:  # in inference mode, torch leaves this to us
            parts = function.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        stayed = [tensor for tensor in tensors if not tensor.is_meta and tensor.ndim]
        if stayed and packet not in TAKES_BOTH:
            shape = "x".join(map(str, stayed[0].shape))
            raise StayedOnCPUError(f"{packet} of a tensor ({shape}) on the CPU and others on the device")
        if packet is aten._local_scalar_dense:
            return _made_up(args[0]).item()
        if packet is aten._to_copy and kwargs.get("device", DEVICE).type != DEVICE.type:
            return function(_made_up(args[0]), **kwargs)
        if packet is aten.copy_ and not args[0].is_meta:
            return args[0]
        try:
            return function(*args, **kwargs)
        except NotImplementedError:  # no kernel for the device
            if function._schema.is_mutable:
                raise
            args, kwargs = tree_map_only(Tensor, _made_up, (args, kwargs))
            return tree_map_only(Tensor, lambda tensor: tensor.to(DEVICE), function(*args, **kwargs))


def _made_up(tensor: Tensor) -> Tensor:
    value = 0.5 if tensor.is_floating_point() else 1
    return torch.full(tensor.shape, value, dtype=tensor.dtype) if tensor.is_meta else tensor
