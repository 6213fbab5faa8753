"""The command `imgtk models`: list weights, and import third-party ones. Listing imports neither torch nor numpy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imgtk.cli.catalogue import as_json
from imgtk.cli.options import complete
from imgtk.cli.progress import progress, wanted
from imgtk.cli.table import table
from imgtk.errors import WeightsError
from imgtk.params import REQUIRED
from imgtk.registry import default
from imgtk.weights.card import Card
from imgtk.weights.store import added, nearest, remove, shipped

if TYPE_CHECKING:
    from imgtk.weights.import_weights import ImportedWeights

force_option = click.option("--force", is_flag=True, help="Replace weights of that name.")


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the weights, shipped ones and your own, as their cards describe them."""
    if ctx.invoked_subcommand:
        return
    cards = [*(card for package in default().packages for card in shipped(package)), *added()]
    if as_json:
        click.echo(json.dumps([asdict(card) for card in cards], indent=2))
        return
    rows = [(c.name, f"x{c.scale}" if c.scale else "", c.architecture, c.summary, c.origin) for c in cards]
    click.echo(table(("weights", "scale", "architecture", "what they are", "from"), rows))


@models.command()
@as_json
@click.option("--markdown", is_flag=True, help="Print a Markdown table.")
def public(as_json: bool, markdown: bool) -> None:
    """List the public weights that `imgtk models pull` knows."""
    if as_json:
        click.echo(
            json.dumps(
                [{**asdict(model), "file": model.file} for model in default().brought("imgtk_public_weights").values()],
                indent=2,
            )
        )
    elif markdown:
        click.echo(
            "| weights | scale | architecture | what they are for | licence | SHA-256 |\n|---|---|---|---|---|---|"
        )
        for m in default().brought("imgtk_public_weights").values():
            digits = f"`{m.sha256[:12]}…`" if m.sha256 else "not published"
            row = (f"[{m.name}]({m.url})", f"x{m.scale}", m.architecture, m.summary, m.licence, digits)
            click.echo(f"| {' | '.join(row)} |")
    else:
        rows = [
            (m.name, f"x{m.scale}", m.architecture, m.licence, m.summary)
            for m in default().brought("imgtk_public_weights").values()
        ]
        click.echo(table(("weights", "scale", "architecture", "licence", "what they are for"), rows))


@models.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Name for the weights.  [default: the file's name]")
@click.option("--licence", default="unstated", show_default=True, help="Licence of the weights, as an SPDX identifier.")
@click.option("--summary", default="", help="One-line description of the weights.")
@force_option
def add(file: Path, name: str | None, licence: str, summary: str, force: bool) -> None:
    """Add the weights in FILE (.safetensors, .pth, .param of ncnn …) to your own.

    Their architecture is recognised by the tensors. They are stored as safetensors in half precision, and the converted
    network is compared with the original.
    """
    from imgtk.weights.import_weights import add

    registry = default()
    known, packages = registry.architectures, registry.packages
    say(add(file, name or file.stem, known, packages=packages, licence=licence, summary=summary, force=force))


@models.command()
@click.argument("source", metavar="NAME|URL", shell_complete=complete("public"))
@click.option("--name", help="Name for the weights.  [default: NAME, or the file's name]")
@click.option("--sha256", default="", metavar="HEX", help="SHA-256 that the file must have.")
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
@force_option
def pull(source: str, name: str | None, sha256: str, quiet: bool, force: bool) -> None:
    """Download weights and add them to your own: public ones (`imgtk models public`), or those at a URL.

    Without a network, the message says where to put the file. Proxies are taken from the environment.
    """
    from imgtk.weights.import_weights import pull

    with download_bar(quiet) as report:
        registry = default()
        imported = pull(
            source,
            name,
            registry.architectures,
            packages=registry.packages,
            public=registry.brought("imgtk_public_weights").values(),
            sha256=sha256,
            report=report,
            force=force,
        )
    say(imported)


@models.command()
@click.argument("name", shell_complete=complete("models"))
@as_json
def info(name: str, as_json: bool) -> None:
    """Show the card of the weights NAME: what they are, how they were trained, what they score."""
    found = {
        card.name: card for card in [*added(), *(card for package in default().packages for card in shipped(package))]
    }
    if name not in found:
        near = nearest(name, found)
        raise WeightsError(f"there are no weights {name!r}", hint=f"{near}`imgtk models` lists them.")
    card = found[name]
    click.echo(json.dumps(asdict(card), indent=2) if as_json else describe(card))


@models.command("remove")
@click.argument("name", shell_complete=complete("models"))
def remove_(name: str) -> None:
    """Remove the weights NAME from your own."""
    remove(name)


def describe(card: Card) -> str:
    """Return a card for users: one fact a line, and a table of scores."""
    facts = {
        "scale": f"x{card.scale}" if card.scale else "",
        "network": card.architecture,
        "trained": card.trained,
        "recipe": card.recipe,
        "licence": card.licence,
        "data": "; ".join(card.data),
        "from": card.origin,
        "SHA-256": card.sha256,
    }
    lines = [f"{click.style(card.name, bold=True)}: {card.summary}", ""]
    lines += [f"  {name.ljust(8)} {value}" for name, value in facts.items() if value]
    if card.scores:
        metrics = list(dict.fromkeys(metric for row in card.scores.values() for metric in row))
        rows = [(name, *(f"{row[m]:g}" if m in row else "" for m in metrics)) for name, row in card.scores.items()]
        lines += ["", table(("scores", *metrics), rows)]
    return "\n".join(lines)


def say(imported: ImportedWeights) -> None:
    """Print what was added, and how to use it."""
    from imgtk.weights.import_weights import TOLERANCE

    card, architecture = imported.card, imported.architecture
    size = f", x{card.scale}" if card.scale else ""
    click.echo(f"{click.style(card.name, bold=True)}: {card.architecture}{size}, licence: {card.licence}")
    click.echo(f"  from {card.origin}, SHA-256 {card.origin_sha256}")
    click.echo(f"  in {imported.path}")
    difference = f"{imported.difference:.1g} (allowed: {TOLERANCE:.1g})"
    click.echo(f"  in half precision its output differs by at most {difference}")
    spec = default().spec(architecture.operator)
    words = [spec.name, *([f"x{card.scale}"] if card.scale and spec.param("scale") else [])]
    words += [f"{p.name}=…" for p in spec.params if p.default is REQUIRED and p.name != architecture.parameter]
    click.echo(f'\n  imgtk run "{" ".join(words)} {architecture.parameter}={card.name}" in.jpg')


@contextmanager
def download_bar(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on stderr with bytes, speed and time left, unless `quiet` or stderr is not a terminal."""
    if not wanted(quiet):
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with progress(*columns) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
