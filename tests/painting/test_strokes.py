"""Strokes that grow with the image, tile by tile; masks and colours of painted images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from imgtk import Pipeline
from imgtk.engine import plan as planning
from imgtk.errors import ParameterError, ReadError
from imgtk.geometry import Box, Size, Window
from imgtk.nn.blur import gaussian_blur
from imgtk.nn.resample import resample
from imgtk.painting.network import StyleNetwork
from imgtk.painting.strokes import PaintStrokes
from imgtk.registry import default
from imgtk.testing import check_op, sample_image
from imgtk_gramstyle.network import PlainStyleNetwork

LARGE = Size(330, 250)
"""An image that is large where thumbnails have 10,000 pixels."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    network = StyleNetwork(width=8, blocks=1)
    torch.nn.init.normal_(network.out.weight, std=0.03)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture
def thumbnails(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("imgtk.engine.statistics", "imgtk.engine.plan", "imgtk.engine.render"):
        monkeypatch.setattr(f"{module}.MEASURED_PIXELS", 10_000)
    monkeypatch.setattr("imgtk.painting.strokes.TINY", 2_500)
    assert planning.MEASURED_PIXELS == 10_000


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """White on the left, black on the right, soft in between."""
    path = tmp_path / "mask.png"
    ramp = np.linspace(3, -2, LARGE.width).clip(0, 1)
    cv2.imwrite(str(path), np.tile((ramp * 255).round().astype(np.uint8), (LARGE.height, 1)))
    return path


def built(weights: Path, **params: Any) -> PaintStrokes:
    op = default().build("style:fast", model=str(weights), **params)
    op.to(torch.device("cpu"), torch.float32)
    assert isinstance(op, PaintStrokes)
    return op


def run(chain: str, x: Tensor, tile: int | str) -> np.ndarray:
    return Pipeline(chain, tile=tile, dtype="fp32", device="cpu")(x).pixels


@pytest.mark.usefixtures("thumbnails")
@pytest.mark.parametrize("options", ["scale=2", "scale=0.5 keep-colour=histogram", "keep-colour=covariance 0.7"])
def test_tiles_of_large_images_are_the_whole(weights: Path, options: str) -> None:
    x, chain = sample_image(*LARGE), f"style:fast {weights} {options}"
    whole = run(chain, x, "off")
    assert whole.std() > 0.02
    assert np.abs(run(chain, x, 128) - whole).max() < 1e-4
    assert np.abs(run(f"{chain} | {chain}", x, 128) - run(f"{chain} | {chain}", x, "off")).max() < 1e-4


@pytest.mark.parametrize("options", [{"scale": 2}, {"scale": 0.5}, {"keep_colour": "histogram"}])
def test_small_images_keep_every_promise(weights: Path, options: dict[str, Any]) -> None:
    check_op("style:fast", sizes=((61, 47), (32, 33)), model=str(weights), **options)


@torch.inference_mode()
def test_large_images_have_the_colours_and_strokes_of_small_ones(weights: Path) -> None:
    op, x = built(weights), sample_image(256, 192)
    large = resample(x, Size(1024, 768)).clamp(0, 1)
    size, whole = Size(1024, 768), Box(0, 0, 1024, 768)
    under = op.measure(x)
    painted = op.render(large, window=Window(whole, size, whole, size), statistics=under)
    wanted = gaussian_blur(resample(under.painting, size), 16)
    error, native = ((gaussian_blur(y, 16) - wanted).square().mean() for y in (painted, op.forward_fn(large)))
    assert error < 0.2 * native
    assert (painted - resample(under.painting, size)).std() > 0.01


@torch.inference_mode()
def test_tiny_images_are_painted_enlarged_and_larger_ones_as_they_are(weights: Path) -> None:
    op = built(weights)
    assert op.measure(sample_image(100, 60)).painting.shape[2:] == (120, 200)
    assert op.measure(sample_image(640, 480)).painting.shape[2:] == (480, 640)
    assert built(weights, scale=2).measure(sample_image(640, 480)).painting.shape[2:] == (240, 320)


@pytest.mark.usefixtures("thumbnails")
def test_a_mask_keeps_the_rest_and_blends_softly(weights: Path, mask: Path) -> None:
    x = sample_image(*LARGE)
    painted = run(f"style:fast {weights}", x, "off")
    masked = run(f"style:fast {weights} mask={mask}", x, "off")
    original = x[0].permute(1, 2, 0).numpy()
    share = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)[..., None] / np.float32(255)
    assert np.abs(masked - (original + share * (painted - original))).max() < 1e-5
    assert np.array_equal(masked[:, -60:], original[:, -60:])
    assert np.abs(run(f"style:fast {weights} mask={mask}", x, 128) - masked).max() < 1e-4


