"""`imgtk new`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from imgtk.errors import UsageError
from imgtk.registry import default
from imgtk.scaffold import KINDS, make_package


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name")
@click.option(
    "--dir", "parent", type=click.Path(path_type=Path), default=".", help="Folder to make it in.  [default: .]"
)
@click.option(
    "--author",
    default=lambda: os.environ.get("USER", ""),
    help="Your name, for the licence.  [default: that of the user]",
)
def new(kind: str, name: str, parent: Path, author: str) -> None:
    """Make the package of a plugin: an operator, an upscaling network or a file format called NAME.

    The package imgtk-NAME has the plugin, tests, a README, a licence, and workflows for tests and releases.
    """
    operator = {"operator": f"adjust:{name}", "network": f"upscale:{name}"}.get(kind)
    if operator in {spec.name for spec in default().specs}:
        raise UsageError(f"there is an operator {operator} already", hint="Choose another name.")
    target = make_package(kind, name, parent, author=author)
    click.echo(f"{target}\n\n  imgtk install -e {target}\n  imgtk check imgtk-{name}")
