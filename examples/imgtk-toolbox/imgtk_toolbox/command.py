"""`imgtk sizes`."""

import click

from imgtk.io import read_size


@click.command()
@click.argument("images", nargs=-1, required=True)
def sizes(images: tuple[str, ...]) -> None:
    """Print the size of each of IMAGES. Errors that imgtk raises need no care: imgtk prints them."""
    for image in images:
        click.echo(f"{image}: {read_size(image)}")
