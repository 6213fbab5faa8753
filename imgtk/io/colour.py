"""ICC profiles for colours that files state in numbers: code points (ITU-T H.273), primaries, gamma."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import imagecodecs
import numpy as np

D65 = (0.3127, 0.3290)
BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
SRGB_GAMMA = 1 / 0.45455

# Table 2 of H.273: x and y of red, green and blue, and of white.
_PRIMARIES: dict[int, tuple[tuple[float, ...], tuple[float, float]]] = {
    1: (BT709, D65),
    4: ((0.67, 0.33, 0.21, 0.71, 0.14, 0.08), (0.310, 0.316)),
    5: ((0.64, 0.33, 0.29, 0.60, 0.15, 0.06), D65),
    6: ((0.630, 0.340, 0.310, 0.595, 0.155, 0.070), D65),
    7: ((0.630, 0.340, 0.310, 0.595, 0.155, 0.070), D65),
    9: ((0.708, 0.292, 0.170, 0.797, 0.131, 0.046), D65),
    11: ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060), D65),
}
_SRGB_LIKE = (1, 6, 13, 14, 15)  # Table 3: sRGB's curve, and BT.709's, which is shown with sRGB's as a rule
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_UNSTATED = 2
PQ, HLG = 16, 18
_HDR = {PQ: "PQ", HLG: "HLG"}


def of_code_points(primaries: int, transfer: int, *, gray: bool = False) -> bytes | None:
    """Return the profile of colours of H.273; None for sRGB, for what is not stated, and for PQ, HLG and others that no
    profile of a few curves describes."""
    if transfer not in (*_SRGB_LIKE, *_GAMMAS, _UNSTATED) or primaries not in (*_PRIMARIES, _UNSTATED):
        return None
    chromaticities, white = _PRIMARIES[1 if primaries == _UNSTATED else primaries]
    if transfer in _GAMMAS:
        return of_gamma(_GAMMAS[transfer], chromaticities, white, gray=gray)
    if gray or chromaticities == BT709:
        return None
    return _profile("rgb", white, chromaticities, None)


def described(primaries: int, transfer: int) -> str:
    """Return a description of the code points if no profile describes them; empty if one does, or they mean sRGB or
    nothing."""
    if transfer in _HDR:
        return _HDR[transfer]
    known = primaries in (*_PRIMARIES, _UNSTATED) and transfer in (*_SRGB_LIKE, *_GAMMAS, _UNSTATED)
    return "" if known else f"colours with the code points {primaries} and {transfer}"


def of_gamma(
    gamma: float,
    primaries: tuple[float, ...] = BT709,
    white: tuple[float, float] = D65,
    *,
    gray: bool = False,
) -> bytes | None:
    """Return the profile of colours that are light to the power of 1 / `gamma`; None where that is sRGB, more or less.

    Args:
        gamma: 1 for linear light.
        primaries: x and y of red, green and blue.
        white: x and y.
        gray: whether it is to be a profile of gray.
    """
    near = all(abs(a - b) < 0.001 for a, b in zip((*primaries, *white), (*BT709, *D65), strict=True))
    like_srgb = abs(gamma - SRGB_GAMMA) < 0.01
    if like_srgb and (near or gray):
        return None
    try:
        return _profile("gray" if gray else "rgb", white, None if gray else primaries, None if like_srgb else gamma)
    except (imagecodecs.CmsError, ValueError):  # of impossible numbers
        return None


@lru_cache
def _profile(kind: str, white: tuple[float, float], primaries: tuple[float, ...] | None, gamma: float | None) -> bytes:
    """Return an ICC profile, with the curve of sRGB if there is no gamma."""
    make: Callable[..., bytes] = imagecodecs.cms_profile
    if gamma is not None:
        return bytes(make(kind, whitepoint=white, primaries=primaries, gamma=gamma))
    steps = np.linspace(0, 1, 1024)
    light = np.where(steps <= 0.04045, steps / 12.92, ((steps + 0.055) / 1.055) ** 2.4)  # IEC 61966-2-1
    table = np.rint(light * 65535).astype(np.uint16)
    return bytes(make(kind, whitepoint=white, primaries=primaries, transferfunction=table))
