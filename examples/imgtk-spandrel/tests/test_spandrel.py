"""`upscale:spandrel`. Skipped where spandrel, or the torchvision that it needs, cannot be imported."""

from pathlib import Path

import numpy as np
import pytest
import torch

import imgtk
from imgtk.errors import WeightsError
from imgtk.geometry import Extent
from imgtk.registry import default
from imgtk.testing import check_op
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact

try:
    import spandrel
    from spandrel.architectures.SwinIR import SwinIR
except Exception as error:  # torchvision built for another torch raises RuntimeError
    pytest.skip(f"spandrel cannot be imported: {error}", allow_module_level=True)

NETWORKS = {
    "compact": lambda: SRVGGNetCompact(8, 3, 2),
    "esrgan": lambda: RRDBNet(features=16, blocks=2),
    "esrgan-x2": lambda: RRDBNet(features=16, blocks=2, scale=2),
}
"""Networks that imgtk knows too."""


@pytest.fixture
def pixels() -> np.ndarray:
    """Return far enough from black and white that nothing is clipped."""
    return np.random.default_rng(0).integers(90, 165, (24, 40, 3), np.uint8)


@pytest.fixture
def swinir(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = SwinIR(
        img_size=16,
        window_size=4,
        depths=[2],
        num_heads=[2],
        embed_dim=8,
        mlp_ratio=2,
        upscale=2,
        upsampler="pixelshuffledirect",
    )
    torch.save(network.state_dict(), tmp_path / "swinir.pth")
    return tmp_path / "swinir.pth"


@pytest.fixture
def save(tmp_path: Path):
    def save(name: str) -> Path:
        torch.manual_seed(0)
        network = NETWORKS[name]()
        if isinstance(network, RRDBNet):  # gives middle gray, so that spandrel has nothing to clip
            network.conv_last.weight.data *= 0.1
            network.conv_last.bias.data += 0.5
        torch.save({"params": network.state_dict()}, tmp_path / f"{name}.pth")
        return tmp_path / f"{name}.pth"

    return save


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("scale", ["x4", "x1.5"])
def test_networks_that_imgtk_knows_give_the_same(save, pixels, name, scale):
    model = save(name)
    ours, theirs = (
        imgtk.Pipeline(f"upscale:{op} {scale} model={model}", dtype="fp32")(pixels).tensor()
        for op in ("esrgan", "spandrel")
    )
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1.5 / 255
    assert (ours - theirs).abs().mean() < 1e-4


def test_another_backend_gives_the_same(save, pixels):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    text = f"upscale:spandrel x2 model={save('compact')}"
    ours, theirs = (
        imgtk.Pipeline(text, dtype="fp32", backend=backend)(pixels).tensor() for backend in ("torch", "onnxruntime")
    )
    assert (ours - theirs).abs().max() <= 1.5 / 255


def test_keeps_what_every_operator_promises(save):
    check_op("upscale:spandrel", scale="x2", model=str(save("compact")), tile=48)


def test_a_network_that_should_not_be_tiled_sees_the_whole_image(swinir, pixels):
    op = default().build("upscale:spandrel", scale="x2", model=str(swinir))
    assert op.geometry.extent is Extent.WHOLE
    whole, tiled = (
        imgtk.Pipeline(f"upscale:spandrel x2 model={swinir}", dtype="fp32", tile=tile)(pixels).numpy()
        for tile in ("off", 16)
    )
    assert whole.shape == (48, 80, 3)
    assert np.array_equal(whole, tiled)
    assert "SwinIR" in op.summary()["network"]


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (17, 2)])
def test_small_and_odd_sides(swinir, size):
    image = np.zeros((*size, 3), np.uint8)
    assert imgtk.Pipeline(f"upscale:spandrel x2 model={swinir}")(image).numpy().shape == (2 * size[0], 2 * size[1], 3)


def test_the_other_flags_work_too(save, pixels):
    plain, averaged, tileable = (
        imgtk.Pipeline(f"upscale:spandrel x2 model={save('compact')} {flag}", dtype="fp32")(pixels).numpy()
        for flag in ("", "tta=8", "tileable=both")
    )
    assert plain.shape == averaged.shape == tileable.shape
    assert not np.array_equal(plain, averaged)
    assert not np.array_equal(plain, tileable)


def gray(path: Path) -> None:
    network = spandrel.architectures.Compact.Compact(num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=2, upscale=2)
    torch.save(network.state_dict(), path)


def cut(path: Path) -> None:
    state = SRVGGNetCompact(8, 3, 2).state_dict()
    del state["body.2.bias"]
    torch.save(state, path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: torch.save({"layer": torch.ones(2)}, path), "does not know the network"),
        (lambda path: path.write_text("hello"), "a text file"),
        (cut, "cannot load"),
        (gray, "1 channels in"),
    ],
    ids=["unknown", "text", "cut", "gray"],
)
def test_what_cannot_be_used_is_said(tmp_path, pixels, make, message):
    path = tmp_path / "net.pth"
    make(path)
    with pytest.raises(WeightsError, match=message) as caught:
        imgtk.Pipeline(f"upscale:spandrel x2 model={path}")(pixels)
    assert str(path) in str(caught.value)
