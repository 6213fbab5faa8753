"""Edges by a small network. Imports no torch."""

from imgtk import hookimpl
from imgtk.op import OpSpec
from imgtk.params import Param, Weights
from imgtk.weights.architecture import Architecture


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        OpSpec(
            name="edges:tiny",
            impl="imgtk_tinyedge.op:Edges",
            summary="Show the edges, by a network that was taught by the Sobel operator.",
            params=(Param("model", Weights(), "Name of weights, or a file.", default="edges"),),
            trainer="imgtk_tinyedge.trainer:EdgeTrainer",
            weights=("edges",),
        )
    ]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [Architecture("EdgeNet", "imgtk_tinyedge.network:detect", "imgtk-tinyedge", operator="edges:tiny")]
