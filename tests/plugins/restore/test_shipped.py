"""What is shipped."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from imgtk import Image, Pipeline
from imgtk.metrics import psnr, ssim_y
from imgtk.nn.colour import from_srgb, to_srgb
from imgtk.nn.degradation import blur
from imgtk.nn.lab import to_lab
from imgtk.registry import default
from imgtk.testing import check_op
from imgtk.weights import Card, digest, locate, shipped
from imgtk_restore.colouring import gray_of
from imgtk_restore.degrade import disc_kernels, line_kernels
from imgtk_restore.holes import random_holes
from imgtk_restore.light import brightened, darkened

NAMES = {"denoise", "jpeg", "deblur", "inpaint", "colourise"}


@pytest.fixture(scope="module")
def photo():
    return cv2.resize(skimage.data.astronaut(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def tensor(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def noisy(pixels, sigma):
    noise = np.random.default_rng(0).normal(0, 1, pixels.shape) * sigma
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


def quality(result, photo):
    return psnr(tensor(result), tensor(photo))


def test_the_cards_are_complete_and_of_these_files():
    assert {card.name for card in shipped("imgtk_restore")} == NAMES
    for name in NAMES:
        path = locate(name, "imgtk_restore")
        card = Card.read(path.with_suffix(".toml"))
        assert card.sha256 == digest(path)
        assert card.licence == "Apache-2.0"
        assert all((card.summary, card.architecture, card.trained, card.recipe, card.data, card.scores))


def test_it_keeps_every_promise_of_an_operator():
    check_op("restore:denoise", sizes=((150, 133), (1, 1)), tile=64, tolerance=0.1 / 255)


@pytest.mark.parametrize("sigma", [15, 25, 50])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("gray", [False, True])
def test_it_beats_non_local_means(photo, sigma, told, gray):
    if gray:
        photo = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, 2)
    bad = noisy(photo[..., :1], sigma).repeat(3, 2) if gray else noisy(photo, sigma)
    ours = Pipeline(f"restore:denoise {sigma if told else 'auto'}", device="cpu")(bad).pixels
    theirs = cv2.fastNlMeansDenoisingColored(bad, None, 0.8 * sigma, 0.8 * sigma, 7, 21)
    assert quality(ours, photo) > quality(theirs, photo) + 1.5


@pytest.mark.parametrize("number", [10, 20, 40])
@pytest.mark.parametrize("told", [False, True])
def test_jpeg_artefacts_are_removed(photo, number, told):
    written = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, number])[1]
    bad = cv2.imdecode(written, cv2.IMREAD_COLOR)
    result = Pipeline(f"restore:jpeg {number if told else 'auto'}", device="cpu")(bad).pixels
    assert quality(result, photo) > quality(bad, photo) + 0.7


@pytest.mark.parametrize(
    ("kernel", "gain"),
    [(disc_kernels(torch.tensor([2.5])), 1.5), (line_kernels(torch.tensor([8.0]), torch.tensor([0.7])), 0.2)],
    ids=["out of focus", "moved"],
)
def test_blurred_images_are_sharpened(photo, kernel, gain):
    """More than by an unsharp mask, by so many dB; motion is the harder case."""
    bad = (blur(tensor(photo), kernel)[0].permute(1, 2, 0).numpy() * 255).round().clip(0, 255).astype(np.uint8)
    result = Pipeline("restore:deblur", device="cpu")(bad).pixels
    unsharp = cv2.addWeighted(bad, 2.0, cv2.GaussianBlur(bad, (0, 0), 2), -1.0, 0)
    assert quality(result, photo) > max(quality(bad, photo), quality(unsharp, photo)) + gain
    assert np.abs(result.mean((0, 1)) - bad.mean((0, 1))).max() < 1


def test_sharp_images_are_left_nearly_as_they_are(photo):
    assert quality(Pipeline("restore:deblur", device="cpu")(photo).pixels, photo) > 33


def test_holes_are_filled_better_than_by_telea(photo):
    """In PSNR and in SSIM, over holes of a fifth of the image; what is known stays."""
    holes = random_holes(4, *photo.shape[:2], torch.Generator().manual_seed(5), (0.15, 0.25))[:, 0].numpy()
    found = {"network": [], "telea": []}
    for hole in holes:
        alpha = np.where(hole, 0, 255).astype(np.uint8)
        for method, scores in found.items():
            result = Pipeline(f"inpaint:{method}", device="cpu")(Image(photo, alpha)).pixels
            assert (result[~hole] == photo[~hole]).all()
            scores.append((quality(result, photo), ssim_y(tensor(result), tensor(photo), border=0)))
    assert (np.mean(found["network"], 0) > np.mean(found["telea"], 0)).all()


def test_gray_photos_get_likely_colours():
    """Nearer to the truth than gray is; wood and skin are warm, and the lightness stays."""
    pipeline = Pipeline("restore:colourise", device="cpu")
    for load in (skimage.data.coffee, skimage.data.astronaut, skimage.data.chelsea):
        truth = to_lab(torch.from_numpy(load()).float() / 255)
        gray = gray_of((torch.from_numpy(load()).float() / 255).movedim(-1, 0)[None])[0, 0]
        result = pipeline((gray * 255).round().byte().numpy()).pixels
        found = to_lab(torch.from_numpy(result).float() / 255)
        error, of_gray = ((truth[..., 1:] - ab).norm(dim=-1).mean() for ab in (found[..., 1:], torch.zeros(2)))
        assert error < 0.85 * of_gray
        assert found[..., 1:].mean((0, 1)).min() > 1
        assert (found[..., 0] - truth[..., 0]).abs().max() < 1.5


def test_the_noise_of_dark_images_is_removed(photo):
    """That of a sixteenth of the light, a photon of which is 1/5000 of white."""
    gain = torch.tensor([16.0])
    light = from_srgb(darkened(tensor(photo), gain))
    noise = torch.randn(light.shape, generator=torch.Generator().manual_seed(0))
    dark = (to_srgb((light + (2e-4 * light).sqrt() * noise).clamp(0, 1)) * 255).round()
    alone = psnr(brightened(dark / 255, gain), tensor(photo))
    result = Pipeline("restore:lowlight 4", device="cpu")(dark[0].permute(1, 2, 0).byte().numpy()).pixels
    assert quality(result, photo) > alone + 1


def test_poisson_noise_is_removed(photo):
    """As much as of a sensor that counts 64 photons where it is white."""
    bad = noisy(photo, 2 * np.sqrt(photo))
    result = Pipeline("restore:denoise", device="cpu")(bad).pixels
    assert quality(result, photo) > quality(bad, photo) + 5


def test_clean_images_stay_as_they_are(photo):
    for text, least in (("restore:denoise", 39), ("restore:denoise 0", 40)):
        result = Pipeline(text, device="cpu")(photo).pixels
        assert quality(result, photo) > least
        assert np.abs(result.mean((0, 1)) - photo.mean((0, 1))).max() < 0.5


def test_what_is_farther_away_than_the_halo_changes_next_to_nothing():
    op = default().build("restore:denoise")
    op.to(torch.device("cpu"), torch.float32)
    x = torch.rand(1, 3, 32, 320, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[..., :160] = 1 - x[..., :160]
    with torch.inference_mode():
        change = (op(x) - op(other)).abs()[..., 160 + op.geometry.halo :]
    assert change.max() < 0.1 / 255
