"""A training run, from its arguments to the exported weights. The loop is in `imgtk.training.loop`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from imgtk.context import BuildContext
from imgtk.device import cpu_name, resolve_device
from imgtk.errors import ImgtkError, PluginError, TrainingError, blame
from imgtk.op import OpSpec
from imgtk.registry import Registry, default
from imgtk.training.fabric import launch
from imgtk.training.images import image_files
from imgtk.training.loop import Loop, Status
from imgtk.training.processes import CollectiveError, all_ranks_equal
from imgtk.training.recipe import Recipe, load_recipe, recipe_file
from imgtk.training.spawn import in_processes, started_elsewhere
from imgtk.training.trainer import CONTRACT, build_trainer, trainer_type

__all__ = ["Status", "train"]


def train(
    spec: OpSpec,
    data: Path,
    out: Path,
    *,
    registry: Registry | None = None,
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
        registry: knows the architectures and the packages with weights that the trainer may use; by default those of
            all installed plugins.
        recipe: name of a recipe shipped with the plugin, or a TOML file; None for the trainer's defaults.
        overrides: settings put over the recipe, as text.
        validation: folder of images to validate on; by default some of `data` are held out.
        resume: continue from `out/last.ckpt`. Interrupted and resumed gives the losses of an uninterrupted run.
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
        TrainingError: for settings, data or checkpoints that cannot be used, and when a loss is not finite. If it is a
            `CollectiveError`, every process of the run raises it, and one of them is enough to tell it.
        PluginError: the trainer is not what the loop needs.
    """
    if spec.trainer is None:
        raise TrainingError(f"{spec.name} has no trainer: there is nothing to train")
    for name in ("lightning_fabric", "pytorch_optimizer"):
        if find_spec(name) is None:
            raise TrainingError(f"training needs {name}", hint="Install it: pip install 'imgtk[train]'")
    settings = load_recipe(trainer_type(spec.trainer).recipe_type, recipe_file(spec, recipe), overrides or {})
    checkpoint = out / "last.ckpt"
    if resume and not checkpoint.exists():
        raise TrainingError(f"{out} holds no run to resume", hint="Check --out, or leave out --resume.")
    if checkpoint.exists() and not resume:
        raise TrainingError(f"{out} already holds a run", hint="Continue it with --resume, or choose another --out.")
    files = image_files(data)
    if validation:
        held_out = image_files(validation)
    else:
        held_out = files[:: max(1, len(files) // settings.held_out)][: settings.held_out]
    files = files if validation else [f for f in files if f not in set(held_out)]
    if not files:
        raise TrainingError(
            f"{data} has too few images to hold out {settings.held_out} for validation",
            hint="Add some, or name a folder of others with --validation.",
        )
    _check_processes(devices, nodes, device, settings.batch)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"cannot write into {out}: {error.strerror}", hint="Choose another --out.") from None
    context = (registry or default()).context()
    who = context.told(spec.name)
    job = _Job(
        who,
        spec.trainer,
        settings,
        context,
        files,
        held_out,
        out,
        resume,
        device,
        devices,
        nodes,
        dtype,
        threads,
        stop_at,
    )
    if devices * nodes == 1 or started_elsewhere():
        return _train(job, report)
    return in_processes(devices, nodes, _train, job, report)


@dataclass(frozen=True)
class _Job:
    """What each process of a run needs to know."""

    who: str
    trainer: str
    recipe: Recipe
    context: BuildContext
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
    """Do the work of one process. Raises OperatorError, which names the trainer, for bugs in it."""
    raised: list[BaseException] = []

    def told(status: Status) -> None:
        try:
            assert report is not None
            report(status)
        except BaseException as error:  # the caller's: no bug of the trainer
            raised.append(error)
            raise

    try:
        return _trained(job, told if report else None)
    except PluginError as error:
        raise PluginError(f"{job.who}: {error.message}", hint=error.hint) from error
    except (ImgtkError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if error in raised:
            raise
        raise blame(f"{job.trainer}, the trainer of {job.who},", "in training", error, CONTRACT) from error


def _trained(job: _Job, report: Callable[[Status], None] | None) -> Path:
    fabric = launch(job.device, job.devices, job.nodes, job.dtype)
    if job.threads:
        torch.set_num_threads(job.threads)
    with ExitStack() as stack:
        if fabric.is_global_zero:
            stack.enter_context(_lock(job.out))
        torch.manual_seed(job.recipe.seed)
        loop = Loop(build_trainer(job.trainer, job.recipe, job.context), job.out, fabric)
        loop.trainer.load_validation(job.held_out)
        images = loop.trainer.load_images(job.files, fabric.device)
        if not all_ranks_equal(images.weight):
            raise CollectiveError(
                "the processes have read different images from --data",
                hint="Every machine needs the same readable files.",
            )
        if job.resume:
            loop.load(job.out / "last.ckpt")
        loop.run(images, report, job.stop_at)
        weights = Path()
        if fabric.is_global_zero:
            machine = torch.cuda.get_device_name() if fabric.device.type == "cuda" else cpu_name()
            if fabric.world_size > 1:
                machine = f"{fabric.world_size} processes on {machine}"
            recipe = job.recipe
            trained = (
                f"trained for {loop.step} iterations (batch {recipe.batch}, crops of {recipe.crop} px) on "
                f"{len(job.files)} images, {timedelta(seconds=round(loop.seconds))} on {machine}, seed {recipe.seed}"
            )
            weights = loop.trainer.export(loop.averaged.module, job.out / "final", trained, loop.scores)
        return fabric.broadcast(weights)


def _check_processes(devices: int, nodes: int, device: str, batch: int) -> None:
    count, target = devices * nodes, resolve_device(device)
    if target.type == "cuda" and devices > torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise TrainingError(f"this machine has {there} GPU{'s' * (there != 1)}, not {devices}", hint="Lower --devices.")
    if target.type == "mps" and count > 1:
        raise TrainingError("several processes cannot share one Apple GPU", hint="Use --device cpu, or --devices 1.")
    if batch % count:
        raise TrainingError(
            f"{count} processes cannot share a batch of {batch} equally",
            hint=f"Use --set batch={math.ceil(batch / count) * count}, or another number of processes.",
        )


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    """Lock `out` against other runs; the operating system releases the lock when this process ends, however it ends."""
    try:
        lock = FileLock(out / ".lock", timeout=0).acquire()
    except Timeout:
        raise TrainingError(
            f"another run is writing into {out}", hint="Wait for its end, or choose another --out."
        ) from None
    with lock:
        yield
