"""Bands give what the whole gives."""

from __future__ import annotations

import pytest
import torch

from imgtk.nn.bands import AT_ONCE, in_bands


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (1, 3, 700, 400), (2, 4, 1, AT_ONCE + 3), (3, 3, 401, 257)])
def test_bands_are_the_whole(shape: tuple[int, ...]) -> None:
    x = torch.rand(shape).contiguous(memory_format=torch.channels_last)
    seen = []

    def function(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape[2])
        return x[:, :2].square() + x[:, 2:3]

    assert torch.equal(in_bands(function, x), x[:, :2].square() + x[:, 2:3])
    assert sum(seen) == shape[2]
    assert len(seen) == 1 or max(seen) * shape[0] * shape[3] <= AT_ONCE
