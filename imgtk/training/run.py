"""One training loop for every trainer: Lightning Fabric for devices, precision and processes; exact resume."""

from __future__ import annotations

import csv
import logging
import math
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imgtk.device import cpu_name, resolve_device, resolve_dtype
from imgtk.errors import PluginError, TrainingError
from imgtk.op import OpSpec
from imgtk.training.images import CropSampler, image_files
from imgtk.training.processes import CommonError, agree, in_processes, is_first, process_mean, started_elsewhere
from imgtk.training.recipe import Recipe, load_recipe
from imgtk.training.trainer import CONTRACT, Trainer, build_trainer, trainer_type

if TYPE_CHECKING:
    from lightning_fabric import Fabric


LEAVE_OUT = 10
"""Updates in a row whose gradient may be left out because it is not finite."""


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
    nodes: int = 1,
    dtype: str = "auto",
    threads: int | None = None,
    report: Callable[[Status], None] | None = None,
    stop_at: int | None = None,
) -> Path:
    """Train `spec`'s trainer on the images below `data`, and write everything into `out`.

    `out` receives `last.ckpt` (all that resuming needs), `best/` and `final/` (weights with their card), `log.csv`,
    `samples/*.png` and TensorBoard events.

    Args:
        recipe: name of a recipe shipped with the plugin, or a TOML file; None for the trainer's defaults.
        overrides: settings put over the recipe, as text.
        validation: folder of images to validate on; by default some of `data` are held out.
        resume: go on from `out/last.ckpt`. Interrupted and resumed gives the losses of an uninterrupted run.
        devices: number of processes on this machine, each with a GPU of its own, or all on the CPU; each computes its
            share of every batch. They are started here (a script that calls this needs `if __name__ == "__main__":`),
            unless torchrun, SLURM or the like has started this process as one of them.
        nodes: number of machines, on each of which this is called with the same arguments.
        threads: CPU threads of each process; by default they divide the cores among them.
        report: called after each step, of several processes only for the first.
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
    plan = load_recipe(trainer_type(spec.trainer).recipe_type, _recipe_file(spec, recipe), overrides or {})
    checkpoint = out / "last.ckpt"
    if resume and not checkpoint.exists():
        raise TrainingError(f"{out} holds no run to resume", hint="Check --out, or leave --resume away.")
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{out} holds a run already", hint="Go on with --resume, or choose another --out.")
    files = image_files(data)
    held_out = image_files(validation) if validation else files[:: max(1, len(files) // plan.held_out)][: plan.held_out]
    files = files if validation else [f for f in files if f not in set(held_out)]
    if not files:
        raise TrainingError(
            f"{data} has too few images to hold out {plan.held_out} for validation",
            hint="Add some, or name a folder of others with --validation.",
        )
    _check_processes(devices, nodes, device, plan.batch)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot write into {out}: {error.strerror}", hint="Choose another --out.") from None
    job = _Job(spec.trainer, plan, files, held_out, out, resume, device, devices, nodes, dtype, threads, stop_at)
    try:
        if devices * nodes == 1 or started_elsewhere():
            return _train(job, report)
        return in_processes(devices, nodes, _train, job, report)
    except CommonError:
        if is_first():
            raise
        time.sleep(0.5)  # torchrun ends all when one ends: the first must have told it
        sys.exit(1)


@dataclass(frozen=True)
class _Job:
    """What each process of a run has to know."""

    trainer: str
    plan: Recipe
    files: list[Path]
    held_out: list[Path]
    out: Path
    resume: bool
    device: str
    devices: int
    nodes: int
    dtype: str
    threads: int | None
    stop_at: int | None


def _train(job: _Job, report: Callable[[Status], None] | None) -> Path:
    """The work of one process."""
    fabric = _fabric(job)
    with ExitStack() as stack:
        if fabric.is_global_zero:
            stack.enter_context(_lock(job.out))
        torch.manual_seed(job.plan.seed)
        run = _Run(build_trainer(job.trainer, job.plan), job.out, fabric)
        run.trainer.load_validation(job.held_out)
        images = run.trainer.load_images(job.files, fabric.device)
        if not agree(images.weight):
            raise CommonError(
                "the processes have read different images from --data",
                hint="Every machine needs the same readable files.",
            )
        if job.resume:
            run.load(job.out / "last.ckpt")
        run.loop(images, report, job.stop_at)
        weights = Path()
        if fabric.is_global_zero:
            machine = torch.cuda.get_device_name() if fabric.device.type == "cuda" else cpu_name()
            if fabric.world_size > 1:
                machine = f"{fabric.world_size} processes on {machine}"
            trained = (
                f"trained for {run.step} iterations (batch {job.plan.batch}, crops of {job.plan.crop} px) on "
                f"{len(job.files)} images, {timedelta(seconds=round(run.seconds))} on {machine}, seed {job.plan.seed}"
            )
            weights = run.trainer.export(run.averaged.module, job.out / "final", trained, run.scores)
        return fabric.broadcast(weights)


def _check_processes(devices: int, nodes: int, device: str, batch: int) -> None:
    count, target = devices * nodes, resolve_device(device)
    if target.type == "cuda" and devices > torch.cuda.device_count():
        raise TrainingError(f"this machine has {torch.cuda.device_count()} GPUs, not {devices}")
    if target.type == "mps" and count > 1:
        raise TrainingError("several processes cannot share one Apple GPU", hint="Take --device cpu, or --devices 1.")
    if batch % count:
        raise TrainingError(
            f"{count} processes cannot share a batch of {batch} equally",
            hint=f"Take --set batch={math.ceil(batch / count) * count}, or another number of processes.",
        )


def _fabric(job: _Job) -> Fabric:
    """Fabric for the job, in this process, connected to the others."""
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".broadcast_buffers. is deprecated")  # its successor is younger than torch 2.4
    target, several = resolve_device(job.device), job.devices * job.nodes > 1 or started_elsewhere()
    precision = {torch.bfloat16: "bf16-mixed", torch.float16: "16-mixed", torch.float32: "32-true"}
    try:
        fabric = Fabric(
            accelerator=target.type,
            devices=job.devices,
            num_nodes=job.nodes,
            # A discriminator sees two batches per update; buffers that were sent between them would break the gradient.
            strategy=DDPStrategy(broadcast_buffers=False) if several else "auto",
            precision=precision[resolve_dtype(job.dtype, target)],  # type: ignore[arg-type]
        )
        fabric.launch()
    except ValueError as error:  # Fabric compares with what torchrun or SLURM has started
        raise TrainingError(f"the processes do not fit --devices and --nodes: {error}") from None
    if job.threads:
        torch.set_num_threads(job.threads)
    return fabric


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    """Keeps other runs out of `out`; the operating system gives it free when this process ends, however that is."""
    try:
        lock = FileLock(out / ".lock", timeout=0).acquire()
    except Timeout:
        raise TrainingError(
            f"another run is writing into {out}", hint="Wait for its end, or choose another --out."
        ) from None
    with lock:
        yield


class _Run:
    """The state of a run: everything that a checkpoint holds, and the loop over it."""

    def __init__(self, trainer: Trainer[Any], out: Path, fabric: Fabric) -> None:
        self.trainer, self.out, self.plan, self.fabric = trainer, out, trainer.recipe, fabric
        trainer.device = self.fabric.device
        for module in trainer.frozen:
            module.to(self.fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            module.eval().requires_grad_(False)
        trainer.prepare()
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Any] = {}
        self.schedules: dict[str, LambdaLR] = {}
        for name, network in trainer.networks.items():
            network.to(self.fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            optimizer = trainer.optimizer(name)
            self.networks[name], self.optimizers[name] = self.fabric.setup(network, optimizer)
            self.schedules[name] = LambdaLR(optimizer, self.plan.lr_factor)
        decay = self.plan.ema
        self.averaged = AveragedModel(
            trainer.networks["generator"], multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )
        self.data = torch.Generator().manual_seed(self.plan.seed)
        self.step = 0
        self.seconds = 0.0
        self.scores: dict[str, float] = {}
        self.best: float | None = None
        self.left_out = dict.fromkeys(trainer.networks, 0)

    def loop(self, images: CropSampler, report: Callable[[Status], None] | None, stop_at: int | None) -> None:
        log = _Log(self.out, self.step) if self.fabric.is_global_zero else None
        last = self.plan.steps if stop_at is None else min(stop_at, self.plan.steps)
        while self.step < last:
            started = time.perf_counter()
            losses = self._update(self.trainer.draw(images, self.data))
            self.step += 1
            elapsed = time.perf_counter() - started
            self.seconds += elapsed
            if log:
                log.losses(self.step, losses, elapsed)
            done = self.step == self.plan.steps
            if (self.step % self.plan.validate_every == 0 or done) and log:
                self._validate()
                log.scores(self.step, self.scores)
            if (self.step % self.plan.sample_every == 0 or done) and log:
                log.sample(self.step, self._evaluated(self.trainer.sample))
            if (self.step % self.plan.checkpoint_every == 0 or self.step == last) and log:
                self.save(self.out / "last.ckpt")
            if report and log:
                report(Status(self.step, self.plan.steps, losses, self.scores, elapsed))
        if log:
            log.close()

    def _update(self, batch: Tensor) -> dict[str, float]:
        """One step of every network; the losses, those of the whole batch, by "network/loss"."""
        share = batch.shape[0] // self.fabric.world_size
        batch = batch[self.fabric.global_rank * share :][:share].to(self.fabric.device)
        batch = batch.contiguous(memory_format=torch.channels_last)
        values: dict[str, float] = {}
        for network in self.networks.values():
            network.train()
        for name, losses in self._updates(batch):
            parts = torch.stack(list(losses.values()))
            for loss, value in zip(losses, process_mean(parts).tolist(), strict=True):
                values[f"{name}/{loss}"] = value
                if not math.isfinite(value):
                    raise CommonError(
                        f"the loss {name}/{loss} became {value} at step {self.step + 1}",
                        hint="Start anew in another --out with a lower --set lr=…",
                    )
            self.optimizers[name].zero_grad(set_to_none=True)
            self.fabric.backward(parts.sum())
            if self._direction(name):
                self.optimizers[name].step()
            self.schedules[name].step()
        self.averaged.update_parameters(self.trainer.networks["generator"])
        return values

    def _direction(self, name: str) -> bool:
        """Clip the gradient of a network; whether it is finite. Now and then a derivative is not although the loss is,
        where two eigenvalues meet, say: such a step is left out. Many in a row end the run."""
        if not self.plan.clip:
            return True
        norm = self.fabric.clip_gradients(
            self.networks[name], self.optimizers[name], max_norm=self.plan.clip, error_if_nonfinite=False
        )
        assert norm is not None
        if norm.isfinite():
            self.left_out[name] = 0
            return True
        self.left_out[name] += 1
        if self.left_out[name] == LEAVE_OUT:
            raise CommonError(
                f"the gradient of {name} was not finite {LEAVE_OUT} times in a row, last at step {self.step + 1}",
                hint="Start anew in another --out with a lower --set lr=…",
            )
        return False

    def _updates(self, batch: Tensor) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """What the trainer yields, computed (its frozen feature networks, too) in the precision of the run."""
        updates = self.trainer.updates(batch, self.networks)
        while True:
            with self.fabric.autocast(), _inner_gradients():
                update = next(updates, None)
            if update is None:
                return
            if update[0] not in self.networks:
                kind, known = type(self.trainer).__name__, ", ".join(self.networks)
                raise PluginError(f"{kind}.updates yields {update[0]!r}, which is none of: {known}", hint=CONTRACT)
            yield update

    def _evaluated(self, judge: Callable[[nn.Module], Any]) -> Any:
        generator = self.averaged.module.eval()
        with torch.inference_mode(), self.fabric.autocast():
            return judge(generator)

    def _validate(self) -> None:
        self.scores = self._evaluated(self.trainer.validate)
        metric = self.trainer.metric
        if metric not in self.scores:
            found = ", ".join(self.scores) or "none"
            raise PluginError(f"{type(self.trainer).__name__}.validate gives no {metric!r}: {found}", hint=CONTRACT)
        value = self.scores[metric]
        better = self.best is None or (value > self.best if self.trainer.higher_is_better else value < self.best)
        if better:
            self.best = value
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
            "trainer": self.trainer.state(),
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
        # settings that are younger than the checkpoint are not in it
        changed = [key for key in now if key in then and then[key] != now[key] and not key.endswith("_every")]
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
        self.trainer.restore(state["trainer"])
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


@contextmanager
def _inner_gradients() -> Iterator[None]:
    """Lets losses contain gradients (R1, gradient penalty). In mixed precision Fabric refuses every backward pass that
    it has not started itself; it offers no public way to say that this one is meant."""
    from lightning_fabric import wrappers

    wrappers._in_fabric_backward = True
    try:
        yield
    finally:
        wrappers._in_fabric_backward = False


class _Log:
    """log.csv, TensorBoard events and sample images. Rows behind the step a run resumes from are dropped."""

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

    def sample(self, step: int, image: Tensor) -> None:
        pixels = image.float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
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
