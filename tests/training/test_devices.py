"""A step of every trainer on a device without values, where tensors that stay on the CPU are found; and in float16."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from imgtk.nn.features import squeezenet
from imgtk.op import OpSpec
from imgtk.registry import Registry, default
from imgtk.testing.devices import StayedOnCPUError, other_device
from imgtk.testing.trainer import one_step
from tests.training.toy import ToyTrainer

SMALL = {"features": "8", "blocks": "1", "crop": "64"}
TARGET = {"target": "images", "crop": "128", "side": "160"}
TRAINERS: dict[str, dict[str, str]] = {
    "generate:glyph": {"width": "4", "style": "2"},
    "generate:landscape": {"width": "4", "code": "6"},
    "generate:vae": {"width": "4", "code": "6"},
    "generate:vaegan": {"width": "16", "code": "128", "init": "vae"},
    "inpaint:network": {"widths": "8,12", "blocks": "1,1", "crop": "32", "adversarial": "0.1"},
    "restore:colourise": {"width": "4", "crop": "32", "side": "64"},
    "restore:denoise": {"widths": "4,8", "blocks": "1,1"},
    "restore:jpeg": {"widths": "4,8", "blocks": "1,1", "degradation": "jpeg"},
    "style:any": {"styles": "images", "crop": "128", "width": "8", "blocks": "1"},
    "style:fast": {"style": "images/0.png", "crop": "128", "width": "8", "blocks": "1"},
    "style:gram": {"teacher": "squeezenet.safetensors", "crop": "64"},
    "stylize-sr:monet": {**TARGET, "teacher": "monet"},
    "translate:cyclegan": {**TARGET, "features": "4", "blocks": "1"},
    "translate:cyclegan cut": {**TARGET, "features": "4", "blocks": "1", "method": "cut"},
    "translate:pix2pix": {"crop": "64", "width": "4", "pairs": "coloured-sketch", "r1": "1"},
    "translate:pix2pix pairs": {"crop": "64", "width": "4", "target": "images", "dropout": "0.5"},
    "translate:unit": {**TARGET, "width": "4", "blocks": "1", "discriminator": "pixels", "gan": "lsgan"},
    "upscale:compact": {"features": "8", "convs": "1", "crop": "64", "degradation": "photo", "spectrum": "1"},
    "upscale:esrgan": {**SMALL, "gan": "wasserstein", "gradient_penalty": "10"},
    "upscale:rrdb": {**SMALL, "growth": "4"},
    "upscale:srgan": {**SMALL, "crop": "128", "discriminator": "vgg"},
    "upscale:srresnet": SMALL,
}
"""Settings by operator; a word behind its name tells apart several runs. Degradations that draw noise on the device are
not among them: torch has no generator of random numbers for one without values."""

IN_HALF = [
    *("restore:denoise", "restore:jpeg", "translate:pix2pix pairs"),
    *("upscale:compact", "upscale:rrdb", "upscale:srresnet"),
]
"""Those that a CPU computes in float16 within seconds."""


@pytest.fixture(scope="module", autouse=True)
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Images, sheets of glyphs, and the teacher of the feature network."""
    folder = tmp_path_factory.mktemp("devices")
    (folder / "images").mkdir()
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 256, (160, 168, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"images/{i}.png")
    save_file(squeezenet().state_dict(), folder / "squeezenet.safetensors")
    (folder / "sheets").mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (512, 512), np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"sheets/{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def step(run: str, device: torch.device, **how: bool) -> dict[str, float]:
    settings = {"batch": "2", "held_out": "1", **TRAINERS[run]}
    data = Path("sheets" if run == "generate:glyph" else "images")
    return one_step(default().spec(run.split()[0]), default(), data, settings, device, **how)


@pytest.mark.parametrize("run", TRAINERS)
def test_nothing_stays_on_the_cpu(run: str) -> None:
    with other_device() as device:
        assert step(run, device)


@pytest.mark.parametrize("run", IN_HALF)
def test_losses_are_finite_in_float16(run: str) -> None:
    """What GPUs compute in half precision neither overflows nor mixes number formats."""
    with torch.autocast("cpu", torch.float16):
        losses = step(run, torch.device("cpu"), evaluate=False)
    assert all(math.isfinite(value) for value in losses.values()), losses


def test_every_trainer_is_tried() -> None:
    """If this fails, add small settings for the new trainer to TRAINERS."""
    tried = {default().spec(run.split()[0]).trainer for run in TRAINERS}
    assert tried == {spec.trainer for spec in default().specs if spec.trainer}


class Forgetful(ToyTrainer):
    """It keeps a tensor that nobody moves."""

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        yield "generator", {"l1": (networks["generator"](batch) - torch.zeros(16)).abs().mean()}


def test_what_stays_is_found() -> None:
    spec = OpSpec("test:toy", "tests.training.toy:Toy", "For a test.", trainer=f"{__name__}:Forgetful")
    with other_device() as device, pytest.raises(StayedOnCPUError, match=r"aten.sub of a tensor \(16\) on the CPU"):
        one_step(spec, Registry.of(spec), Path("images"), {}, device)


def test_values_are_made_up() -> None:
    with other_device() as device:
        x = torch.rand(3, 4, device=device)
        assert x[x > 0].shape == (12,)  # no kernel knows how many
        assert x.sum().item() == 0.5
        assert x.cpu().device.type == "cpu"
        assert (x + torch.tensor(1.0)).device == device
        with pytest.raises(StayedOnCPUError):
            torch.nn.functional.conv2d(x[None, None], torch.rand(1, 1, 3, 3))
