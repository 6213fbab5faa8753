"""The operators with tiny random networks: tiles, sizes, strength, and what is refused."""

import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import WeightsError
from imgtk.metrics import psnr
from imgtk.op import OpSpec
from imgtk.registry import Registry, default
from imgtk.testing import check_op, sample_image
from imgtk_pix2pix.network import SmoothUNet, TransposedUNet
from imgtk_pix2pix.op import SketchToPhoto
from imgtk_pix2pix.sketch import Pencil, random_coloured_sketches, random_sketches

CPU = torch.device("cpu")


def build(path, **params):
    op = default().build("translate:pix2pix", model=str(path), **params)
    op.to(CPU, torch.float32)
    return op


def photo_spec(path):
    """`translate:sketch2photo` with other weights."""
    spec = default().spec("translate:sketch2photo")
    return OpSpec(spec.name, spec.impl, spec.summary, spec.params, {"model": str(path)})


def test_sketching_keeps_every_promise_of_an_operator():
    check_op("translate:photo2sketch")


def test_our_network_keeps_every_promise_of_an_operator(smooth_file):
    check_op("translate:pix2pix", model=str(smooth_file))


def test_the_published_network_keeps_every_promise_of_an_operator(transposed_file):
    check_op("translate:pix2pix", model=str(transposed_file), sizes=[(61, 47), (1, 19), (1, 1)])


def test_photos_of_sketches_keep_every_promise_of_an_operator(smooth_file):
    check_op(photo_spec(smooth_file))


@pytest.mark.parametrize("network", [SmoothUNet([6, 6], 4), SmoothUNet([4, 4, 4], 4), TransposedUNet([4, 4, 4])])
def test_the_halo_is_the_receptive_radius(network):
    """Nothing farther away than `radius` changes a pixel, and it is not much too large."""
    torch.manual_seed(0)
    network.eval()
    x = torch.rand(1, 3, network.multiple, 64 * network.multiple, requires_grad=True)
    given = [torch.stack([value[:, 0] * 0, value[:, 1] * 0 + 1], 1) for value in network.measure(x.detach())]
    reach, middle = set(), 32 * network.multiple
    for column in range(middle, middle + network.multiple):
        gradient = torch.autograd.grad(network.apply_moments(x, given)[..., column].sum(), x)[0]
        seen = gradient.abs().sum((0, 1, 2)).nonzero().flatten()
        reach |= {column - int(seen.min()), int(seen.max()) - column}
    assert network.radius - 2 * network.multiple < max(reach) <= network.radius
    assert network.radius % network.multiple == 0


@torch.inference_mode()
def test_large_sketches_take_their_colours_from_a_small_version(smooth_file, monkeypatch):
    """Tiles and whole agree there too, and block means are those of the small version."""
    monkeypatch.setattr("imgtk_pix2pix.op.GLANCE", 64 * 64)
    x = sample_image(256, 192)
    whole, tiles = (_run(photo_spec(smooth_file), x, tile) for tile in ("off", 64))
    assert (whole - tiles).abs().max() <= 1e-4
    assert psnr(_run(photo_spec(smooth_file), x, 64, "bf16"), whole) > 40
    op = SketchToPhoto(str(smooth_file), 1.0, None, 1.0, context=default().context())
    op.to(CPU, torch.float32)
    small = op.measure(x).painting
    assert small.shape[2] * small.shape[3] <= 64 * 64 * 1.2
    blocks = [torch.nn.functional.adaptive_avg_pool2d(y, (3, 4)) for y in (small, whole)]
    torch.testing.assert_close(*blocks, atol=0.05, rtol=0)


def test_the_small_version_of_a_large_sketch_ends_where_the_sketch_does(smooth_file, monkeypatch):
    """Nothing is mirrored to make its sides multiples: what is chosen on it would lie beside the things."""
    for module in ("imgtk.engine.statistics", "imgtk.engine.plan", "imgtk.engine.render"):
        monkeypatch.setattr(f"{module}.MEASURED_PIXELS", 5000)
    seen, measure = [], SketchToPhoto.measure
    monkeypatch.setattr(SketchToPhoto, "measure", lambda op, x: seen.append(x) or measure(op, x))
    ramp = torch.linspace(0, 1, 300)[None] * torch.linspace(0.5, 1, 210)[:, None]
    _run(photo_spec(smooth_file), ramp.expand(1, 3, -1, -1), 64)
    (x,) = seen
    assert x.shape[2] * x.shape[3] < 7000
    assert (x.diff(dim=2) > 0).all()
    assert (x.diff(dim=3) > 0).all()


