"""CIE L*a*b*, beside scikit-image's."""

from __future__ import annotations

import numpy as np
import torch
from skimage.color import lab2rgb, rgb2lab

from imgtk.nn.lab import to_lab, to_rgb


def test_lab_is_the_common_one() -> None:
    rgb = torch.rand(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rgb[:3] = torch.tensor([[0.0, 0, 0], [1, 1, 1], [0.01, 0, 0.02]])
    np.testing.assert_allclose(to_lab(rgb).numpy(), rgb2lab(rgb.numpy()), atol=0.05)
    np.testing.assert_allclose(to_rgb(to_lab(rgb)).numpy(), lab2rgb(rgb2lab(rgb.numpy())), atol=1e-3)
    beyond = torch.tensor([[-0.2, 1.3, 0.5], [-1.0, -1.0, -1.0]], dtype=torch.float64)
    torch.testing.assert_close(to_rgb(to_lab(beyond)), beyond, atol=1e-6, rtol=0)


def test_it_keeps_its_precision_within_autocast() -> None:
    rgb = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        lab = to_lab(rgb)
        torch.testing.assert_close(to_rgb(lab), rgb, atol=1e-5, rtol=0)
    assert torch.equal(lab, to_lab(rgb))
