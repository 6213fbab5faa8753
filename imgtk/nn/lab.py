"""CIE L*a*b* of sRGB, white D65, as (…, 3) tensors: L* 0..100, a* and b* about -110..110, zero for grays.

Both functions compute in the precision of their argument, also within autocast.
"""

from __future__ import annotations

import torch
from torch import Tensor

from imgtk.nn.colour import from_srgb, to_srgb

__all__ = ["to_lab", "to_rgb"]

# Linear sRGB to XYZ (IEC 61966-2-1, annex F), each row divided by its sum: X, Y and Z of white become 1.
XYZ = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], dtype=torch.float64)
XYZ = XYZ / XYZ.sum(1, keepdim=True)
RGB = XYZ.inverse()
# (f(X), f(Y), f(Z)) to L* + 16, a*, b* (CIE 15, section 8.2.1).
OPPONENT = torch.tensor([[0.0, 116, 0], [500, -500, 0], [0, 200, -200]], dtype=torch.float64)
KNEE = 6 / 29
"""Value below which a line replaces the cube root, so that black has a finite slope."""


def to_lab(rgb: Tensor) -> Tensor:
    """Return l*a*b* of (…, 3) sRGB, 0..1; values outside continue along the curves, negative ones mirrored."""
    with torch.autocast(rgb.device.type, enabled=False):
        xyz = from_srgb(rgb) @ XYZ.to(rgb).T
        root = torch.where(xyz > KNEE**3, xyz.clamp(min=KNEE**3) ** (1 / 3), xyz / (3 * KNEE**2) + 4 / 29)
        lab = root @ OPPONENT.to(rgb).T
    lab[..., 0] -= 16
    return lab


def to_rgb(lab: Tensor) -> Tensor:
    """Return the inverse of `to_lab`; colours that sRGB does not have lie outside 0..1."""
    shifted = lab.clone()
    shifted[..., 0] += 16
    with torch.autocast(lab.device.type, enabled=False):
        root = shifted @ OPPONENT.inverse().to(lab).T
        xyz = torch.where(root > KNEE, root**3, 3 * KNEE**2 * (root - 4 / 29))
        return to_srgb(xyz @ RGB.to(lab).T)
