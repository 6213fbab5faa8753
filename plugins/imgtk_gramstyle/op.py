"""`style:NAME`: one pass through a trained network, or through one that lies between several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from imgtk.context import BuildContext
from imgtk.errors import ParameterError
from imgtk.nn.interpolation import interpolated
from imgtk.nn.normalise import NormalisingNetwork
from imgtk.op import Facts
from imgtk.painting.blend import Blend
from imgtk.painting.strokes import PaintStrokes
from imgtk_gramstyle import HARSH

__all__ = ["Stylise"]

PACKAGE = "imgtk_gramstyle"


class Stylise(PaintStrokes):
    """Paint in the one style that a network was trained for, or in a mixture of several.

    Args:
        model: name of shipped weights, or a file.
        strength, keep_colour, mask: see `Blend`.
        scale, seed, context: see `PaintStrokes`.
        others: further weights to mix it with: the parameters of the networks are averaged.
        mix: the shares of the others, up to 1 together; the rest is `model`'s.

    Raises:
        ParameterError: another number of shares than of others, or more than 1 together.
        WeightsError: there is no such model; or, when the network is first needed, it cannot be used.
        ReadError: the mask cannot be read.
    """

    def __init__(
        self,
        model: str,
        strength: float,
        keep_colour: str | None,
        mask: Path | None,
        scale: float,
        seed: int | None = None,
        others: Sequence[str] = (),
        mix: Sequence[float] | None = None,
        *,
        context: BuildContext,
    ) -> None:
        super().__init__(model, PACKAGE, Blend(strength, keep_colour, mask), scale, seed, context=context)
        self.models += others
        mix = mix or [1 / len(self.models)] * len(others)
        if len(mix) != len(others) or sum(mix) > 1 + 1e-9:
            raise ParameterError(
                f"mix={','.join(f'{share:g}' for share in mix)} does not fit {' + '.join(self.models)}",
                hint="Give a share from 0 to 1 for each style after the first, up to 1 together.",
            )
        self.shares = [1 - sum(mix), *mix]
        self.paths += (context.locate(other, PACKAGE) for other in others)

    @cached_property
    def facts(self) -> Facts:
        return replace(super().facts, needs_float32=not HARSH.isdisjoint(self.models))

    @cached_property
    def network(self) -> NormalisingNetwork:
        """The network as stored, or interpolated."""
        networks = [self.load(path) for path in self.paths]
        return networks[0] if len(networks) == 1 else interpolated(networks, self.shares, self.models)

    def summary(self) -> Mapping[str, str]:
        facts = dict(super().summary())
        if len(self.models) > 1:
            facts["weights"] = " + ".join(f"{s:g} {m}" for s, m in zip(self.shares, self.models, strict=True))
        return facts
