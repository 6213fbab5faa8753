"""What `edges:tiny` does."""

from imgtk.context import BuildContext
from imgtk.network_op import NetworkOp
from imgtk.op import Facts
from imgtk_tinyedge.network import EdgeNet


class Edges(NetworkOp):
    """What the network gives."""

    kind = EdgeNet
    facts = Facts(batched=True, gray=True)

    def __init__(self, model: str, *, context: BuildContext) -> None:
        super().__init__(model, package="imgtk_tinyedge", context=context)
