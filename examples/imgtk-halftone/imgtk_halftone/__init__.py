"""Print with dots. Imports no torch."""

from imgtk import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Number, Param


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        OpSpec(
            name="print:halftone",
            impl="imgtk_halftone.op:Halftone",
            summary="Print with dots of black ink, as newspapers do.",
            params=(Param("cell", Number(2, 100), "Distance of the dots in pixels.", default=6.0, positional=True),),
        )
    ]
