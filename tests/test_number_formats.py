"""Every operator in float16 and on a device without values: what a GPU would find wrong, without one.

On torch's device "meta" tensors have shapes and no values, and mixing them with those of the CPU is an error, as it is
on a GPU. An operator that moves all it keeps passes.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from imgtk.geometry import Size, Window
from imgtk.image import Image
from imgtk.op import ImageOp, OpSpec, Planes
from imgtk.registry import default
from imgtk.testing.devices import other_device

ALL = {spec.name: spec for spec in default().specs if spec.name.partition(":")[0] != "test"}
SPECS = {name: spec for name, spec in ALL.items() if not spec.generates}
GENERATORS = [name for name, spec in ALL.items() if spec.generates]
PARAMS: dict[str, dict[str, Any]] = {
    "adjust:curves": {"points": "0:0,0.5:0.6,1:1"},
    "adjust:lut": {"file": "identity.cube"},
    "background": {"colour": "red"},
    "border": {"margin": 3},
    "crop": {"width": 10, "height": 8},
    "extend": {"margin": 3},
    "fit": {"width": 20, "height": 10},
    "outpaint": {"left": 4, "top": 0, "right": 0, "bottom": 3},
    "pad": {"width": 60, "height": 60},
    "perspective": {"corners": "1,1,30,2,29,25,3,28"},
    "rotate": {"degrees": 10},
    "straighten": {"degrees": 3},
    "style:any": {"image": "style.png"},
    "style:colour": {"image": "style.png"},
    "style:fast": {"model": "mosaic"},
    "style:gram": {"image": "style.png", "steps": 2, "size": 64},
    "style:texture": {"image": "style.png", "steps": 1},
    "text": {"text": "a"},
    **{name: {"file": "style.png"} for name in ("adjust:match-histogram", "mask", "overlay", "watermark")},
    "generate:glyph": {"text": "a"},
    "generate:texture": {"image": "style.png"},
    "translate:cyclegan": {"model": "photo2monet"},
    "translate:pix2pix": {"model": "sketch2photo"},
    **{f"{task}:{kind}": {"scale": "x2"} for task in ("upscale", "resize") for kind in ("area", "bicubic", "bilinear")},
    **{f"{task}:{kind}": {"scale": "x2"} for task in ("upscale", "resize") for kind in ("lanczos", "nearest")},
}
"""What must be said of operators that have parameters without a default."""
LOOKS_AT_VALUES = (
    *("Cannot copy out of meta tensor", "cannot be called on meta tensors", "no fake impl or Meta kernel"),
    "data-independent implementation does not exist",
)
"""How torch says that an operator reads values, or takes them to the CPU: it may, and GPUs can do that."""
TOLERANCE = 0.03
"""Largest difference of samples between float16 and float32."""
SIDES = (24, 32)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files for the operators that need one."""
    monkeypatch.chdir(tmp_path)
    Image.of(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)).save("style.png")
    rows = [f"{r} {g} {b}" for b in (0, 1) for g in (0, 1) for r in (0, 1)]
    Path("identity.cube").write_text("LUT_3D_SIZE 2\n" + "\n".join(rows) + "\n")


def built(spec: OpSpec, device: str, dtype: torch.dtype) -> ImageOp:
    op = default().build(spec.name, **PARAMS.get(spec.name, {}))
    op.to(torch.device(device), dtype)
    return op


def called(spec: OpSpec, device: str, dtype: torch.dtype) -> tuple[ImageOp, Tensor]:
    """An operator, and what it makes of the same image everywhere."""
    op = built(spec, device, dtype)
    multiple = op.geometry.multiple
    height, width = (-(-side // multiple) * multiple for side in SIDES)
    channels = 4 if op.facts.planes in (Planes.ALPHA, Planes.FLAT) else 3
    x = torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return op, op(*[x.to(dtype).to(device)] * spec.least_inputs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["fp32", "fp16"])
@pytest.mark.parametrize("name", SPECS)
def test_nothing_stays_behind(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which does not know "meta"
    if dtype == torch.float16 and built(SPECS[name], "cpu", torch.float32).facts.needs_float32:
        return
    try:
        _, output = called(SPECS[name], "meta", dtype)
    except (RuntimeError, NotImplementedError) as error:
        if not any(words in str(error) for words in LOOKS_AT_VALUES):
            raise
        return
    assert output.device.type == "meta"
    assert output.dtype in (dtype, torch.float32)


@pytest.mark.parametrize("name", GENERATORS)
def test_generators_mix_no_devices(name: str) -> None:
    with other_device() as device, torch.no_grad():
        op = default().build(name, **PARAMS.get(name, {}))
        op.to(device, torch.float32)
        size = op.output_size(Size(32, 24))
        assert op.render(window=Window.whole(size)).shape[2:] == (size.height, size.width)


@pytest.mark.parametrize("name", SPECS)
def test_float16_is_nearly_float32(name: str) -> None:
    op, full = called(SPECS[name], "cpu", torch.float32)
    if op.facts.needs_float32:
        return
    _, half = called(SPECS[name], "cpu", torch.float16)
    assert torch.isfinite(half).all()
    assert (half.float().clamp(0, 1) - full.clamp(0, 1)).abs().max() <= TOLERANCE
