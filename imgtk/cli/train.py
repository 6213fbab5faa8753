"""`imgtk train`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imgtk.cli.options import DTYPES
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
@click.argument("op")
@click.option("--data", type=folder, required=True, help="Folder of images to learn from.")
@click.option("--out", type=folder, required=True, help="Folder for checkpoints, log and samples.")
@click.option("--validation", type=folder, help="Folder of images to validate on.  [default: some of --data]")
@click.option("--recipe", help="A recipe that the plugin ships, or a .toml file.")
@click.option("--set", "settings", type=Setting(), multiple=True, help="Change a setting of the recipe; repeatable.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
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
@click.option(
    "--threads", type=click.IntRange(1), help="CPU threads of each process.  [default: its share of the cores]"
)
@click.option("--quiet", is_flag=True, help="No progress bar.")
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

    A run that was interrupted goes on with --resume exactly as if it had not been.
    """
    spec = default().spec(op)
    from imgtk.training.processes import is_first
    from imgtk.training.run import train as run_training

    with ExitStack() as stack:
        show = None if quiet or not is_first() else stack.enter_context(_Bar())
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
    if is_first():
        click.echo(weights)


class _Bar:
    """A progress bar on stderr with the losses and the last scores; nothing where stderr is no terminal."""

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
