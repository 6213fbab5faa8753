"""The command `imgtk presets`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from imgtk.cli.catalogue import as_json
from imgtk.cli.options import complete
from imgtk.cli.table import table
from imgtk.config import config_files, load_config, preset, user_file
from imgtk.config import presets as all_presets
from imgtk.preset import Preset
from imgtk.registry import default

FIRST = """
`imgtk presets NAME` shows one. Your own go into {}:

  [presets.mine]
  pipeline = "upscale:compact x2 | style:monet 0.5"

which `imgtk run :mine in.jpg` uses.
""".strip()


@click.command()
@click.argument("name", required=False, shell_complete=complete("presets"))
@as_json
def presets(name: str | None, as_json: bool) -> None:
    """List the presets, or explain the preset NAME. `imgtk run :NAME in.jpg` uses one."""
    config = load_config()
    if name is not None:
        found = preset(name.removeprefix(":"), default().presets, config)
        click.echo(json.dumps(asdict(found), indent=2) if as_json else explain(found))
        return
    listed = list(all_presets(default().presets, config).values())
    if as_json:
        click.echo(json.dumps([asdict(each) for each in listed], indent=2))
        return
    click.echo(table(("preset", "what it does", "from"), [(f":{p.name}", p.summary, p.origin) for p in listed]))
    own = ", ".join(str(path) for path, _ in config_files())
    click.echo(f"\nYour own are in {own}; `imgtk presets NAME` shows one." if own else f"\n{FIRST.format(user_file())}")


def explain(preset: Preset) -> str:
    """Return a preset in a few lines: what it does, where it is from, and the command that does the same."""
    options = "".join(f" --{key}" if value is True else f" --{key} {value}" for key, value in preset.options.items())
    lines = [
        f"{click.style(preset.name, bold=True)}: {preset.summary}".rstrip(" :"),
        f"from {preset.origin}",
        "",
        f"  imgtk run :{preset.name} in.jpg",
        "",
        "does the same as",
        "",
        f'  imgtk run "{" ".join(preset.pipeline.split())}" in.jpg{options}',
    ]
    return "\n".join(lines)
