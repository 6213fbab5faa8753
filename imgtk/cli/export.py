"""The command `imgtk export`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("op")
@click.option("--onnx", type=click.Path(path_type=Path), required=True, metavar="FILE", help="File to write.")
@click.option("--dtype", type=click.Choice(["fp32", "fp16"]), default="fp32", show_default=True, help="Number format.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def export(op: str, onnx: Path, dtype: str, overwrite: bool) -> None:
    """Write the network of OP, such as "upscale:esrgan x4", as an ONNX file.

    The file takes RGB images of any size, nominally 0..1. Its metadata state the operator, the weights and their
    licence. If onnxruntime is installed, the file is compared with torch at several sizes.
    """
    from imgtk.pipeline import Pipeline

    for note in Pipeline(op, device="cpu", backend="torch").export_onnx(onnx, dtype=dtype, overwrite=overwrite):
        click.echo(f"note: {note}", err=True)
    click.echo(onnx)
