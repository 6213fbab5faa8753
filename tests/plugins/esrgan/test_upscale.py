"""The upscaling operators, on tiny random networks: sizes, scales, tiles, precision."""

import subprocess
import sys
from fractions import Fraction

import pytest
import skimage.data
import torch
import torch.nn.functional as F

from imgtk.errors import ParameterError, WeightsError
from imgtk.geometry import Size
from imgtk.registry import default
from imgtk.testing import in_tiles
from imgtk.weights import Card, save
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact

CPU = torch.device("cpu")

NETWORKS = {
    "rrdb-x4": lambda: RRDBNet(features=8, blocks=1, growth=4),
    "rrdb-x2": lambda: RRDBNet(features=8, blocks=1, growth=4, scale=2),
    "rrdb-x1": lambda: RRDBNet(features=8, blocks=1, growth=4, scale=1),
    "compact-x4": lambda: SRVGGNetCompact(features=8, convs=3),
    "compact-x2": lambda: SRVGGNetCompact(features=8, convs=3, scale=2),
    "compact-x3": lambda: SRVGGNetCompact(features=8, convs=3, scale=3),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    for name, make in NETWORKS.items():
        torch.manual_seed(1)
        network = make()
        with torch.no_grad():  # random weights start near the identity; larger ones show every misplaced pixel
            for parameter in network.parameters():
                parameter.mul_(1.5)
        save(folder / f"{name}.safetensors", network.state_dict(), Card(name, "", "", "", ""))
    return folder


@pytest.fixture
def make(files):
    def make(model, scale="x4", dtype=torch.float32):
        op = default().build("upscale:compact", scale=scale, model=str(files / f"{model}.safetensors"))
        op.to(CPU, dtype)
        return op

    return make


def image(width, height):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("model", NETWORKS)
@pytest.mark.parametrize("scale", ["x1", "x1.5", "x2", "x3", "x7/3", "x4", "x6.1"])
@torch.inference_mode()
def test_tiles_give_the_whole(make, model, scale):
    op = make(model, scale)
    x = image(41, 23)
    whole, tiled = in_tiles(op, x, 10_000), in_tiles(op, x, 29)
    assert whole.shape[2:] == (op.output_size(Size(41, 23)).height, op.output_size(Size(41, 23)).width)
    assert (whole - tiled).abs().max() < 1e-5


@pytest.mark.parametrize("model", NETWORKS)
@pytest.mark.parametrize("scale", ["x4", "x2.5"])
@pytest.mark.parametrize("size", [Size(1, 1), Size(1, 9), Size(7, 1), Size(3, 2)], ids=str)
@torch.inference_mode()
def test_small_and_odd_sizes(make, model, scale, size):
    op = make(model, scale)
    y = in_tiles(op, image(*size), 10_000)
    assert y.shape[2:] == tuple(reversed(op.output_size(size)))
    assert torch.isfinite(y).all()


@torch.inference_mode()
def test_other_scales_are_the_native_one_resampled(make):
    x = image(40, 32)
    native = make("compact-x4")(x)
    for scale in (8, 3, 2, 1):
        size = (32 * scale, 40 * scale)
        expected = F.interpolate(native, size, mode="bicubic", antialias=True, align_corners=False)
        inside = (..., slice(12, -12), slice(12, -12))  # torch treats the border otherwise
        assert (make("compact-x4", scale)(x) - expected)[inside].abs().max() < 1e-4


@torch.inference_mode()
def test_the_input_is_not_changed_and_the_output_is_the_same_again(make):
    x = image(9, 7)
    before = x.clone()
    for model in NETWORKS:
        op = make(model, "x3")
        assert torch.equal(in_tiles(op, x, 99), in_tiles(op, x, 99))
    assert torch.equal(x, before)


@torch.inference_mode()
def test_precision_returns_after_a_tile_in_bfloat16(make):
    """The engine repeats a tile in float32 when reduced precision fails."""
    op = make("rrdb-x4")
    x = image(16, 16)
    exact = op(x)
    op.to(CPU, torch.bfloat16)
    reduced = op(x.bfloat16())
    assert reduced.dtype == torch.bfloat16
    assert 0 < (reduced.float() - exact).square().mean() < 1e-3
    op.to(CPU, torch.float32)
    assert torch.equal(op(x), exact)


@pytest.mark.parametrize(
    ("scale", "model"),
    [("x4", "compact-x4"), ("x3", "compact-x4"), ("x8", "compact-x4"), ("x2", "compact-x2"), ("x1", "compact-x2")],
)
def test_the_nearest_native_scale_is_chosen(monkeypatch, scale, model):
    asked = []
    monkeypatch.setattr("imgtk.weights.store.locate", lambda name, *packages: asked.append(name))
    default().build("upscale:compact", scale=scale)
    assert asked == [model]


def test_summary_names_weights_and_network(make):
    summary = make("rrdb-x2").summary()
    assert summary["weights"].endswith("rrdb-x2.safetensors")
    assert "RRDBNet" in summary["network"]
    assert "x2" in summary["network"]


@pytest.mark.parametrize("scale", ["x0.5", "x65", "four", "0"])
def test_scales_out_of_range(scale):
    with pytest.raises(ParameterError, match="scale"):
        default().build("upscale:esrgan", scale=scale, model="x")


def test_models_that_are_not_there():
    with pytest.raises(WeightsError, match=r"no file of weights nowhere\.pth"):
        default().build("upscale:esrgan", model="nowhere.pth")
    with pytest.raises(WeightsError, match="Shipped are"):
        default().build("upscale:esrgan", model="esgran-x4")


def test_the_plugin_imports_no_torch():
    code = "import sys, imgtk_esrgan; imgtk_esrgan.imgtk_operators(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@torch.inference_mode()
def test_a_public_checkpoint(shared):
    """The anime video model of Real-ESRGAN: saved on a GPU, under `params`, in a repacked archive."""
    op = default().build("upscale:compact", model=str(shared / "checkpoints/realesr-animevideov3.pth"))
    op.to(CPU, torch.float32)
    assert op.geometry.scale == Fraction(4)
    x = torch.from_numpy(skimage.data.astronaut()[100:148, 200:256]).permute(2, 0, 1)[None] / 255
    y = op(x)
    assert (F.avg_pool2d(y, 4) - x).abs().mean() < 0.04
    assert (in_tiles(op, x, 50) - y).abs().max() < 1e-5
