"""CMYK and Lab as sRGB, at any depth: littleCMS computes, through imagecodecs."""

from __future__ import annotations

from functools import lru_cache

import imagecodecs
import numpy as np

from imgtk.io.depth import to_depth

_RELATIVE, _BLACK_POINT = 1, 0x2000  # rendering intent and flag of littleCMS


@lru_cache
def _profile(name: str) -> bytes:
    return bytes(imagecodecs.cms_profile(name))


def from_cmyk(inks: np.ndarray, icc: bytes | None) -> np.ndarray:
    """Return (H, W, 3), in the type of `inks`.

    Args:
        inks: (H, W, 4), the amount of each, uint8, uint16 or float32.
        icc: their profile, used if it is one of CMYK.
    """
    if inks.dtype.kind == "f":
        return to_depth(from_cmyk(to_depth(inks, 16), icc), 32)
    if icc and icc[16:20] == b"CMYK":
        try:
            return _transformed(np.ascontiguousarray(inks), icc, "cmyk", inks.dtype)
        except imagecodecs.CmsError:  # a broken profile is none
            pass
    full = int(np.iinfo(inks.dtype).max)
    light = full - inks[..., 3:].astype(np.uint64)
    return (light - (inks[..., :3] * light * 2 + full) // (2 * full)).astype(inks.dtype)


def from_lab(samples: np.ndarray, *, signed: bool) -> np.ndarray:
    """Return (H, W, 3) of CIE L*a*b* (D50) as TIFF stores it, in the depth of `samples`.

    Args:
        samples: (H, W, 3), uint8 or uint16, or float32 in the units of L*a*b*.
        signed: whether a* and b* are stored as signed numbers (CIELAB), or with an offset (ICCLAB).
    """
    if samples.dtype.kind == "f":
        lab = samples.astype(np.float64)
    else:
        unit, whole = (1, 255) if samples.itemsize == 1 else (256, 65535 if signed else 65280)
        lab = np.empty(samples.shape, np.float64)
        lab[..., 0] = samples[..., 0] * (100 / whole)
        chroma = samples[..., 1:]
        lab[..., 1:] = chroma.view(f"i{samples.itemsize}") / unit if signed else chroma / unit - 128.0
    rgb = _transformed(lab, _profile("lab4"), "lab", np.dtype(np.float64)).astype(np.float32)
    return to_depth(rgb, 8 * min(samples.itemsize, 4))


def _transformed(pixels: np.ndarray, profile: bytes, colours: str, dtype: np.dtype) -> np.ndarray:
    result: np.ndarray = imagecodecs.cms_transform(
        pixels,
        profile,
        _profile("srgb"),
        colorspace=colours,
        outcolorspace="rgb",
        outdtype=dtype,
        intent=_RELATIVE,
        flags=_BLACK_POINT,
    )
    return result
