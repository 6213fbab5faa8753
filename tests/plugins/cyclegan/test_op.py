"""The operators with tiny random generators: what every operator promises, how far they see, and what is refused."""

import cv2
import numpy as np
import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import WeightsError
from imgtk.metrics import psnr
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk.weights import Card, save
from imgtk_cyclegan.network import ResnetGenerator
from tests.plugins.cyclegan.conftest import random_generator

SIZES = ((61, 47), (32, 33), (1, 19), (23, 1))
KINDS = pytest.mark.parametrize(("antialias", "skip"), [(False, False), (True, False), (True, True)])


def build(path, **params):
    op = default().build("translate:cyclegan", model=str(path), **params)
    op.to(torch.device("cpu"), torch.float32)
    return op


def test_it_keeps_every_promise_of_an_operator(network_file):
    check_op("translate:cyclegan", sizes=SIZES, model=str(network_file))


def test_with_noise_it_keeps_them_too(tmp_path):
    torch.manual_seed(0)
    network = ResnetGenerator(4, 1, antialias=True, skip=True, noise=True).eval()
    torch.nn.init.normal_(network.model[-1].weight, std=0.1)
    save(tmp_path / "noisy.safetensors", network.state_dict(), Card("noisy", "", "", "", ""))
    file = str(tmp_path / "noisy.safetensors")
    check_op("translate:cyclegan", sizes=SIZES, model=file)
    x = sample_image(64, 48)
    first, again, other = (build(file, seed=seed)(x) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert (first - other).abs().mean() > 1e-3
    flat = build(file)(torch.full((1, 3, 64, 64), 0.5))
    assert flat.std() > 1e-3  # strokes, where a network without noise has nothing to tell places apart


@torch.inference_mode()
def test_a_single_pixel(network_file):
    """It gives the network nothing but borders to normalise by."""
    y = build(network_file)(sample_image(4, 4)[..., :1, :1].expand(1, 3, 4, 4))
    assert y.isfinite().all()


@KINDS
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_the_halo_covers_what_a_pixel_depends_on(antialias, skip, blocks):
    torch.manual_seed(0)
    network = random_generator(antialias=antialias, skip=skip)
    network = type(network)(4, blocks, antialias=antialias, skip=skip).eval()
    torch.nn.init.normal_(network.model[-1].weight)
    x = torch.rand(1, 3, 16, 256, requires_grad=True)
    given = [torch.stack([value[:, 0] * 0, value[:, 1] * 0 + 1], 1) for value in network.measure(x.detach())]
    reach = set()
    for column in range(124, 128):
        gradient = torch.autograd.grad(network.apply_moments(x, given)[..., column].sum(), x)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column - int(seen.min()), int(seen.max()) - column}
    assert network.radius - network.multiple < max(reach) <= network.radius
    assert network.radius % network.multiple == 0


@KINDS
@torch.inference_mode()
def test_given_its_own_moments_it_is_the_same_network(antialias, skip):
    network = random_generator(antialias=antialias, skip=skip)
    x = sample_image(32, 24)
    torch.testing.assert_close(network.apply_moments(x, network.measure(x)), network(x))


@KINDS
@torch.inference_mode()
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_give_finite_colours(antialias, skip, level):
    y = random_generator(antialias=antialias, skip=skip)(torch.full((1, 3, 16, 20), level))
    assert y.isfinite().all()
    assert 0 <= y.min() <= y.max() <= 1


@torch.inference_mode()
def test_strength(network_file):
    x = sample_image(64, 48)
    painted = build(network_file)(x)
    assert (painted - x).abs().mean() > 0.01
    torch.testing.assert_close(build(network_file, strength=0)(x), x)
    torch.testing.assert_close(build(network_file, strength=0.25)(x), x + 0.25 * (painted - x))


@pytest.mark.parametrize(("tile", "size"), [(40, (101, 67)), (64, (1, 150)), (32, (130, 1))])
def test_tiles_give_the_whole(network_file, tile, size):
    x = sample_image(*size)

    def run(tile):
        return Pipeline(f"translate:cyclegan {network_file}", device="cpu", dtype="fp32", tile=tile)(x).tensor()

    torch.testing.assert_close(run(tile), run("off"), atol=1e-5, rtol=0)


def test_half_precision_of_a_image_that_is_painted_as_it_is(network_file):
    """Small ones are painted enlarged, in float32."""
    x = sample_image(600, 500)
    exact, half = (
        Pipeline(f"translate:cyclegan {network_file}", device="cpu", dtype=dtype)(x).tensor()
        for dtype in ("fp32", "bf16")
    )
    assert psnr(exact, half) > 40


def test_gray_images_and_alpha(network_file, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (21, 33, 4), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "rgba.png"), pixels)
    cv2.imwrite(str(tmp_path / "gray.png"), pixels[..., 0])
    pipeline = Pipeline(f"translate:cyclegan {network_file}", device="cpu")
    for name, channels in (("rgba", 4), ("gray", 3)):
        pipeline(tmp_path / f"{name}.png").save(tmp_path / f"{name}.out.png")
        out = cv2.imread(str(tmp_path / f"{name}.out.png"), cv2.IMREAD_UNCHANGED)
        assert out.shape == (21, 33, channels)
    assert (cv2.imread(str(tmp_path / "rgba.out.png"), cv2.IMREAD_UNCHANGED)[..., 3] == pixels[..., 3]).all()


def test_models_that_do_not_fit(tmp_path):
    with pytest.raises(WeightsError, match="nowhere"):
        build(tmp_path / "nowhere.safetensors")
    text = tmp_path / "text.pth"
    text.write_text("no network")
    with pytest.raises(WeightsError, match=r"text\.pth"):
        build(text)


def test_it_can_be_written_as_onnx(network_file, tmp_path):
    """The file is compared with torch on small and large images when it is written."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    Pipeline(f"translate:cyclegan {network_file}", device="cpu").export_onnx(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").exists()
