"""`imgtk serve`."""

from __future__ import annotations

import secrets

import click

from imgtk.cli.options import DTYPES, Amount, BackendName, TileSize
from imgtk.config import load_config
from imgtk.engine.settings import Settings
from imgtk.errors import UsageError
from imgtk.serve.options import Limits, ServeOptions, is_loopback


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port; 0 takes a free one."
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    envvar="IMGTK_TOKEN",
    show_envvar=True,
    metavar="TEXT",
    help="Token that requests must send. Repeatable.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps …; several with commas.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes per device.")
@click.option("--warm", type=click.IntRange(1), default=4, show_default=True, help="Pipelines kept in each process.")
@click.option("--dtype", type=click.Choice(DTYPES), default="auto", show_default=True, help="Number format.")
@click.option("--backend", type=BackendName(), default="auto", show_default=True, help="Runtime for networks.")
@click.option("--tile", type=TileSize(), help="Side of a tile in input pixels; off uses no tiles.")
@click.option("--max-memory", type=Amount(1024), metavar="BYTES", help="Memory for each job, such as 4G.")
@click.option("--ops", multiple=True, metavar="NAMES", help="Serve only these, such as upscale:*,style:monet.")
@click.option("--presets-only", is_flag=True, help="Allow only presets as pipelines.")
@click.option("--plugins", is_flag=True, help="Also serve operators of third-party packages.")
@click.option("--allow-host", "hosts", multiple=True, metavar="NAME", help="Additional host name of the server.")
@click.option("--allow-origin", "origins", multiple=True, metavar="URL", help="Site that may use the API.")
@click.option("--max-upload", type=Amount(1000), default="100M", show_default=True, help="Maximum bytes of a request.")
@click.option("--max-pixels", type=Amount(1000), default="100M", show_default=True, help="Maximum pixels of an image.")
@click.option("--max-output", type=Amount(1000), default="400M", show_default=True, help="Maximum pixels of a stage.")
@click.option("--max-seconds", type=click.FloatRange(1), default=600, show_default=True, help="Maximum time for a job.")
@click.option("--queue", type=click.IntRange(1), default=32, show_default=True, help="Maximum number of waiting jobs.")
@click.option("--per-client", type=click.IntRange(1), default=8, show_default=True, help="Maximum number per client.")
@click.option("--keep", type=click.FloatRange(1), default=3600, show_default=True, help="Seconds to keep results.")
@click.option("--grace", type=click.FloatRange(0), default=30, show_default=True, help="Seconds for jobs to end.")
@click.option("--log-json", is_flag=True, help="Write logs as lines of JSON.")
@click.option("--quiet", is_flag=True, help="Log warnings only.")
def serve(
    host: str,
    port: int,
    tokens: tuple[str, ...],
    device: str,
    workers: int,
    warm: int,
    dtype: str,
    backend: str,
    tile: int | None,
    max_memory: int | None,
    ops: tuple[str, ...],
    presets_only: bool,
    plugins: bool,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    max_upload: int,
    max_pixels: int,
    max_output: int,
    max_seconds: float,
    queue: int,
    per_client: int,
    keep: float,
    grace: float,
    log_json: bool,
    quiet: bool,
) -> None:
    """Serve a page and an HTTP API for pipelines, until Ctrl-C.

    By default, only this machine can connect. With another --host, requests need a --token; if you give none, one is
    created and printed. Jobs and results are kept in memory and in a temporary folder, and are gone when the server
    ends.
    """
    limits = Limits(
        upload=max_upload,
        pixels_in=max_pixels,
        pixels_out=max_output,
        seconds=max_seconds,
        queue=queue,
        per_client=per_client,
        keep_seconds=keep,
    )
    if not is_loopback(host) and not tokens:
        tokens = (secrets.token_urlsafe(24),)
    options = ServeOptions(
        host=host,
        port=port,
        settings=Settings(device, dtype, backend, tile, max_memory),
        workers=workers,
        warm=warm,
        tokens=tokens,
        ops=tuple(name.strip() for word in ops for name in word.split(",") if name.strip()),
        presets_only=presets_only,
        plugins=plugins,
        hosts=hosts,
        origins=origins,
        grace=grace,
        limits=limits,
    )
    try:
        from imgtk.serve import logs
        from imgtk.serve.server import serve as serve_
    except ModuleNotFoundError as error:
        raise UsageError(
            f"`imgtk serve` needs {error.name}, which is not installed", hint="pip install 'imgtk[serve]'"
        ) from None
    logs.configure(as_json=log_json, quiet=quiet)

    def tell(address: str) -> None:
        click.echo(f"{address}/#token={tokens[0]}" if tokens else f"{address}/")

    serve_(options, load_config(), tell)
