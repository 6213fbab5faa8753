"""The command `imgtk train`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgtk.cli.options import DTYPES, complete
from imgtk.registry import default

if TYPE_CHECKING:
    from imgtk.training.run import Status

folder = click.Path(path_type=Path)


class Setting(click.ParamType):
    """`key=value`, as a pair."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not key or not equals:
            self.fail(f"expected key=value, got {value!r}", param, ctx)
        return key.strip(), text.strip()


@click.command()
@click.argument("op", shell_complete=complete("operators"))
@click.option("--data", type=folder, required=True, help="Folder of training images.")
@click.option("--out", type=folder, required=True, help="Folder for checkpoints, log and samples.")
@click.option("--validation", type=folder, help="Folder of validation images.  [default: some of --data]")
@click.option("--recipe", help="A recipe that the plugin ships, or a .toml file.")
@click.option("--set", "settings", type=Setting(), multiple=True, help="Change a setting of the recipe. Repeatable.")
@click.option("--resume", is_flag=True, help="Continue the run in --out.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, mps …")
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of GPUs, or of processes on the CPU, that share every batch.",
)
@click.option(
    "--nodes", type=click.IntRange(1), default=1, show_default=True, help="Number of machines with --devices each."
)
@click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help="Number format.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads per process.  [default: its share of the cores]")
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
def train(
    op: str,
    data: Path,
    out: Path,
    validation: Path | None,
    recipe: str | None,
    settings: tuple[tuple[str, str], ...],
    resume: bool,
    device: str,
    devices: int,
    nodes: int,
    dtype: str,
    threads: int | None,
    quiet: bool,
) -> None:
    """Train the network of operator OP, and write its weights and their card into --out.

    An interrupted run continues with --resume, exactly as if it had not been interrupted.
    """
    spec = default().spec(op)
    from imgtk.training.processes import is_rank_zero
    from imgtk.training.run import train as run_training

    with ExitStack() as stack:
        stack.enter_context(reported_once())
        show = None if quiet or not is_rank_zero() else stack.enter_context(_Bar())
        weights = run_training(
            spec,
            data,
            out,
            recipe=recipe,
            overrides=dict(settings),
            validation=validation,
            resume=resume,
            device=device,
            devices=devices,
            nodes=nodes,
            dtype=dtype,
            threads=threads,
            report=show,
        )
    if is_rank_zero():
        click.echo(weights)


@contextmanager
def reported_once() -> Iterator[None]:
    """End all processes of a run but the first silently, where all raise the same error.

    torchrun ends the others as soon as one ends, so they wait until the first has reported the error.
    """
    from imgtk.training.processes import CollectiveError, is_rank_zero

    try:
        yield
    except CollectiveError:
        if is_rank_zero():
            raise
        time.sleep(0.5)
        sys.exit(1)


class _Bar:
    """A progress bar on stderr with losses and the last scores; nothing if stderr is not a terminal."""

    def __enter__(self) -> _Bar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.progress = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=20),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.description}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("", total=None)
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, status: Status) -> None:
        figures = [f"{name} {value:.4g}" for name, value in {**status.losses, **status.scores}.items()]
        text = "  ".join([f"{status.seconds_per_step:.2f} s/step", *figures])
        self.progress.update(self.task, completed=status.step, total=status.steps, description=text)
