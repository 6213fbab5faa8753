"""`restore:denoise` and its kin with a tiny random network: tiles, levels, flat areas, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imgtk import Pipeline
from imgtk.errors import PipelineError, WeightsError
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk_restore.network import CONDITIONS, RestorationNet

OPERATORS = [("restore:denoise", "strength", 25), ("restore:jpeg", "quality", 40)]
UNTOLD = [("restore:deblur", {}), ("restore:lowlight", {}), ("restore:lowlight", {"stops": 3})]


@pytest.mark.parametrize(("name", "parameter", "value"), OPERATORS)
def test_it_keeps_every_promise_of_an_operator(network_file, name, parameter, value):
    check_op(name, model=str(network_file), sizes=((61, 47), (1, 1)))
    check_op(name, model=str(network_file), **{parameter: value}, sizes=((17, 32), (1, 19)))


@pytest.mark.parametrize(("name", "params"), UNTOLD)
def test_those_that_are_told_nothing_keep_every_promise(network_file, name, params):
    check_op(name, model=str(network_file), **params, sizes=((61, 47), (1, 1)))


def test_dark_images_become_brighter(network_file):
    """White stays white, and gray gray; by default it is what the image needs, and nothing for bright ones."""
    ramp = np.linspace(0, 255, 96).astype(np.uint8)[None].repeat(16, 0)
    dark = (ramp // 8)[..., None].repeat(3, 2)

    def result(pixels, stops):
        return Pipeline(f"restore:lowlight {stops} model={network_file}", device="cpu")(pixels).pixels.astype(int)

    means = [result(dark, stops).mean() for stops in (0, 1, 2, 4, "auto")]
    assert means[:4] == sorted(means[:4])
    assert 1.5 * means[0] < means[4]
    assert Pipeline(f"restore:lowlight model={network_file}", device="cpu")(ramp).gray
    white = np.full((32, 32, 3), 255, np.uint8)
    assert (result(white, 5) == 255).all()
    assert np.array_equal(result(white, "auto"), white)


@pytest.mark.parametrize("blocks", [(1,), (1, 2), (2, 1, 1)])
def test_the_radius_is_how_far_the_network_sees(blocks):
    torch.manual_seed(0)
    network = RestorationNet((4, 6, 8)[: len(blocks)], blocks).double()
    with torch.no_grad():  # all weights positive: nothing cancels out or is cut off
        for parameter in network.parameters():
            parameter.copy_(parameter.abs() / 10)
    x = torch.rand(1, 3, 8, 384, dtype=torch.float64, requires_grad=True)
    reach = set()
    for column in range(192, 192 + network.multiple):
        restored = network(x, torch.ones(1, CONDITIONS, 1, 1))
        gradient = torch.autograd.grad(restored[..., column].sum(), x)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column - int(seen.min()), int(seen.max()) - column}
    assert network.radius - 2 * network.multiple <= max(reach) <= network.radius


@pytest.mark.parametrize(("name", "parameter", "value"), OPERATORS)
def test_the_network_is_told_the_level(network_file, name, parameter, value):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    texts = ("", f" {parameter}={value}", f" {value}", f" {parameter}=auto", f" {parameter}={value / 2}")
    auto, told, bare, explicit, other = (
        Pipeline(f"{name}{text} model={network_file}", device="cpu", dtype="fp32")(pixels).pixels for text in texts
    )
    assert np.array_equal(auto, explicit)
    assert np.array_equal(told, bare)
    assert not np.array_equal(auto, told)
    assert not np.array_equal(other, told)


@pytest.mark.parametrize(("name", "reach"), [("restore:denoise", 2), ("restore:jpeg", 12)])
def test_flat_areas_stay_exact(network_file, name, reach):
    """White stays white, and every gray the gray it was; blocks of a JPEG are not taken for flat areas."""
    pixels = np.full((48, 128, 3), 255, np.uint8)
    pixels[:, 80:] = np.random.default_rng(0).integers(0, 256, (48, 48, 3))
    pixels[:, :32] = 37
    result = Pipeline(f"{name} model={network_file}", device="cpu")(pixels).pixels
    assert (result[:, : 32 - reach] == 37).all()
    assert (result[:, 32 + reach : 80 - reach] == 255).all()
    assert (result[:, 80:] != pixels[:, 80:]).any()


def test_gray_stays_gray(network_file):
    gray = np.random.default_rng(0).integers(0, 256, (33, 21), dtype=np.uint8)
    assert Pipeline(f"restore:denoise model={network_file}", device="cpu")(gray).gray


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("restore:denoise strength=61", "strength: expected auto, or a number from 0 to 60, got '61'"),
        ("restore:denoise strength=-1", "strength: expected auto, or a number"),
        ("restore:denoise strength=nan", "strength: expected auto, or a number"),
        ("restore:jpeg quality=0", "quality: expected auto, or a number from 1 to 100"),
        ("restore:jpeg quality=automatic", "quality: expected auto, or a number from 1 to 100"),
        ("restore:lowlight 6", "stops: expected auto, or a number from 0 to 5"),
        ("restore:deblur 3", "restore:deblur"),
    ],
)
def test_levels_that_make_no_sense(text, message):
    with pytest.raises(PipelineError, match=message):
        Pipeline(text, device="cpu")


def test_other_runtimes_give_the_same_for_batches_of_any_size(network_file, tmp_path):
    """The file is compared with torch on small and large images, one and several, when it is written."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    text = f"restore:denoise 20 model={network_file}"
    Pipeline(text, device="cpu").export_onnx(tmp_path / "net.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    torchs, others = (
        [Pipeline(text, device="cpu", dtype="fp32", backend=backend)(image).pixels for image in pixels]
        for backend in ("torch", "onnxruntime")
    )
    assert np.abs(np.stack(torchs).astype(int) - np.stack(others)).max() <= 1


def test_weights_of_another_network(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file(default().build("upscale:compact").network.state_dict(), path)
    with pytest.raises(WeightsError, match="SRVGGNetCompact, and this operator takes RestorationNet"):
        Pipeline(f"restore:denoise model={path}", device="cpu")(np.zeros((8, 8, 3), np.uint8))


def test_any_size_of_network_is_told_from_its_tensors(tmp_path):
    for widths, blocks in (((4,), (1,)), ((4, 8, 6), (2, 1, 3))):
        path = tmp_path / f"{len(widths)}.safetensors"
        network = RestorationNet(widths, blocks)
        save_file(network.state_dict(), path)
        op = default().build("restore:denoise", model=str(path))
        x = sample_image(24, 24)
        op.to(torch.device("cpu"), torch.float32)
        expected = network(x, torch.zeros(1, CONDITIONS, 1, 1))
        torch.testing.assert_close(op.forward_fn(x), expected)
