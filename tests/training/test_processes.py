"""Training with two processes: the same as with one, and no more trouble."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import psutil
import pytest
import torch
from filelock import FileLock
from torch import Tensor, distributed, nn

from imgtk.cli import main
from imgtk.cli.train import reported_once
from imgtk.errors import ReadError, TrainingError
from imgtk.op import OpSpec
from imgtk.training.processes import all_ranks_equal, batch_mean, on_whole_batch
from imgtk.training.run import train
from imgtk.training.spawn import in_processes
from imgtk_esrgan.trainer import CompactRecipe, CompactTrainer, ESRGANRecipe, ESRGANTrainer

TROUBLE, WITNESS, LAST = "IMGTK_TEST_TROUBLE", "IMGTK_TEST_WITNESS", "IMGTK_TEST_LAST"
"""What is to happen to the second process at the fourth step, the folder for what each process ends with, and which
process is to fail."""


@dataclass(frozen=True)
class TinyCompact(CompactRecipe):
    steps: int = 3
    batch: int = 4
    crop: int = 32
    scale: int = 2
    warmup: int = 0
    held_out: int = 1
    features: int = 6
    convs: int = 2


@dataclass(frozen=True)
class TinyESRGAN(ESRGANRecipe):
    steps: int = 3
    batch: int = 4
    crop: int = 32
    scale: int = 2
    degradation: str = "mild"
    warmup: int = 0
    held_out: int = 1
    features: int = 6
    blocks: int = 1
    growth: int = 4
    discriminator_features: int = 4
    adversarial: float = 1.0


class _Witness:
    """Steps by plain gradient descent, whose result is as near to that of one process as its gradients are, and leaves
    the parameters that each process ends with."""

    networks: dict[str, nn.Module]

    def optimizer(self, name: str) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.networks[name].parameters(), lr=0.05)

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        yield from super().updates(batch, networks)  # type: ignore[misc]
        rank = distributed.get_rank() if distributed.is_initialized() else "alone"
        state = {f"{name}.{key}": t for name, n in self.networks.items() for key, t in n.state_dict().items()}
        torch.save(state, Path(os.environ[WITNESS]) / f"{type(self).__name__}-{rank}.pt")


class CompactWitness(_Witness, CompactTrainer):
    recipe_type = TinyCompact


class ESRGANWitness(_Witness, ESRGANTrainer):
    recipe_type = TinyESRGAN


class Troubled(ESRGANTrainer):
    """The optimizers that people use, and the trouble that is ordered."""

    recipe_type = TinyESRGAN
    step = 0

    def updates(self, batch: Tensor, networks: Mapping[str, nn.Module]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        self.step += 1
        trouble = os.environ.get(TROUBLE, "") if self.step == 4 and distributed.get_rank() == 1 else ""
        if trouble == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        for name, losses in super().updates(batch, networks):
            yield name, {key: loss * (math.nan if trouble == "nan" else 1) for key, loss in losses.items()}


def spec(kind: type) -> OpSpec:
    return OpSpec("toy", "unused:Unused", "", trainer=f"{__name__}:{kind.__name__}")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(1)
    for i in range(3):
        pixels = np.kron(random.integers(0, 256, (10, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


LONG = {"steps": "7", "checkpoint_every": "2", "validate_every": "3"}


def all_runs(folders: tuple[Path, Path], report: object) -> list[str]:
    """What one process of two does for the tests that need no processes of their own: ([what the runs returned or
    raised], and in the folder of witnesses the second's)."""
    data, out = folders
    os.environ.pop(TROUBLE, None)
    options: dict[str, Any] = {"device": "cpu", "devices": 2, "dtype": "fp32"}
    runs: list[Callable[[], object]] = [
        lambda: train(spec(CompactWitness), data, out / "compact", **options),
        lambda: train(spec(ESRGANWitness), data, out / "esrgan", **options),
        lambda: train(spec(Troubled), data, out / "whole", overrides=LONG, **options),
        lambda: train(spec(Troubled), other_images(data, out), out / "images", **options),
        lambda: with_nan(lambda: train(spec(Troubled), data, out / "nan", overrides=LONG, **options)),
        lambda: (all_ranks_equal(1), all_ranks_equal(distributed.get_rank())),
    ]
    results = []
    for run in runs:
        try:
            with reported_once():
                results.append(str(run()))
        except TrainingError as error:
            results.append(error.message)
        except SystemExit as end:
            results.append(f"silent {end.code}")
    (out / f"results-{distributed.get_rank()}.txt").write_text("\n".join(results))
    return results


def with_nan(run: Callable[[], Path]) -> Path:
    os.environ[TROUBLE] = "nan"
    return run()


def other_images(data: Path, out: Path) -> Path:
    """`data` in the first process, a folder of which one image is missing in the second."""
    if distributed.get_rank() == 0:
        return data
    (out / "fewer").mkdir()
    for name in ("0.png", "1.png"):
        (out / "fewer" / name).write_bytes((data / name).read_bytes())
    return out / "fewer"


@pytest.fixture(scope="module")
def two(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where two processes have left what `all_runs` does."""
    out = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WITNESS, str(out))
        in_processes(2, 1, all_runs, (data, out), None)
        yield out


def log(out: Path) -> dict[tuple[str, str], float]:
    with (out / "log.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {(step, figure): float(value) for step, figure, value in rows if figure != "seconds"}


@pytest.mark.parametrize("kind", [CompactWitness, ESRGANWitness])
def test_two_processes_do_what_one_does_with_the_whole_batch(data: Path, two: Path, tmp_path: Path, kind: type) -> None:
    train(spec(kind), data, tmp_path / "one", device="cpu", dtype="fp32")
    alone, first, second = (torch.load(two / f"{kind.__name__}-{rank}.pt") for rank in ("alone", 0, 1))
    torch.manual_seed(0)
    start = kind(kind.recipe_type()).networks  # type: ignore[attr-defined]
    for name, network in start.items():
        for key, parameter in network.named_parameters():
            key = f"{name}.{key}"
            assert torch.equal(first[key], second[key]), key
            moved = (alone[key] - parameter).norm()
            assert moved > 0, key
            assert (first[key] - alone[key]).norm() < 1e-3 * moved + 1e-6, key
    name = "compact" if kind is CompactWitness else "esrgan"
    assert log(two / name) == pytest.approx(log(tmp_path / "one"), rel=1e-4)


def test_errors_that_all_find_are_told_once(two: Path) -> None:
    first, second = ((two / f"results-{rank}.txt").read_text().splitlines()[3:] for rank in (0, 1))
    assert first == [
        "the processes have read different images from --data",
        "the loss generator/pixel became nan at step 4",
        "(True, False)",
    ]
    assert second == ["silent 1", "silent 1", "(True, False)"]


def test_a_killed_process_ends_the_run_which_resumes_exactly(
    data: Path, two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(TROUBLE, "kill")
    options: dict[str, Any] = {"device": "cpu", "devices": 2, "dtype": "fp32", "overrides": LONG}
    with pytest.raises(TrainingError, match="process 1 of 2 was killed by SIGKILL"):
        train(spec(Troubled), data, tmp_path / "run", **options)
    assert (tmp_path / "run/last.ckpt").exists()
    assert not (tmp_path / "run/final").exists()
    left = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert all("resource_tracker" in command for command in left)  # Python's own, which stays

    monkeypatch.delenv(TROUBLE)
    registry = type("Registry", (), {"spec": lambda self, name: spec(Troubled)})()
    monkeypatch.setattr("imgtk.cli.train.default", lambda: registry)
    words = ["train", "toy", "--data", str(data), "--out", str(tmp_path / "run"), "--resume", "--devices", "2"]
    settings = [word for key, value in LONG.items() for word in ("--set", f"{key}={value}")]
    with pytest.raises(SystemExit) as end:
        main([*words, "--device", "cpu", "--dtype", "fp32", *settings])
    assert end.value.code == 0
    printed = capfd.readouterr()
    assert printed.out == f"{tmp_path / 'run/final/esrgan-x4.safetensors'}\n"
    assert printed.err == ""
    assert log(tmp_path / "run") == log(two / "whole")
    name = "final/esrgan-x4.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (two / "whole" / name).read_bytes()
    assert "on 2 processes on" in (tmp_path / "run/final/esrgan-x4.toml").read_text()


def orphan(job: None, report: object) -> None:
    """The last process kills their parent when all are there."""
    if os.environ["LOCAL_RANK"] == "1":
        while len(psutil.Process(os.getppid()).children()) < 2:
            time.sleep(0.01)
        os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def test_processes_do_not_outlive_their_parent(tmp_path: Path) -> None:
    script = (
        f"from {Path(__file__).stem} import in_processes, orphan\n"
        "if __name__ == '__main__':\n    in_processes(2, 1, orphan, None, None)\n"
    )
    (tmp_path / "script.py").write_text(script)
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    process = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], env=environment)
    children: list[psutil.Process] = []
    while process.poll() is None:
        children = psutil.Process(process.pid).children() or children
        time.sleep(0.05)
    assert process.returncode == -signal.SIGKILL
    assert len(children) >= 2
    assert not psutil.wait_procs(children, timeout=30)[1]


def fail(error: Exception, report: object) -> None:
    """The last process fails, the others wait for it."""
    if os.environ["LOCAL_RANK"] != os.environ.get(LAST):
        time.sleep(60)
    raise error


def test_one_failing_process_ends_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LAST, "1")
    with pytest.raises(TrainingError, match="disk full") as error:
        in_processes(2, 1, fail, ReadError("disk full", hint="Buy one."), None)
    assert error.value.hint == "Buy one."


def test_a_mistake_in_a_process_is_told_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LAST, "0")
    with pytest.raises(RuntimeError, match=r"(?s)ZeroDivisionError: boo.*in fail"):
        in_processes(1, 1, fail, ZeroDivisionError("boo"), None)


def test_a_batch_that_cannot_be_shared(data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="3 processes cannot share a batch of 4 equally") as error:
        train(spec(CompactWitness), data, tmp_path / "out", device="cpu", devices=3)
    assert "--set batch=6" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_nodes_that_do_not_know_where_to_meet(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    with pytest.raises(TrainingError, match="2 nodes cannot meet: MASTER_PORT, NODE_RANK not set"):
        train(spec(CompactWitness), data, tmp_path / "out", device="cpu", nodes=2)


def test_other_processes_than_were_started(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 4, "LOCAL_WORLD_SIZE": 4, "GROUP_RANK": 0}
    meeting = {"TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "localhost", "MASTER_PORT": 1}
    for name, value in {**variables, **meeting}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(TrainingError, match="do not fit --devices and --nodes"):
        train(spec(CompactWitness), data, tmp_path / "out", device="cpu", devices=2)


def test_two_runs_do_not_write_into_one_folder(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out/.lock"), pytest.raises(TrainingError, match="another run is writing into"):
        train(spec(CompactWitness), data, tmp_path / "out", device="cpu")


def test_a_single_process_is_the_whole_batch() -> None:
    values = torch.arange(4.0, requires_grad=True)
    assert batch_mean(values).item() == 1.5
    assert on_whole_batch(values, lambda x: 2 * x).tolist() == [0, 2, 4, 6]
    assert all_ranks_equal(object())