def _run(spec, x, tile, dtype="fp32"):
    from imgtk.language.graph import INPUT, Graph, Node

    graph = Graph((Node("in"), Node(spec.name, (INPUT,), {})), output=1)
    registry = Registry.of(spec, architectures=default().architectures)
    return Pipeline(graph, device="cpu", dtype=dtype, tile=tile, registry=registry)(x).tensor()


@torch.inference_mode()
@pytest.mark.parametrize("name", ["smooth_file", "transposed_file"])
def test_strength(name, request):
    path = request.getfixturevalue(name)
    x = sample_image(32, 24)
    painted = build(path)(x)
    torch.testing.assert_close(build(path, strength=0)(x), x)
    torch.testing.assert_close(build(path, strength=0.25)(x), x + 0.25 * (painted - x))


@torch.inference_mode()
def test_a_published_network_paints_images_of_its_size_without_a_margin(transposed_file):
    """What it saw beyond borders in training were zeros, and so it is here."""
    op = build(transposed_file)
    x = sample_image(32, 32)
    torch.testing.assert_close(op(x), op.forward_fn(x))


@torch.inference_mode()
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_blank_paper_gives_finite_colours(level, smooth_file, transposed_file):
    for path in (smooth_file, transposed_file):
        op = build(path)
        assert op(torch.full((1, 3, 16, 24), level)).isfinite().all()


@torch.inference_mode()
def test_a_sketch_is_gray_and_dark_where_the_photo_gets_darker():
    x = torch.ones(1, 3, 40, 40)
    x[..., 20:] = torch.tensor([0.2, 0.1, 0.4])[:, None, None]
    sketch = Pencil(shade=0).draw(x)
    assert torch.equal(sketch[:, 0], sketch[:, 2])
    assert (sketch[..., :5] > 0.99).all()
    assert (sketch[..., -5:] > 0.99).all()  # flat areas are paper, dark ones too
    assert (sketch[..., 20:23] < 0.5).all()
    assert (Pencil(shade=0.5).draw(x)[..., -5:] < 0.6).all()


@torch.inference_mode()
def test_the_colour_of_all_of_the_paper_matters():
    """Normalisation does not see it: there is a way around it."""
    torch.manual_seed(0)
    network = SmoothUNet([4, 4], 4).eval()
    red, blue = (
        torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 16, 16) for colour in ([1, 0.8, 0.8], [0.8, 0.8, 1])
    )
    red, blue = network(red).mean((0, 2, 3)), network(blue).mean((0, 2, 3))
    assert red[0] > blue[0] + 0.05
    assert blue[2] > red[2] + 0.05


@torch.inference_mode()
def test_random_sketches_differ_in_pencil_but_not_between_equal_seeds():
    x = sample_image(48, 40).repeat(3, 1, 1, 1)
    draws = []
    for _ in range(2):
        torch.manual_seed(3)
        draws.append(random_sketches(x))
    assert torch.equal(*draws)
    assert (draws[0][0] - draws[0][1]).abs().mean() > 0.01
    assert draws[0].min() >= 0
    assert draws[0].max() <= 1


def test_another_kind_of_network_and_no_file(tmp_path):
    with pytest.raises(WeightsError, match="no file"):
        default().build("translate:pix2pix", model=str(tmp_path / "nowhere.pth"))
    torch.save({"weight": torch.ones(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="unknown architecture"):
        build(tmp_path / "other.pth")


@torch.inference_mode()
def test_crayons_have_the_colours_of_the_photo():
    x = torch.full((1, 3, 24, 24), 0.2)
    x[:, 0] = 0.4
    drawn = Pencil(shade=0, colour=1).draw(x)[0, :, 12, 12]
    torch.testing.assert_close(drawn, torch.tensor([1, 0.6, 0.6]))  # as red, and as light as paper
    gray = Pencil().draw(x)
    assert torch.equal(gray[:, 0], gray[:, 1])


@torch.inference_mode()
def test_half_of_the_coloured_sketches_are_left_gray():
    torch.manual_seed(0)
    x = sample_image(48, 40).repeat(40, 1, 1, 1)
    coloured = sum(bool((sketch.amax(0) - sketch.amin(0)).max() > 0.02) for sketch in random_coloured_sketches(x))
    assert 10 <= coloured <= 30
