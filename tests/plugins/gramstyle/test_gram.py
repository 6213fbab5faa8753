"""`style:gram` with a small random feature network."""

import numpy as np
import pytest
import torch

from imgtk import Pipeline
from imgtk.errors import ImgtkError, ParameterError, ReadError, WeightsError
from imgtk.geometry import Size
from imgtk.nn.colour import luma
from imgtk.nn.features import load_features
from imgtk.nn.resample import resample
from imgtk.painting.objective import StyleObjective, shift_together
from imgtk.params import CommaList, File, Number
from imgtk.registry import default
from imgtk.steps import steps_reported
from imgtk.testing import sample_image
from imgtk_gramstyle.gram import DETAILS, schedule

CPU = torch.device("cpu")


@pytest.fixture
def gram(features_file, style_file):
    def build(**params):
        given = {"image": style_file, "backbone": str(features_file), "steps": 3, **params}
        op = default().build("style:gram", **given)
        op.to(CPU, torch.float32)
        return op

    return build


@torch.inference_mode()
def test_it_comes_nearer_to_the_style(gram, features_file, style_file):
    x = sample_image(64, 48)
    op = gram(steps=20)
    objective = StyleObjective(load_features(features_file), op.images, [1.0])
    before, after = objective(x, x)[0], objective(op(x), x)[0]
    assert after < 0.7 * before


@torch.inference_mode()
def test_same_seed_same_image_another_seed_another(gram):
    x = sample_image(40, 40)
    first = gram(seed=1)(x)
    assert torch.equal(gram(seed=1)(x), first)
    assert not torch.equal(gram(seed=2)(x), first)
    assert first.min() >= 0
    assert first.max() <= 1


@torch.inference_mode()
def test_content_weight_holds_the_image(gram):
    x = sample_image(40, 40)
    free, held = (gram(steps=15, content=weight)(x) for weight in (0, 1000))
    assert (held - x).square().mean() < (free - x).square().mean()


@torch.inference_mode()
def test_the_global_random_state_is_left_alone(gram):
    before = torch.get_rng_state()
    gram()(sample_image(40, 32))
    assert torch.equal(torch.get_rng_state(), before)


@torch.inference_mode()
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 7)])
def test_small_images(gram, size):
    x = sample_image(*size)
    y = gram()(x)
    assert y.shape == x.shape
    assert y.isfinite().all()


@torch.inference_mode()
def test_large_images_are_painted_small_and_enlarged(gram):
    x = sample_image(200, 120)
    assert torch.equal(gram(size=64, strength=0)(x), x)
    op = gram(size=64)
    seen = []
    paint = op.paint
    op.paint = lambda content: seen.append(tuple(content.shape)) or paint(content)
    assert op(x).shape == x.shape
    assert seen == [(1, 3, 38, 64)]


@torch.inference_mode()
def test_details_finer_than_the_painting_come_back(gram):
    x = 0.25 + 0.5 * sample_image(256, 192)
    painted = gram(size=64)(x)

    def details(y):
        return luma(y) - luma(resample(resample(y, Size(64, 48)), Size(256, 192)))

    assert (details(painted) - DETAILS * details(x)).abs().mean() < 0.2 * details(x).abs().mean()


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["covariance", "histogram"])
def test_style_images_get_the_colours_of_the_image_beforehand(gram, kind):
    x = 0.2 + 0.6 * sample_image(80, 64) * torch.tensor([1, 0.5, 0.1])[:, None, None]
    free, kept = gram(steps=10)(x), gram(steps=10, keep_colour=kind)(x)
    away = [(y.mean((2, 3)) - x.mean((2, 3))).abs().max() for y in (free, kept)]
    assert away[1] < away[0]
    light = gram(steps=10, keep_colour="luma")(x)
    assert not torch.equal(light, kept)


