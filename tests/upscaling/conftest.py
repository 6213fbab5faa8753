"""Small random networks in files, and operators around them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from imgtk.language.graph import INPUT, Graph, Node
from imgtk.op import OpSpec
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry, default
from imgtk.upscaling import upscaler
from imgtk.weights import Card, save
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact
from imgtk_srgan.network import MSRResNet, SRResNet

NETWORKS = {
    "compact-x4": lambda: SRVGGNetCompact(features=8, convs=3),
    "compact-x2": lambda: SRVGGNetCompact(features=8, convs=3, scale=2),
    "rrdb-x4": lambda: RRDBNet(features=8, blocks=1, growth=4),
    "rrdb-x2": lambda: RRDBNet(features=8, blocks=1, growth=4, scale=2),
    "srresnet-x4": lambda: SRResNet(features=8, blocks=1, norm=True),
    "msrresnet-x2": lambda: MSRResNet(features=8, blocks=1, scale=2),
}


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NAME.safetensors and NAME-other.safetensors, of other values, for each of `NETWORKS`."""
    folder = tmp_path_factory.mktemp("networks")
    for name, make in NETWORKS.items():
        for seed, suffix in enumerate(("", "-other")):
            torch.manual_seed(seed)
            network = make()
            with torch.no_grad():  # random weights start near the identity; larger ones show every misplaced pixel
                for parameter in network.parameters():
                    parameter.mul_(1.5)
            save(folder / f"{name}{suffix}.safetensors", network.state_dict(), Card(name, "", "", "", ""))
    return folder


@pytest.fixture(scope="session")
def spec() -> OpSpec:
    """An operator without weights of its own: tests pass files."""
    return upscaler("test", "", package="imgtk_esrgan", models={4: "compact-x4"}, denoise=("rrdb-x4", "esrgan-x4"))


@pytest.fixture
def run(files: Path, spec: OpSpec) -> Callable[..., Tensor]:
    """`run(x, network, **params)`: (1, 3, H, W) through the engine, in float32, by default untiled."""

    def run(x: Tensor, network: str | None, tile: int | str = "off", **params: Any) -> Tensor:
        values = {"model": str(files / f"{network}.safetensors")} if network else {}
        values |= params
        converted = {name: param.convert(value, "") for name, value in values.items() if (param := spec.param(name))}
        graph = Graph((Node("in"), Node(spec.name, (INPUT,), converted)), output=1)
        registry = Registry.of(spec, architectures=default().architectures)
        return Pipeline(graph, device="cpu", dtype="fp32", tile=tile, registry=registry)(x).tensor()

    return run


def image(width: int, height: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(2))
