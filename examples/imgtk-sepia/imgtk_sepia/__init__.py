"""A plugin for imgtk. This module is imported to list operators, so it stays light; the work is in `op`."""

from imgtk import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Number, Param


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        OpSpec(
            name="tone:sepia",
            impl="imgtk_sepia.op:Sepia",
            summary="Tone the image like an old photograph.",
            params=(
                Param("strength", Number(0, 1), "0 changes nothing, 1 leaves one tone.", default=1.0, positional=True),
            ),
        )
    ]
