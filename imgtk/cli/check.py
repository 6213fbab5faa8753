"""`imgtk check`."""

from __future__ import annotations

import json

import click

from imgtk.cli.report import FAILED, explain


@click.command()
@click.argument("distribution")
@click.option("--run/--no-run", default=True, help="Run the operators, too.  [default: run]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line per check.")
def check(distribution: str, run: bool, as_json: bool) -> int:
    """Check the plugin that DISTRIBUTION brings: import, descriptions, weights, and what its operators promise.

    The exit code is 1 if a check fails.
    """
    from imgtk.testing.plugin import plugin_checks

    failed = 0
    for one in plugin_checks(distribution, run=run):
        fault = None
        try:
            one.run()
        except Exception as error:
            fault = str(error) if isinstance(error, AssertionError) else explain(error)[0]
        failed += fault is not None
        if as_json:
            click.echo(json.dumps({"check": one.name, "fault": fault}))
        else:
            mark = click.style("ok    ", fg="green") if fault is None else click.style("FAILED", fg="red")
            click.echo(f"{mark} {one.name}" + (f"\n       {fault}" if fault else ""))
    return FAILED if failed else 0