def test_schedules_go_from_coarse_to_fine():
    assert schedule(Size(1024, 768), 200) == [(256, 114), (512, 57), (1024, 29)]
    assert schedule(Size(2048, 2048), 200) == [(256, 107), (512, 53), (1024, 27), (2048, 13)]
    assert schedule(Size(200, 150), 200) == [(200, 200)]
    assert schedule(Size(1024, 40), 10) == [(1024, 10)]
    for steps in range(1, 40):
        planned = schedule(Size(4000, 3000), steps)
        assert sum(count for _, count in planned) == steps
        assert all(count > 0 for _, count in planned)
        assert planned[-1][0] == 4000


def test_a_mask_of_another_size_is_refused_before_painting(features_file, style_file, tmp_path):
    import cv2

    mask = tmp_path / "mask.png"
    cv2.imwrite(str(mask), np.full((30, 40), 255, np.uint8))
    pipeline = Pipeline(f"style:gram {style_file} backbone={features_file} steps=1 mask={mask}", device="cpu")
    assert pipeline(np.zeros((30, 40, 3), np.uint8)).size == (40, 30)
    with pytest.raises(ParameterError, match="has 40x30 pixels, but the image has 41x30"):
        pipeline(np.zeros((30, 41, 3), np.uint8))


@torch.inference_mode()
def test_it_tells_how_far_it_is(gram):
    op, steps = gram(), []
    for size in ((40, 32), (300, 280)):  # the larger one is painted at two sizes
        with steps_reported(lambda done, total: steps.append((done, total))):
            op(sample_image(*size))
        assert steps == [(1, 3), (2, 3), (3, 3)]
        steps.clear()


@torch.inference_mode()
def test_weights_of_several_styles(gram, style_file, tmp_path):
    import cv2

    other = tmp_path / "red.png"
    cv2.imwrite(str(other), np.full((40, 40, 3), (0, 0, 255), np.uint8))
    x = sample_image(40, 40)
    only = gram(image=[style_file])(x)
    torch.testing.assert_close(gram(image=[style_file, other], weights=[1, 0])(x), only)
    assert not torch.equal(gram(image=[style_file, other])(x), only)


@pytest.mark.parametrize("weights", ["1", "1,2,3", "0,0"])
def test_weights_that_do_not_fit_are_refused(gram, style_file, weights):
    with pytest.raises(ParameterError, match="weights"):
        gram(image=f"{style_file},{style_file}", weights=weights)


def test_a_style_image_that_is_not_there(gram, tmp_path):
    with pytest.raises(ReadError, match="nowhere"):
        gram(image=tmp_path / "nowhere.jpg")


def test_a_backbone_that_is_none(gram, tmp_path):
    path = tmp_path / "text.safetensors"
    path.write_text("no weights")
    with pytest.raises(WeightsError):
        gram(backbone=str(path))


def test_through_the_engine(features_file, style_file):
    text = f"style:gram {style_file} 0.5 backbone={features_file} steps=2"
    result = Pipeline(text, device="cpu")(np.zeros((37, 41), np.uint8))
    assert result.pixels.shape == (37, 41, 3)


def test_the_image_is_needed():
    with pytest.raises(ImgtkError, match="image"):
        default().build("style:gram")


def test_lists_of_values():
    numbers = CommaList(Number(0))
    assert numbers.convert("1, 2.5") == (1.0, 2.5)
    assert numbers.convert(3) == (3.0,)
    assert numbers.convert([1, 2]) == (1.0, 2.0)
    assert numbers.convert(numbers.format((1.0, 2.5))) == (1.0, 2.5)
    for wrong in ("", "1,,2", "1,-2", [], "a", None):
        assert not numbers.accepts(wrong), wrong
    assert [str(path) for path in CommaList(File()).convert("a.jpg,b c.png")] == ["a.jpg", "b c.png"]


def test_shifting_moves_all_alike_and_keeps_sizes():
    x = torch.arange(60.0).view(1, 1, 6, 10)
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(200):
        a, b = shift_together([x, 2 * x], 3, generator)
        assert a.shape == x.shape
        assert torch.equal(b, 2 * a)
        seen.add(a[0, 0, 0, 0].item())
    assert seen == {row * 10.0 + column for row in range(4) for column in range(4)}
