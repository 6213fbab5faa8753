"""`style:NAME` with a tiny random network: tiles, statistics, strength, colours, and what is refused."""

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imgtk import Pipeline
from imgtk.errors import ParameterError, WeightsError
from imgtk.nn.colour import luma
from imgtk.nn.normalise import moments
from imgtk.painting.network import StyleNetwork
from imgtk.registry import default
from imgtk.testing import check_op, sample_image

CPU = torch.device("cpu")


def build(path, **params):
    op = default().build("style:fast", model=str(path), **params)
    op.to(CPU, torch.float32)
    return op


def test_it_keeps_every_promise_of_an_operator(network_file):
    check_op("style:fast", model=str(network_file))


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_the_halo_is_the_receptive_radius(blocks):
    """A pixel reacts to what is `radius` away in some direction, and to nothing farther away."""
    torch.manual_seed(0)
    network = StyleNetwork(8, blocks).eval()
    x = torch.rand(1, 3, 8, 256, requires_grad=True)
    given = [torch.stack([value[:, 0] * 0, value[:, 1] * 0 + 1], 1) for value in network.measure(x.detach())]
    reach = set()
    for column in range(124, 128):
        gradient = torch.autograd.grad(network.apply_moments(x, given)[..., column].sum(), x)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column - int(seen.min()), int(seen.max()) - column}
    assert network.radius - network.multiple < max(reach) <= network.radius
    assert network.radius % network.multiple == 0


@torch.inference_mode()
def test_given_its_own_moments_it_is_the_same_network():
    network = StyleNetwork(8, 2).eval()
    x = sample_image(32, 24)
    torch.testing.assert_close(network.apply_moments(x, network.measure(x)), network(x))


def test_moments_are_mean_and_variance():
    x = torch.rand(2, 3, 5, 7)
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    torch.testing.assert_close(moments(x), torch.stack([mean, variance], 1))


@torch.inference_mode()
@pytest.mark.parametrize("size", [(8, 8), (8, 32), (40, 8)])
def test_flat_and_small_images_give_finite_colours(size):
    network = StyleNetwork(8, 1).eval()
    for level in (0.0, 0.5, 1.0):
        y = network(torch.full((1, 3, *size), level))
        assert y.isfinite().all()
        assert y.shape == (1, 3, *size)


@torch.inference_mode()
def test_strength(network_file):
    x = sample_image(32, 24)
    painted = build(network_file)(x)
    torch.testing.assert_close(build(network_file, strength=0)(x), x)
    torch.testing.assert_close(build(network_file, strength=0.25)(x), x + 0.25 * (painted - x))


@torch.inference_mode()
def test_keep_colour_takes_the_light_only(network_file):
    x = 0.25 + 0.5 * sample_image(32, 24)  # far from black and white, so that nothing is cut off
    painted, kept = build(network_file)(x), build(network_file, keep_colour=True)(x)
    inside = (kept > 0).all(1, keepdim=True) & (kept < 1).all(1, keepdim=True)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(luma(kept)[inside], luma(painted)[inside], atol=1e-5, rtol=0)
    difference = (kept - x) * inside
    torch.testing.assert_close(difference[:, 0], difference[:, 2], atol=1e-5, rtol=0)


def test_a_large_image_is_tiled_without_seams(network_file):
    x = sample_image(203, 157)
    runs = [Pipeline(f"style:fast {network_file}", tile=tile, dtype="fp32", device="cpu")(x) for tile in ("off", 48)]
    assert np.abs(runs[0].pixels.astype(float) - runs[1].pixels.astype(float)).max() < 1e-4


def test_a_gray_image_gets_colours_and_alpha_stays(network_file, tmp_path):
    rgba = np.dstack([np.full((20, 24, 3), 90, np.uint8), np.tile(np.linspace(0, 255, 24).astype(np.uint8), (20, 1))])
    result = Pipeline(f"style:fast {network_file}", device="cpu")(rgba)
    assert result.alpha is not None
    assert np.array_equal(result.alpha, rgba[..., 3])
    gray = Pipeline(f"style:fast {network_file}", device="cpu")(
        np.arange(20 * 24, dtype=np.uint16).reshape(20, 24) * 99
    )
    assert gray.pixels.shape == (20, 24, 3)
    assert gray.pixels.dtype == np.uint16


@pytest.mark.parametrize("strength", ["-0.1", "1.5", "nan", "much"])
def test_strength_out_of_range_is_refused(network_file, strength):
    with pytest.raises(ParameterError, match="strength"):
        default().build("style:fast", model=str(network_file), strength=strength)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"conv.weight": torch.zeros(3, 3, 3, 3)}, path)
    with pytest.raises(WeightsError, match="unknown architecture"):
        build(path)


def test_weights_with_a_missing_tensor_are_refused(network_file, tmp_path):
    from safetensors.torch import load_file

    state = load_file(network_file)
    del state["residuals.0.second.norm.bias"]
    path = tmp_path / "broken.safetensors"
    save_file(state, path)
    with pytest.raises(WeightsError, match=r"residuals\.0\.second\.norm\.bias is missing"):
        build(path)


def test_missing_weights_name_the_shipped_ones():
    with pytest.raises(WeightsError):
        default().build("style:fast", model="nowhere")


def test_the_pipeline_from_a_file_to_a_file(network_file, tmp_path):
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    cv2.imwrite(str(source), np.random.default_rng(0).integers(0, 255, (33, 47, 3), np.uint8))
    Pipeline(f"style:fast {network_file} 0.8 keep-colour", device="cpu")(source).save(target)
    assert cv2.imread(str(target)).shape == (33, 47, 3)
