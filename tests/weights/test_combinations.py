"""Checkpoints in all combinations of file format, dtype, container and prefix hold the same tensors."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from imgtk.weights import read_state

FORMATS = ("zip", "pickle", "safetensors")
DTYPES = ("float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "float8_e5m2")
CONTAINERS = ((), ("params_ema",), ("state_dict",), ("model", "ema"), ("netG",))
PREFIXES = ("", "module.", "_orig_mod.", "net_g.", "model.netG.module.")


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_tensors_are_the_same(tmp_path: Path, form: str, dtype: str) -> None:
    if form == "pickle" and dtype.startswith("float8"):
        pytest.skip("torch itself does not load such files")
    kind = getattr(torch, dtype)
    state = {"conv.weight": torch.randn(4, 3, 3, 3).to(kind), "conv.bias": torch.randn(4).to(kind)}
    for keys, prefix in product(CONTAINERS, PREFIXES):
        content: Any = {prefix + name: value for name, value in state.items()}
        if form == "safetensors":
            if keys:
                continue  # it holds tensors only
            save_file(content, tmp_path / "a")
        else:
            for key in reversed(keys):
                content = {"iteration": 3, key: content}
            torch.save(content, tmp_path / "a", _use_new_zipfile_serialization=form == "zip")
        found = read_state(tmp_path / "a")
        assert found.keys() == state.keys(), (keys, prefix)
        for name, value in state.items():
            assert torch.equal(found[name].double(), value.double()), (keys, prefix)
