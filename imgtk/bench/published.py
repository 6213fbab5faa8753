"""Figures of the literature, to stand beside ours: x4, PSNR and SSIM on luma, as each paper states them.

Bicubic as most papers since quote it; FSRCNN: Dong et al. 2016; SRResNet and SRGAN: Ledig et al. 2017, table 2 and 3;
RRDB and ESRGAN: Wang et al. 2018; SwinIR: Liang et al. 2021; HAT: Chen et al. 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Published", "known_name", "published", "rank"]


@dataclass(frozen=True)
class Published:
    """The figures that a paper states for a set. `ssim_y` is None if it states none."""

    method: str
    psnr_y: float
    ssim_y: float | None


_IMAGES = {"Set5": 5, "Set14": 14, "BSD100": 100, "Urban100": 100}
_ALIASES = {"b100": "BSD100", "bsds100": "BSD100", **{name.lower(): name for name in _IMAGES}}

# By method: PSNR and SSIM on Set5, Set14, BSD100, Urban100.
_FIGURES: dict[str, tuple[tuple[float, float | None], ...]] = {
    "bicubic": ((28.42, 0.8104), (26.00, 0.7027), (25.96, 0.6675), (23.14, 0.6577)),
    "FSRCNN": ((30.72, 0.8660), (27.61, 0.7550), (26.98, 0.7150), (24.62, 0.7280)),
    "SRResNet": ((32.05, 0.9019), (28.49, 0.8184), (27.58, 0.7620), (26.05, None)),
    "SRGAN": ((29.40, 0.8472), (26.02, 0.7397), (25.16, 0.6688), (24.40, None)),
    "RRDB": ((32.73, 0.9011), (28.99, 0.7917), (27.85, 0.7455), (27.03, 0.8153)),
    "ESRGAN": ((30.45, None), (26.28, None), (25.32, None), (24.36, None)),
    "SwinIR": ((32.92, None), (29.09, None), (27.92, None), (27.45, None)),
    "HAT": ((33.04, None), (29.23, None), (28.00, None), (27.97, None)),
}


def known_name(name: str) -> str | None:
    """Return what the literature calls a set of this name, in any case; None if it does not know it."""
    return _ALIASES.get(name.lower())


def rank(name: str) -> int:
    """Return the place of a set in the literature's order; sets that it does not know come last."""
    return [*_IMAGES, name].index(name)


def published(name: str, images: int, scale: int) -> list[Published]:
    """Return the literature's figures for a set; none unless its name, its number of images and the scale are right."""
    if scale != 4 or _IMAGES.get(name) != images:
        return []
    return [Published(method, *figures[rank(name)]) for method, figures in _FIGURES.items()]
