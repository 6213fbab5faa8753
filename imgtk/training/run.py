"""One training loop for every trainer: Lightning Fabric for devices, precision and processes; exact resume."""

from __future__ import annotations

import csv
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib import import_module, resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imgtk.engine.device import cpu_name, resolve_device, resolve_dtype
from imgtk.errors import TrainingError
from imgtk.op import OpSpec
from imgtk.training.pictures import Pictures, picture_files
from imgtk.training.recipe import load_recipe
from imgtk.training.trainer import Trainer


@dataclass(frozen=True)
class Status:
    """Where a run stands, handed to `report` after each step."""

    step: int
    steps: int
    losses: Mapping[str, float]
    scores: Mapping[str, float]
    seconds_per_step: float


def train(
    spec: OpSpec,
    data: Path,
    out: Path,
    *,
    recipe: str | None = None,
    overrides: Mapping[str, str] | None = None,
    validation: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    dtype: str = "auto",
    report: Callable[[Status], None] | None = None,
    stop_at: int | None = None,
) -> Path:
    """Train `spec`'s trainer on the pictures below `data`, and write everything into `out`.

    `out` receives `last.ckpt` (all that resuming needs), `best/` and `final/` (weights with their card), `log.csv`,
    `samples/*.png` and TensorBoard events.

    Args:
        recipe: name of a recipe shipped with the plugin, or a TOML file; None for the trainer's defaults.
        overrides: settings put over the recipe, as text.
        validation: folder of pictures to validate on; by default some of `data` are held out.
        resume: go on from `out/last.ckpt`. Interrupted and resumed gives the losses of an uninterrupted run.
        devices: number of processes (GPUs, or CPU processes); each computes its share of every batch.
        stop_at: end after this step as if interrupted (the schedule stays that of the whole run).

    Returns:
        The exported weights file.

    Raises:
        TrainingError: for settings, data or checkpoints that cannot be used, and when a loss is not finite.
    """
    if spec.trainer is None:
        raise TrainingError(f"{spec.name} has no trainer: there is nothing to learn in it")
    for name in ("lightning_fabric", "pytorch_optimizer"):
        if find_spec(name) is None:
            raise TrainingError(f"training needs {name}", hint="Install it: pip install 'imgtk[train]'")
    kind = _import(spec.trainer)
    plan = load_recipe(kind.recipe_type, _recipe_file(spec, recipe), overrides or {})
    checkpoint = out / "last.ckpt"
    if resume and not checkpoint.exists():
        raise TrainingError(f"{out} holds no run to resume", hint="Check --out, or leave --resume away.")
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{out} holds a run already", hint="Go on with --resume, or choose another --out.")
    files = picture_files(data)
    held_out = (
        picture_files(validation) if validation else files[:: max(1, len(files) // plan.held_out)][: plan.held_out]
    )
    files = files if validation else [f for f in files if f not in set(held_out)]
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot write into {out}: {error.strerror}", hint="Choose another --out.") from None
    if not files:
        raise TrainingError(
            f"{data} has too few pictures to hold out {plan.held_out} for validation",
            hint="Add some, or name a folder of others with --validation.",
        )

    torch.manual_seed(plan.seed)
    run = _Run(kind(plan), out, device, devices, dtype)
    run.trainer.load_validation(held_out)
    pictures = run.trainer.load_pictures(files, run.fabric.device)
    if resume:
        run.load(checkpoint)
    run.loop(pictures, report, stop_at)
    machine = torch.cuda.get_device_name() if run.fabric.device.type == "cuda" else cpu_name()
    hours = timedelta(seconds=round(run.seconds))
    trained = (
        f"trained for {run.step} iterations (batch {plan.batch}, crops of {plan.crop} px) on {len(files)} pictures, "
        f"{hours} on {machine}, seed {plan.seed}"
    )
    run.fabric.barrier()
    return run.trainer.export(run.averaged.module, out / "final", trained, run.scores)


class _Run:
    """The state of a run: everything that a checkpoint holds, and the loop over it."""

    def __init__(self, trainer: Trainer[Any], out: Path, device: str, devices: int, dtype: str) -> None:
        from lightning_fabric import Fabric

        self.trainer, self.out, self.plan = trainer, out, trainer.recipe
        target = resolve_device(device)
        precision = {torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed", torch.float32: "32-true"}
        strategy = "ddp" if devices > 1 else "auto"
        self.fabric = Fabric(
            accelerator=target.type,
            devices=devices,
            strategy=strategy,
            precision=precision[resolve_dtype(dtype, target)],  # type: ignore[arg-type]
        )
        self.fabric.launch()
        trainer.to(self.fabric.device)
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Any] = {}
        self.schedules: dict[str, LambdaLR] = {}
        for name, network in trainer.networks.items():
            network.to(self.fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            optimizer = trainer.optimizer(name)
            self.networks[name], self.optimizers[name] = self.fabric.setup(network, optimizer)
            self.schedules[name] = LambdaLR(optimizer, self._lr_factor)
        decay = self.plan.ema
        self.averaged = AveragedModel(
            trainer.networks["generator"], multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )
        self.data = torch.Generator().manual_seed(self.plan.seed)
        self.step = 0
        self.seconds = 0.0
        self.scores: dict[str, float] = {}
        self.best: float | None = None

    def _lr_factor(self, step: int) -> float:
        if step < self.plan.warmup:
            return (step + 1) / self.plan.warmup
        progress = (step - self.plan.warmup) / max(1, self.plan.steps - self.plan.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def loop(self, pictures: Pictures, report: Callable[[Status], None] | None, stop_at: int | None) -> None:
        log = _Log(self.out, self.step) if self.fabric.is_global_zero else None
        last = self.plan.steps if stop_at is None else min(stop_at, self.plan.steps)
        while self.step < last:
            started = time.perf_counter()
            losses = self._update(self.trainer.draw(pictures, self.data))
            self.step += 1
            elapsed = time.perf_counter() - started
            self.seconds += elapsed
            if log:
                log.losses(self.step, losses, elapsed)
            done = self.step == self.plan.steps
            if self.step % self.plan.validate_every == 0 or done:
                self._validate()
                if log:
                    log.scores(self.step, self.scores)
            if (self.step % self.plan.sample_every == 0 or done) and log:
                log.sample(self.step, self._evaluated(self.trainer.sample))
            if (self.step % self.plan.checkpoint_every == 0 or self.step == last) and log:
                self.save(self.out / "last.ckpt")
            if report:
                report(Status(self.step, self.plan.steps, losses, self.scores, elapsed))
        if log:
            log.close()

    def _update(self, batch: Tensor) -> dict[str, float]:
        """One step of every network; the losses by "network/loss"."""
        share = batch.shape[0] // self.fabric.world_size
        batch = batch[self.fabric.global_rank * share :][:share].to(self.fabric.device)
        batch = batch.contiguous(memory_format=torch.channels_last)
        values: dict[str, float] = {}
        for network in self.networks.values():
            network.train()
        for name, losses in self._updates(batch):
            for loss, tensor in losses.items():
                values[f"{name}/{loss}"] = value = tensor.item()
                if not math.isfinite(value):
                    raise TrainingError(
                        f"the loss {name}/{loss} became {value} at step {self.step + 1}",
                        hint="Start anew in another --out with a lower --set lr=…",
                    )
            self.optimizers[name].zero_grad(set_to_none=True)
            total = torch.stack(list(losses.values())).sum()
            self.fabric.backward(total)
            if self.plan.clip:
                self.fabric.clip_gradients(self.networks[name], self.optimizers[name], max_norm=self.plan.clip)
            self.optimizers[name].step()
            self.schedules[name].step()
        self.averaged.update_parameters(self.trainer.networks["generator"])
        return values

    def _updates(self, batch: Tensor) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """What the trainer yields, computed (its frozen feature networks, too) in the precision of the run."""
        updates = self.trainer.updates(batch, self.networks)
        while True:
            with self.fabric.autocast():
                update = next(updates, None)
            if update is None:
                return
            yield update

    def _evaluated(self, judge: Callable[[nn.Module], Any]) -> Any:
        generator = self.averaged.module.eval()
        with torch.inference_mode(), self.fabric.autocast():
            return judge(generator)

    def _validate(self) -> None:
        self.scores = self._evaluated(self.trainer.validate)
        value = self.scores[self.trainer.metric]
        better = self.best is None or (value > self.best if self.trainer.higher_is_better else value < self.best)
        if better:
            self.best = value
            if self.fabric.is_global_zero:
                note = f"best so far, after {self.step} of {self.plan.steps} iterations"
                self.trainer.export(self.averaged.module, self.out / "best", note, self.scores)

    def save(self, path: Path) -> None:
        """Write all of the state to `path`, atomically."""
        state = {
            "recipe": asdict(self.plan),
            "step": self.step,
            "seconds": self.seconds,
            "scores": self.scores,
            "best": self.best,
            "averaged": self.averaged.state_dict(),
            "networks": {name: network.state_dict() for name, network in self.trainer.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "schedules": {name: schedule.state_dict() for name, schedule in self.schedules.items()},
            "random": _random_state(self.data, self.fabric.device),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)

    def load(self, path: Path) -> None:
        """Restore the state from a checkpoint of the same recipe."""
        try:
            state = torch.load(path, map_location=self.fabric.device, weights_only=True)
            then, now = state["recipe"], asdict(self.plan)
        except Exception as error:
            raise TrainingError(
                f"cannot read the checkpoint {path}: {error}", hint="Start anew in another --out."
            ) from None
        changed = [key for key in now if then.get(key) != now[key] and not key.endswith("_every")]
        if changed:
            raise TrainingError(
                f"{path} was made with another recipe: {', '.join(changed)} differ",
                hint="Resume with the recipe and settings the run was started with.",
            )
        self.step, self.seconds, self.scores, self.best = (state[k] for k in ("step", "seconds", "scores", "best"))
        self.averaged.load_state_dict(state["averaged"])
        for name, network in self.trainer.networks.items():
            network.load_state_dict(state["networks"][name])
            self.optimizers[name].load_state_dict(state["optimizers"][name])
            self.schedules[name].load_state_dict(state["schedules"][name])
        _restore_random(state["random"], self.data, self.fabric.device)


def _random_state(data: torch.Generator, device: torch.device) -> dict[str, Any]:
    numpy_state = np.random.get_state(legacy=False)
    return {
        "data": data.get_state(),
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in numpy_state["state"].items()},
        "python": list(random.getstate()[1]),
    }


def _restore_random(state: dict[str, Any], data: torch.Generator, device: torch.device) -> None:
    data.set_state(state["data"].cpu())
    torch.set_rng_state(state["torch"].cpu())
    if state["device"] is not None:
        torch.cuda.set_rng_state(state["device"].cpu(), device)
    mersenne = np.random.get_state(legacy=False)
    mersenne["state"] = {"key": np.array(state["numpy"]["key"], np.uint32), "pos": state["numpy"]["pos"]}
    np.random.set_state(mersenne)
    random.setstate((3, tuple(state["python"]), None))


class _Log:
    """log.csv, TensorBoard events and sample pictures. Rows behind the step a run resumes from are dropped."""

    def __init__(self, out: Path, step: int) -> None:
        (out / "samples").mkdir(exist_ok=True)
        self.out = out
        path = out / "log.csv"
        rows = []
        if path.exists() and step:
            with path.open(newline="") as file:
                rows = [row for row in csv.reader(file) if row[0].isdigit() and int(row[0]) <= step]
        self.file = path.open("w", newline="")
        self.csv = csv.writer(self.file)
        self.csv.writerows([("step", "figure", "value"), *rows])
        self.board = _summary_writer(out, step)

    def losses(self, step: int, losses: Mapping[str, float], seconds: float) -> None:
        self._write(step, {**losses, "seconds": seconds})

    def scores(self, step: int, scores: Mapping[str, float]) -> None:
        self._write(step, {f"validation/{name}": value for name, value in scores.items()})

    def sample(self, step: int, picture: Tensor) -> None:
        pixels = picture.float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
        cv2.imwrite(str(self.out / "samples" / f"{step:07}.png"), pixels[..., ::-1])

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.csv.writerow((step, name, f"{value:.6g}"))
            if self.board:
                self.board.add_scalar(name, value, step)
        self.file.flush()

    def close(self) -> None:
        self.file.close()
        if self.board:
            self.board.close()


def _summary_writer(out: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(out), purge_step=step + 1)


def _import(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def _recipe_file(spec: OpSpec, recipe: str | None) -> Path | None:
    """The TOML file that `recipe` names: a path, or a file in the `recipes` folder beside the trainer's module."""
    if recipe is None:
        return None
    if Path(recipe).suffix == ".toml":
        return Path(recipe)
    assert spec.trainer is not None
    folder = Path(str(resources.files(spec.trainer.partition(":")[0].partition(".")[0]))) / "recipes"
    path = folder / f"{recipe}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml"))) or "none"
        raise TrainingError(
            f"{spec.name} has no recipe {recipe!r}", hint=f"Shipped are: {known}. Or give a .toml file."
        )
    return path
