"""`imgtk install` and `imgtk uninstall`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import click

from imgtk import environment
from imgtk.cli.report import FAILED
from imgtk.cli.table import table
from imgtk.errors import UsageError


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME|FILE|FOLDER|URL]...")
@click.option("-U", "--upgrade", is_flag=True, help="Update installed packages.")
@click.option("-e", "--editable", is_flag=True, help="Use a folder in place, so that changes take effect at once.")
@click.option("--dry-run", is_flag=True, help="Show what would be added, without adding it.")
@click.option("--index-url", metavar="URL", help="The package index.  [default: pip's]")
@click.option("--find-links", metavar="DIR|URL", help="Additional folder or page with packages.")
def install(
    names: tuple[str, ...],
    upgrade: bool,
    editable: bool,
    dry_run: bool,
    index_url: str | None,
    find_links: str | None,
) -> int:
    """Install plugins into the environment that imgtk runs in; without a NAME, those that it had and has lost.

    imgtk keeps its versions of torch, numpy, OpenCV and Pillow: a plugin that needs others is refused.
    """
    requirements = list(names) or environment.missing()
    if not requirements:
        click.echo("No plugin is missing.")
        return 0
    if editable and any(not os.path.isdir(name) for name in names):
        raise UsageError("-e takes the folder of a plugin")
    options = [f"--{key}={value}" for key, value in (("index-url", index_url), ("find-links", find_links)) if value]
    loose = [word for word in requirements if not word.startswith("-e ")]
    if loose and not editable:
        tell(environment.planned(loose, upgrade=upgrade, options=options))
    if dry_run:
        for folder in names if editable else ():
            click.echo(f"The folder {folder} would be used in place.")
        return 0
    changed: list[str] = []
    if loose:
        changed += environment.install(loose, upgrade=upgrade, editable=editable, options=options)
    for folder in (word.removeprefix("-e ") for word in requirements if word.startswith("-e ")):
        changed += environment.install([folder], editable=True, options=options)
    return brought(changed)


@click.command()
@click.argument("name")
def uninstall(name: str) -> None:
    """Remove the plugin NAME: the package that `imgtk plugins` shows."""
    environment.uninstall(name)
    click.echo(f"{name} is removed.")


def tell(additions: list[environment.Addition]) -> None:
    """Print what an installation adds."""
    if not additions:
        click.echo("Everything is there already.")
        return
    rows = []
    for addition in additions:
        weights = addition.weights or {}
        licences = ", ".join(f"{name}: {licence}" for name, licence in weights.items())
        rows.append((addition.name, addition.version, addition.licence, licences))
    click.echo(table(("adds", "version", "licence", "weights"), rows))


def brought(changed: list[str]) -> int:
    """Print what the plugins of distributions bring, as a fresh imgtk sees them. Gives the exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "imgtk", "plugins", "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    found = [row for row in json.loads(done.stdout or "[]") if row["distribution"].lower().replace("_", "-") in changed]
    code = 0
    for row in found:
        if row["error"]:
            click.echo(f"{row['distribution']} is installed, and broken: {row['error']}", err=True)
            code = FAILED
        else:
            what = ", ".join(row["operators"]) or "no operators"
            click.echo(f"{row['distribution']} {row['version']} brings {what}.")
    losing = environment.losing_command()
    if found and losing:
        click.echo(f"After `{losing} imgtk`, `imgtk install` restores your plugins.")
    if changed and not found:
        click.echo(f"{', '.join(changed)}: none of these is a plugin of imgtk.", err=True)
        return FAILED
    return code
