"""The commands `imgtk ops`, `help` and `plugins`. None of them imports torch, numpy, OpenCV or Pillow."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from imgtk.cli.options import complete
from imgtk.cli.table import table
from imgtk.language.bind import spec_of
from imgtk.op import OpSpec
from imgtk.params import REQUIRED, Param
from imgtk.registry import PluginInfo, default

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@as_json
@click.option("--markdown", is_flag=True, help="Print a Markdown table.")
def ops(as_json: bool, markdown: bool) -> None:
    """List the operators, with their parameters."""
    registry = default()
    specs = sorted(registry.specs, key=lambda spec: spec.name)
    if as_json:
        click.echo(json.dumps([describe(spec) for spec in specs], indent=2))
    elif markdown:
        click.echo("| operator | parameters | what it does |\n|---|---|---|")
        for spec in specs:
            click.echo(f"| `{spec.name}` | {' '.join(f'`{usage(p)}`' for p in spec.params)} | {spec.summary} |")
    else:
        rows = [(spec.name, " ".join(usage(p) for p in spec.params if p.positional), spec.summary) for spec in specs]
        click.echo(table(("operator", "words", "what it does"), rows))
        for plugin in registry.plugins:
            if plugin.error:
                click.secho(f"{plugin.name}: import failed, see `imgtk plugins`", fg="red", err=True)


@click.command("help")
@click.argument("op", shell_complete=complete("operators"))
@as_json
def help_(op: str, as_json: bool) -> None:
    """Explain the operator OP: what it does, and each parameter."""
    spec = spec_of(op, default())
    if as_json:
        click.echo(json.dumps(describe(spec), indent=2))
        return
    click.echo(f"{click.style(spec.name, bold=True)}: {spec.summary}\n")
    files = "-o OUTPUT" if spec.generates else "INPUT"
    click.echo(f'  imgtk run "{" ".join([spec.name, *map(usage, spec.params)])}" {files}\n')
    if spec.params:
        rows = [(p.name, p.type.describe(), default_text(p), p.help) for p in spec.params]
        click.echo(table(("parameter", "takes", "default", "what it does"), rows) + "\n")
    if any(p.positional for p in spec.params):
        words = ", ".join(p.name for p in spec.params if p.positional)
        click.echo(f"May be given as bare words: {words}. All others as name=value.")
    if spec.weights:
        click.echo(f"Shipped weights: {', '.join(spec.weights)} (see `imgtk models`).")
    if spec.trainer:
        click.echo(f"Can be trained: imgtk train {spec.name} --data DIR --out DIR")


def usage(param: Param) -> str:
    """Return how a parameter is written in a pipeline: `SCALE`, `model=esrgan-x4`, in brackets if it may be
    left out."""
    required = param.default is REQUIRED
    placeholder = param.name.upper()
    word = placeholder if param.positional else f"{param.name}={'' if required else default_text(param)}"
    word = f"{word}{placeholder}" if word.endswith("=") else word
    return word if required else f"[{word}]"


def default_text(param: Param) -> str:
    """Return the default as a user would write it; "" for none."""
    if param.default is REQUIRED:
        return "required"
    return "" if param.default is None else param.type.format(param.default)


def describe(spec: OpSpec) -> dict[str, Any]:
    """Return an operator as plain data."""
    return {
        "name": spec.name,
        "summary": spec.summary,
        "params": [
            {
                "name": p.name,
                "takes": p.type.describe(),
                "schema": p.schema(),
                "required": p.default is REQUIRED,
                "default": None if p.default is REQUIRED else default_text(p) or None,
                "positional": p.positional,
                "help": p.help,
            }
            for p in spec.params
        ],
        "inputs": spec.inputs,
        "weights": list(spec.weights),
        "trainable": spec.trainer is not None,
    }


@click.command()
@as_json
@click.option("--directory", "listed", is_flag=True, help="List the plugins that can be installed.")
def plugins(as_json: bool, listed: bool) -> None:
    """List the plugins: where they come from, what they contain, how long their import took, and why one failed."""
    if listed:
        from imgtk.environment import directory

        entries = directory()
        cells = [(row["name"], row["summary"], ", ".join(row["brings"]), row["licence"]) for row in entries]
        header = ("plugin", "what it does", "brings", "licence")
        click.echo(json.dumps(entries, indent=2) if as_json else table(header, cells))
        return
    found = default().plugins
    if as_json:
        click.echo(json.dumps([asdict(plugin) for plugin in found], indent=2))
        return
    lines = [(p.name, p.distribution, p.version, f"{p.seconds * 1000:.0f} ms", status(p)) for p in found]
    click.echo(table(("plugin", "distribution", "version", "import", "brings"), lines))
    if commands := default().brought("imgtk_commands").values():
        click.echo("\n" + table(("command", "what it does"), [(f"imgtk {c.name}", c.summary) for c in commands]))


def status(plugin: PluginInfo) -> str:
    """Return the outcome of loading a plugin, on one line."""
    if plugin.error:
        return "IMPORT FAILED: " + " ".join(plugin.error.split())
    if plugin.skipped:
        return "disabled"
    shared = [name for name, plugins in default().ambiguous.items() if plugin in plugins]
    others = f"; ambiguous, as others bring them too: {', '.join(shared)}" if shared else ""
    counts = {"operators": len(plugin.operators), **{kind: len(names) for kind, names in plugin.others.items()}}
    brought = [f"{count} {kind if count > 1 else kind.removesuffix('s')}" for kind, count in counts.items() if count]
    return (", ".join(brought) or "nothing") + others
