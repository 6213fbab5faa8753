"""A painter is a style network that knows colours: alike in tiles, in ranges and in files."""

import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import WeightsError
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk.weights import Card, save
from imgtk.weights.architecture import network_of
from imgtk_cyclegan.painter import Painter

SIZES = ((61, 47), (32, 33), (1, 19), (23, 1))


def painter():
    torch.manual_seed(2)
    return Painter(8, 1).eval()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("painter") / "painter.safetensors"
    save(path, painter().state_dict(), Card("painter", "", "", "", ""))
    return path


def test_it_keeps_every_promise_of_an_operator(file):
    check_op("translate:cyclegan", sizes=SIZES, model=str(file))


@pytest.mark.parametrize(("tile", "size"), [(48, (301, 167)), (64, (1, 150)), (32, (130, 1))])
def test_tiles_give_the_whole(file, tile, size):
    x = sample_image(*size)

    def run(tile):
        return Pipeline(f"translate:cyclegan {file}", device="cpu", dtype="fp32", tile=tile)(x).tensor()

    torch.testing.assert_close(run(tile), run("off"), atol=1e-5, rtol=0)


def test_the_halo_covers_what_a_pixel_depends_on():
    network = painter()
    x = torch.rand(1, 3, 16, 512, requires_grad=True)
    given = [torch.stack([value[:, 0] * 0, value[:, 1] * 0 + 1], 1) for value in network.measure(x.detach())]
    reach = set()
    for column in range(240, 256, 3):
        gradient = torch.autograd.grad(network.apply_moments(x, given)[..., column].sum(), x)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column - int(seen.min()), int(seen.max()) - column}
    assert network.style.radius < max(reach) <= network.radius
    assert network.radius % network.multiple == 0


@torch.inference_mode()
def test_colours_that_a_style_network_cannot_know_are_kept():
    """An orange and a blue image are the same to it."""
    network, stripes = painter(), 0.1 * torch.arange(64).remainder(4).sub(1.5).expand(1, 3, 64, 64)
    orange, blue = (torch.tensor(colour)[:, None, None] + stripes for colour in ((0.8, 0.5, 0.2), (0.2, 0.4, 0.8)))
    painted = network(torch.cat([orange, blue])).mean((2, 3))
    assert painted[0, 0] - painted[0, 2] > 0.3
    assert painted[1, 2] - painted[1, 0] > 0.3
    styled = network.style(torch.cat([orange, blue])).mean((2, 3))
    assert (styled[0] - styled[1]).abs().max() < 0.05


@torch.inference_mode()
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_images_give_finite_colours(level):
    y = painter()(torch.full((1, 3, 16, 32), level))
    assert y.isfinite().all()
    assert 0 <= y.min() <= y.max() <= 1


@torch.inference_mode()
def test_its_files_are_recognised():
    network, x = painter(), sample_image(48, 32)
    again = network_of(network.state_dict(), default().architectures, "painter.safetensors")
    assert isinstance(again, Painter)
    again.load_state_dict(network.state_dict(), assign=True)
    assert torch.equal(again.eval()(x), network(x))


def test_it_can_be_written_as_onnx(file, tmp_path):
    """The file is compared with torch on small and large images when it is written."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    Pipeline(f"translate:cyclegan {file}", device="cpu").export_onnx(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").exists()


def test_what_does_not_fit_is_said():
    state = painter().state_dict()
    odd = {**state, "style.down2.conv.weight": torch.rand(7, 4, 3, 3)}
    short = {name: value for name, value in state.items() if name != "style.out.bias"}
    for wrong, message in ((odd, "7 channels wide"), (short, r"style\.out\.bias is missing")):
        with pytest.raises(WeightsError, match=message):
            network_of(wrong, default().architectures, "painter.safetensors")
