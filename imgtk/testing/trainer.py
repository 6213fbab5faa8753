"""`check_trainer`: that an operator can be trained, tried out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from imgtk.image import Image
from imgtk.op import OpSpec
from imgtk.registry import Registry, default
from imgtk.testing.devices import StayedOnCPUError, other_device
from imgtk.testing.images import sample_image
from imgtk.training.images import image_files
from imgtk.training.recipe import load_recipe
from imgtk.training.trainer import build_trainer, trainer_type
from imgtk.weights import read_state
from imgtk.weights.architecture import network_of

__all__ = ["STEPS", "check_trainer"]

STEPS = 3
"""Steps that are trained."""
SIDE = 96
"""Pixels of the images' sides that are made up for it."""


def check_trainer(
    op: str | OpSpec,
    *,
    registry: Registry | None = None,
    data: Path | None = None,
    **settings: object,
) -> None:
    """Check that the trainer of an operator trains, resumes exactly, and exports what can be loaded, on the CPU.

    It trains three steps; then again, interrupted after two and resumed, which must give the same weights, to the last
    bit. If an architecture of the registry belongs to the operator, the exported weights must be told by it; if the
    operator takes `model=`, it must run with them. A step, `validate` and `sample` on another device, without values,
    find tensors that stay on the CPU.

    Args:
        op: the description of the operator, or the name of an installed one.
        registry: as for `check_op`.
        data: a folder of images; by default four are made up, of 96 x 96 pixels.
        settings: of the recipe, such as crop=32; the number of steps is set here.

    Raises:
        AssertionError: saying what is wrong.
        ImgtkError: if it cannot be trained.
    """
    registry = registry or default()
    spec = registry.spec(op) if isinstance(op, str) else op
    assert spec.trainer, f"{spec.name} names no trainer"
    every = dict.fromkeys(("validate_every", "sample_every", "checkpoint_every"), str(STEPS))
    fixed = {"steps": str(STEPS), "batch": "2", "crop": "32", "held_out": "1", **every}
    overrides = {**fixed, **{name: str(value) for name, value in settings.items()}}
    with TemporaryDirectory(prefix="imgtk-") as name:
        folder = Path(name)
        data = data or _made_up(folder / "data")
        whole = _trained(spec, registry, data, folder / "whole", overrides, [STEPS])
        parts = _trained(spec, registry, data, folder / "parts", overrides, [STEPS - 1, STEPS])
        for key, tensor in read_state(whole).items():
            other = read_state(parts)[key]
            assert torch.equal(tensor, other), f"{spec.name}: resumed, {key} becomes another than in one run"
        _check_export(spec, registry, whole)
        _check_device(spec, registry, data, overrides)


def _check_device(spec: OpSpec, registry: Registry, data: Path, overrides: Mapping[str, str]) -> None:
    try:
        with other_device() as device:
            one_step(spec, registry, data, overrides, device)
    except StayedOnCPUError as error:
        raise AssertionError(f"{spec.name}: on another device its trainer mixes tensors: {error}") from error
    except Exception:
        return  # values that are made up may not suit it


def one_step(
    spec: OpSpec,
    registry: Registry,
    data: Path,
    overrides: Mapping[str, str],
    device: torch.device,
    *,
    evaluate: bool = True,
) -> dict[str, float]:
    """Draw a batch, update every network once, and, to `evaluate`, validate and sample. Returns the losses by
    "network/loss"."""
    assert spec.trainer
    recipe = load_recipe(trainer_type(spec.trainer).recipe_type, None, overrides)
    trainer, files = build_trainer(spec.trainer, recipe, registry.context()), image_files(data)
    trainer.device = device
    for module in (*trainer.frozen, *trainer.networks.values()):
        module.to(device)
    for module in trainer.frozen:
        module.eval().requires_grad_(False)
    trainer.prepare()
    optimizers = {name: trainer.optimizer(name) for name in trainer.networks}
    trainer.load_validation(files[: recipe.held_out])
    batch = trainer.draw(trainer.load_images(files, device), torch.Generator().manual_seed(0)).to(device)
    values: dict[str, float] = {}
    for name, losses in trainer.updates(batch, trainer.networks):
        optimizers[name].zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimizers[name].step()
        values |= {f"{name}/{loss}": value.item() for loss, value in losses.items()}
    if evaluate:
        with torch.no_grad():
            trainer.validate(trainer.networks["generator"].eval())
            trainer.sample(trainer.networks["generator"])
    return values


def _made_up(folder: Path) -> Path:
    folder.mkdir()
    for seed in range(4):
        Image.of(sample_image(SIDE, SIDE, seed=seed)).save(folder / f"{seed}.png", depth=8)
    return folder


def _trained(
    spec: OpSpec, registry: Registry, data: Path, out: Path, overrides: Mapping[str, str], stops: list[int]
) -> Path:
    """Train in so many runs, each of which resumes the one before."""
    from imgtk.training.run import train  # which needs more packages than other checks

    weights = Path()
    for index, stop in enumerate(stops):
        last = stop == stops[-1]
        torch.manual_seed(index)  # resuming may not depend on what the process did before
        options = {"registry": registry, "overrides": overrides, "device": "cpu", "resume": index > 0}
        weights = train(spec, data, out, stop_at=None if last else stop, **options)  # type: ignore[arg-type]
    assert weights.is_file(), f"{spec.name}: its export() returns {weights}, which is no file"
    return weights


def _check_export(spec: OpSpec, registry: Registry, weights: Path) -> None:
    known = [one for one in registry.architectures if one.operator == spec.name]
    if known:
        network_of(read_state(weights), known, str(weights))
    if spec.param("model"):
        op = spec.build(registry.context(), model=str(weights))
        op.to(torch.device("cpu"), torch.float32)
        with torch.no_grad():
            output = op(sample_image(SIDE, SIDE))
        assert output.isfinite().all(), f"{spec.name}: with the trained weights it gives NaN or infinite values"
        op.close()
