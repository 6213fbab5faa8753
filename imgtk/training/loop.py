"""The training loop of all trainers, in one process or several."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imgtk.errors import PluginError, TrainingError
from imgtk.training.checkpoint import random_state, read_checkpoint, restore_random, write_checkpoint
from imgtk.training.fabric import allow_double_backward, setup
from imgtk.training.images import CropSampler
from imgtk.training.log import RunLog
from imgtk.training.processes import CollectiveError, process_mean
from imgtk.training.trainer import CONTRACT, Trainer

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["MAX_SKIPPED_STEPS", "Loop", "Status"]

MAX_SKIPPED_STEPS = 10
"""Updates in a row that may be skipped because their gradient is not finite."""


@dataclass(frozen=True)
class Status:
    """The state of a run, handed to `report` after each step."""

    step: int
    steps: int
    losses: Mapping[str, float]
    scores: Mapping[str, float]
    seconds_per_step: float


class Loop:
    """The state of a run, which a checkpoint holds, and the loop over it."""

    def __init__(self, trainer: Trainer[Any], out: Path, fabric: Fabric) -> None:
        self.trainer, self.out, self.recipe, self.fabric = trainer, out, trainer.recipe, fabric
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
            self.networks[name], self.optimizers[name] = setup(fabric, network, optimizer)
            self.schedules[name] = LambdaLR(optimizer, self.recipe.lr_factor)
        decay = self.recipe.ema
        self.averaged = AveragedModel(
            trainer.networks["generator"], multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )
        self.data = torch.Generator().manual_seed(self.recipe.seed)
        self.step = 0
        self.seconds = 0.0
        self.scores: dict[str, float] = {}
        self.best: float | None = None
        self.skipped = dict.fromkeys(trainer.networks, 0)

    def run(self, images: CropSampler, report: Callable[[Status], None] | None, stop_at: int | None) -> None:
        log = RunLog(self.out, self.step) if self.fabric.is_global_zero else None
        last = self.recipe.steps if stop_at is None else min(stop_at, self.recipe.steps)
        while self.step < last:
            started = time.perf_counter()
            losses = self._update(self.trainer.draw(images, self.data))
            self.step += 1
            elapsed = time.perf_counter() - started
            self.seconds += elapsed
            if log:
                log.losses(self.step, losses, elapsed)
            done = self.step == self.recipe.steps
            if (self.step % self.recipe.validate_every == 0 or done) and log:
                self._validate()
                log.scores(self.step, self.scores)
            if (self.step % self.recipe.sample_every == 0 or done) and log:
                log.sample(self.step, self._evaluated(self.trainer.sample))
            if (self.step % self.recipe.checkpoint_every == 0 or self.step == last) and log:
                self.save(self.out / "last.ckpt")
            if report and log:
                report(Status(self.step, self.recipe.steps, losses, self.scores, elapsed))
        if log:
            log.close()

    def _update(self, batch: Tensor) -> dict[str, float]:
        """Update every network once. Returns the losses of the whole batch by "network/loss"."""
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
                    raise CollectiveError(
                        f"the loss {name}/{loss} became {value} at step {self.step + 1}",
                        hint="Start again in another --out with a lower --set lr=…",
                    )
            self.optimizers[name].zero_grad(set_to_none=True)
            self.fabric.backward(parts.sum())
            if self._clip(name):
                self.optimizers[name].step()
            self.schedules[name].step()
        self.averaged.update_parameters(self.trainer.networks["generator"])
        return values

    def _clip(self, name: str) -> bool:
        """Clip the gradient of a network. Returns whether it is finite; if not, the step is skipped.

        Occasionally a gradient is not finite although the loss is, for example where two eigenvalues coincide. Many
        such steps in a row end the run.
        """
        if not self.recipe.clip:
            return True
        norm = self.fabric.clip_gradients(
            self.networks[name], self.optimizers[name], max_norm=self.recipe.clip, error_if_nonfinite=False
        )
        assert norm is not None
        if norm.isfinite():
            self.skipped[name] = 0
            return True
        self.skipped[name] += 1
        if self.skipped[name] == MAX_SKIPPED_STEPS:
            raise CollectiveError(
                f"the gradient of {name} was not finite {MAX_SKIPPED_STEPS} times in a row, "
                f"last at step {self.step + 1}",
                hint="Start again in another --out with a lower --set lr=…",
            )
        return False

    def _updates(self, batch: Tensor) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """Yield the trainer's updates, computed in the precision of the run, including frozen feature networks."""
        updates = self.trainer.updates(batch, self.networks)
        while True:
            with self.fabric.autocast(), allow_double_backward():
                update = next(updates, None)
            if update is None:
                return
            kind = type(self.trainer).__name__
            match update:
                case (str(), {**losses}) if losses:
                    pass
                case _:
                    raise PluginError(f"{kind}.updates yields no network's name and its losses", hint=CONTRACT)
            if update[0] not in self.networks:
                known = ", ".join(self.networks)
                raise PluginError(f"{kind}.updates yields {update[0]!r}, which is none of: {known}", hint=CONTRACT)
            yield update

    def _evaluated(self, function: Callable[[nn.Module], Any]) -> Any:
        generator = self.averaged.module.eval()
        with torch.inference_mode(), self.fabric.autocast():
            return function(generator)

    def _validate(self) -> None:
        self.scores = self._evaluated(self.trainer.validate)
        metric, kind = self.trainer.metric, type(self.trainer).__name__
        if not isinstance(self.scores, dict):
            raise PluginError(f"{kind}.validate gives {type(self.scores).__name__}, not scores by name", hint=CONTRACT)
        if metric not in self.scores:
            found = ", ".join(self.scores) or "none"
            raise PluginError(f"{kind}.validate gives no {metric!r}: {found}", hint=CONTRACT)
        value = self.scores[metric]
        better = self.best is None or (value > self.best if self.trainer.higher_is_better else value < self.best)
        if better:
            self.best = value
            note = f"best so far, after {self.step} of {self.recipe.steps} iterations"
            self.trainer.export(self.averaged.module, self.out / "best", note, self.scores)

    def save(self, path: Path) -> None:
        """Write all of the state to `path`, which is complete or untouched."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "scores": self.scores,
            "best": self.best,
            "averaged": self.averaged.state_dict(),
            "networks": {name: network.state_dict() for name, network in self.trainer.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "schedules": {name: schedule.state_dict() for name, schedule in self.schedules.items()},
            "trainer": self.trainer.state(),
            "random": random_state(self.data, self.fabric.device),
        }
        write_checkpoint(path, self.recipe, state)

    def load(self, path: Path) -> None:
        """Restore the state from a checkpoint of the same recipe.

        Raises:
            TrainingError: it cannot be read, or is of another recipe or other networks.
        """
        state = read_checkpoint(path, self.recipe, self.fabric.device)
        try:
            self.step, self.seconds, self.scores, self.best = (state[k] for k in ("step", "seconds", "scores", "best"))
            self.averaged.load_state_dict(state["averaged"])
            for name, network in self.trainer.networks.items():
                network.load_state_dict(state["networks"][name])
                self.optimizers[name].load_state_dict(state["optimizers"][name])
                self.schedules[name].load_state_dict(state["schedules"][name])
            self.trainer.restore(state["trainer"])
            restore_random(state["random"], self.data, self.fabric.device)
        except (KeyError, ValueError, RuntimeError) as error:
            raise TrainingError(
                f"{path} does not fit the networks and optimizers of this run: {error}",
                hint="Resume with the recipe and settings the run was started with.",
            ) from None
