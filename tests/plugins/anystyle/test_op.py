"""`style:any` with a tiny random network: styles, blends, tiles, and what is refused."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from imgtk import Pipeline
from imgtk.errors import ParameterError, ReadError, WeightsError
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk_anystyle.network import PALETTE, palettes

CPU = torch.device("cpu")


@pytest.fixture
def build(network_file):
    def build(image, **params):
        op = default().build("style:any", **{"image": image, "model": str(network_file), **params})
        op.to(CPU, torch.float32)
        return op

    return build


def test_it_keeps_every_promise_of_an_operator(network_file, styles):
    check_op("style:any", image=[styles / "dark.png"], model=str(network_file))


def test_the_description_needs_no_torch():
    code = "import sys, imgtk_anystyle; imgtk_anystyle.imgtk_operators(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@torch.inference_mode()
def test_a_styled_network_paints_as_the_network_it_is_from(network):
    x, style = sample_image(32, 24), sample_image(70, 80, seed=2)
    expected = network(x, style)
    styled = network.in_style(network.code(style))
    torch.testing.assert_close(styled(x), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(styled.apply_moments(x, styled.measure(x)), expected, atol=1e-5, rtol=0)


def test_images_of_a_batch_do_not_see_each_other(network):
    """Neither their styles nor their moments mix. With gradients, as in training."""
    x = torch.cat([sample_image(32, 32), sample_image(32, 32, seed=1)])
    style = torch.cat([sample_image(64, 64, seed=2), sample_image(64, 64, seed=3) ** 3])
    together = network(x, style)
    for i in range(2):
        torch.testing.assert_close(together[i : i + 1], network(x[i : i + 1], style[i : i + 1]), atol=1e-5, rtol=1e-4)


def test_the_halo_is_the_receptive_radius(network):
    styled = network.in_style(network.code(sample_image(64, 64)))
    x = torch.rand(1, 3, 8, 256, requires_grad=True)
    given = [torch.stack([value[:, 0] * 0, value[:, 1] * 0 + 1], 1) for value in styled.measure(x.detach())]
    reach = set()
    for column in range(124, 128):
        gradient = torch.autograd.grad(styled.apply_moments(x, given)[..., column].sum(), x, retain_graph=True)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column - int(seen.min()), int(seen.max()) - column}
    assert styled.radius - styled.multiple < max(reach) <= styled.radius


@torch.inference_mode()
def test_palettes_hold_mean_and_covariance():
    x = 0.1 + 0.8 * sample_image(40, 30) ** 2
    logits = torch.logit(x)[0].flatten(1)
    (palette,) = palettes(x)
    assert palette.shape == (PALETTE,)
    torch.testing.assert_close(palette[:3], logits.mean(1))
    root = palette[3:].view(3, 3)
    torch.testing.assert_close(root @ root, torch.cov(logits, correction=0), atol=1e-4, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_and_flat_styles_give_finite_colours(network, level):
    flat = torch.full((1, 3, 32, 32), level)
    for x, style in ((flat, sample_image(32, 32)), (sample_image(32, 32), flat), (flat, flat)):
        y = network(x, style)
        assert y.isfinite().all()
        assert 0 <= y.min() <= y.max() <= 1


@torch.inference_mode()
def test_the_style_matters_and_its_colours_are_taken(build, styles):
    x = sample_image(40, 32)
    dark, pale = (build([styles / f"{name}.png"])(x) for name in ("dark", "pale"))
    assert dark.mean() + 0.2 < pale.mean()


@torch.inference_mode()
def test_blends_lie_between_their_styles(build, styles):
    x = sample_image(40, 32)
    both = [styles / "dark.png", styles / "pale.png"]
    dark, pale = (build([path])(x) for path in both)
    torch.testing.assert_close(build(both, weights=(3, 0))(x), dark)
    torch.testing.assert_close(build([both[0]] * 2)(x), dark, atol=1e-5, rtol=0)
    assert dark.mean() < build(both, weights=(2, 1))(x).mean() < build(both)(x).mean() < pale.mean()


@torch.inference_mode()
def test_strength_and_colours(build, styles):
    x = sample_image(40, 32)
    image = [styles / "dark.png"]
    torch.testing.assert_close(build(image, strength=0)(x), x)
    assert not torch.allclose(build(image, keep_colour=True)(x), build(image)(x))


@torch.inference_mode()
def test_the_size_of_the_style_matters(build, styles):
    x = sample_image(40, 32)
    assert not torch.allclose(build([styles / "dark.png"])(x), build([styles / "dark.png"], style_size=0.3)(x))


def test_a_large_image_is_tiled_without_seams(network_file, styles):
    x = sample_image(203, 157)
    text = f"style:any {styles / 'dark.png'} model={network_file}"
    runs = [Pipeline(text, tile=tile, dtype="fp32", device="cpu")(x) for tile in ("off", 48)]
    assert np.abs(runs[0].pixels.astype(float) - runs[1].pixels.astype(float)).max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 700), (700, 1), (3, 5)])
def test_tiny_and_thin_styles(build, tmp_path, width, height):
    path = tmp_path / "style.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))
    assert build([path])(sample_image(16, 12)).isfinite().all()


@torch.inference_mode()
def test_styles_in_other_depths_are_the_same_styles(build, styles, tmp_path):
    """16 bits; and colours that hide where the image is transparent do not count."""
    x, pixels = sample_image(40, 32), cv2.imread(str(styles / "dark.png"))
    expected = build([styles / "dark.png"])(x)
    cv2.imwrite(str(tmp_path / "deep.png"), pixels.astype(np.uint16) * 257)
    torch.testing.assert_close(build([tmp_path / "deep.png"])(x), expected, atol=1e-3, rtol=0)
    for name, hidden in (("black", 0), ("white", 255)):
        alpha = np.full(pixels.shape[:2], 255, np.uint8)
        alpha[:20] = 0
        colours = np.where(alpha[..., None] > 0, pixels, hidden).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.dstack([colours, alpha]))
    black, white = (build([tmp_path / f"{name}.png"])(x) for name in ("black", "white"))
    torch.testing.assert_close(black, white)


@torch.inference_mode()
def test_a_gray_style_is_painted_in_gray(build, tmp_path):
    path = tmp_path / "gray.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(40, 200, (64, 80), np.uint8))
    y = build([path])(sample_image(40, 32))
    assert (y.amax(1) - y.amin(1)).max() < 0.02


def test_style_images_that_cannot_be_used_are_named_before_anything_is_computed(network_file, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    for name in ("nowhere.jpg", "broken.jpg"):
        with pytest.raises(ReadError, match=rf"style image.*{name}"):
            Pipeline(f"style:any {tmp_path / name} model={network_file}").plan((64, 64))


@pytest.mark.parametrize("weights", ["1", "1,2,3", "0,0"])
def test_weights_that_do_not_fit_the_images(build, styles, weights):
    with pytest.raises(ParameterError, match="weights for 2 style images"):
        build([styles / "dark.png", styles / "pale.png"], weights=weights)


@pytest.mark.parametrize("weights", ["-1,2", "nan,1", "much,1", "1,"])
def test_weights_that_are_no_shares(build, styles, weights):
    with pytest.raises(ParameterError, match="weights: expected"):
        build([styles / "dark.png", styles / "pale.png"], weights=weights)


def test_weights_of_a_network_for_one_style_are_refused(styles):
    with pytest.raises(WeightsError, match="StyleNetwork, which does not paint in the style"):
        default().build("style:any", image=[styles / "dark.png"], model="monet").network  # noqa: B018


def test_weights_with_a_missing_tensor_are_refused(build, network_file, styles):
    state = load_file(network_file)
    del state["spread"]
    save_file(state, network_file)
    with pytest.raises(WeightsError, match="spread is missing"):
        build([styles / "dark.png"])


def test_the_plan_names_network_and_styles(build, styles):
    facts = build([styles / "dark.png", styles / "pale.png"]).summary()
    assert facts["style"] == "dark.png, pale.png"
    assert "1 blocks, 8 channels" in facts["network"]