@pytest.mark.usefixtures("thumbnails")
def test_masks_in_front_of_other_statistics(weights: Path, mask: Path) -> None:
    chain = f"style:fast {weights} mask={mask} | style:fast {weights}"
    x = sample_image(*LARGE)
    assert np.abs(run(chain, x, 128) - run(chain, x, "off")).max() < 1e-4


def test_a_mask_of_another_size_is_refused_at_once(weights: Path, mask: Path) -> None:
    pipeline = Pipeline(f"style:fast {weights} mask={mask}", device="cpu")
    assert pipeline.plan(LARGE).output_size == LARGE
    with pytest.raises(ParameterError, match=r"has 330x250 pixels, but the image has 40x30"):
        pipeline(sample_image(40, 30))
    with pytest.raises(ParameterError, match=r"330x250"):
        Pipeline(f"upscale:nearest x2 | style:fast {weights} mask={mask}", device="cpu").plan(LARGE)
    with pytest.raises(ReadError, match="the mask cannot be used"):
        Pipeline(f"style:fast {weights} mask={mask}.png", device="cpu").check()


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("keep-colour", "luma"),
        ("keep-colour=yes", "luma"),
        ("keep-colour=no", None),
        ("keep-colour=histogram", "histogram"),
    ],
)
def test_ways_to_keep_colours(word: str, value: str | None) -> None:
    pipeline = Pipeline(f"style:fast x {word}")
    assert pipeline.graph.nodes[1].params["keep_colour"] == value
    assert Pipeline(str(pipeline)).graph == pipeline.graph
    assert Pipeline.from_yaml(pipeline.yaml()).graph == pipeline.graph


def test_other_ways_to_keep_colours_are_refused() -> None:
    with pytest.raises(ParameterError, match="expected yes, no, luma, covariance or histogram"):
        default().build("style:fast", model="x", keep_colour="red")


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["covariance", "histogram"])
def test_kept_colours_are_those_of_the_image(weights: Path, kind: str) -> None:
    x = 0.2 + 0.5 * sample_image(320, 240) * torch.tensor([1, 0.5, 0.2])[:, None, None]
    painted, kept = built(weights)(x), built(weights, keep_colour=kind)(x)

    def colours(y: Tensor) -> Tensor:
        return torch.cat([y.mean((2, 3)), y.std((2, 3))])

    assert (colours(kept) - colours(x)).abs().max() < 0.03
    assert (colours(painted) - colours(x)).abs().max() > 0.1


@torch.inference_mode()
@pytest.mark.parametrize("factor", [0.5, 3])
def test_flat_images_stay_flat(factor: float, tmp_path: Path) -> None:
    """With the normalisation of a network without noise, rounding errors would become a pattern."""
    torch.manual_seed(1)
    save_file(PlainStyleNetwork(width=16, blocks=2).state_dict(), tmp_path / "plain.safetensors")
    op = built(tmp_path / "plain.safetensors", scale=factor)
    y = op(torch.tensor([0.1, 0.7, 0.3])[:, None, None].expand(1, 3, 64, 80))
    assert y.std((2, 3)).max() < 1e-3
