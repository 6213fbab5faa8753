"""Similarity of images and of sets of images. Images are (N, 3, H, W) tensors, RGB, 0..1; scores are averages over
them.

`psnr_y` and `ssim_y` follow the protocol of super-resolution papers: both images rounded to 8 bits, a border of the
scale cut off, luma of BT.601 in limited range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf, log10

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "diversity",
    "feature_distance",
    "fid",
    "kid",
    "limited_luma",
    "precision_recall",
    "psnr",
    "psnr_y",
    "ssim",
    "ssim_y",
]


def psnr(x: Tensor, y: Tensor, *, peak: float = 1.0) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite for equal images.

    Args:
        x, y: any equal shapes.
        peak: the largest possible value.

    >>> round(psnr(torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.1)), 3)
    20.0
    """
    _check_shapes(x, y)
    error = (x.double() - y.double()).square().mean().item()
    return 10 * log10(peak**2 / error) if error else inf


def ssim(x: Tensor, y: Tensor, *, peak: float = 1.0) -> float:
    """Return the structural similarity, at most 1 (Wang et al. 2004: Gaussian window 11 x 11, sigma 1.5, K = 0.01 and
    0.03).

    It is what scikit-image gives with `gaussian_weights=True, use_sample_covariance=False`: an average over the
    positions where the window fits.

    Args:
        x, y: (N, C, H, W), both sides at least 11.
        peak: the largest possible value.

    Raises:
        ValueError: for images smaller than the window.
    """
    _check_shapes(x, y)
    if min(x.shape[2:]) < 11:
        raise ValueError(f"SSIM needs images of at least 11x11 pixels, got {x.shape[3]}x{x.shape[2]}")
    line = torch.exp(torch.linspace(-5, 5, 11, dtype=torch.float64, device=x.device).square() / (-2 * 1.5**2))
    line = line / line.sum()

    def local_mean(value: Tensor) -> Tensor:
        flat = value.flatten(0, 1)[:, None]
        return F.conv2d(F.conv2d(flat, line.view(1, 1, 11, 1)), line.view(1, 1, 1, 11))

    x, y = x.double(), y.double()
    mean_x, mean_y = local_mean(x), local_mean(y)
    variance_x = local_mean(x * x) - mean_x * mean_x
    variance_y = local_mean(y * y) - mean_y * mean_y
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x.square() + mean_y.square() + c1) * (variance_x + variance_y + c2)
    return similarity.mean().item()


def limited_luma(x: Tensor) -> Tensor:
    """Return (N, 3, H, W) RGB of 0..1 to (N, 1, H, W) luma of 16..235 (ITU-R BT.601, limited range; not rounded)."""
    weights = torch.tensor([65.481, 128.553, 24.966], device=x.device, dtype=torch.float64)
    return 16 + torch.einsum("nchw,c->nhw", x.double(), weights)[:, None]


def psnr_y(x: Tensor, y: Tensor, *, border: int) -> float:
    """Return the PSNR of luma by the super-resolution protocol, in dB.

    Args:
        x, y: (N, 3, H, W); both are rounded to 8 bits.
        border: pixels cut off each side, by custom the scale.
    """
    return _on_luma(psnr, x, y, border)


def ssim_y(x: Tensor, y: Tensor, *, border: int) -> float:
    """Return the SSIM of luma by the super-resolution protocol; arguments as for `psnr_y`."""
    return _on_luma(ssim, x, y, border)


def feature_distance(
    x: Tensor, y: Tensor, features: Callable[[Tensor], Mapping[str, Tensor]], *, epsilon: float = 1e-10
) -> float:
    """Return the perceptual distance of images: 0 if a feature network cannot tell them apart.

    It is LPIPS (Zhang et al. 2018, eq. 1) with all learned weights set to 1: features are normalised to unit length at
    each position, their squared differences are summed over channels, and averaged over positions and then over layers.

    Args:
        x, y: (N, 3, H, W).
        features: maps images to (N, C, H', W') by layer, such as `imgtk.nn.features.load_features()`.
        epsilon: keeps positions without any feature at zero.
    """
    _check_shapes(x, y)

    def unit(value: Tensor) -> Tensor:
        return value / (value.norm(dim=1, keepdim=True) + epsilon)

    with torch.inference_mode():
        ours, theirs = features(x), features(y)
        layers = [(unit(ours[name]) - unit(theirs[name])).square().sum(1).mean() for name in ours]
        return torch.stack(layers).mean().item()


def kid(x: Tensor, y: Tensor) -> float:
    """Return the kernel distance of two sets of images, whose expectation is 0 for equal distributions.

    It is the unbiased estimate of the squared maximum mean discrepancy with a cubic kernel (Binkowski et al. 2018,
    section 4; "KID" when the features are Inception's), so it can be slightly negative, and small sets are enough.

    Args:
        x, y: (N, D) and (M, D), a vector of features per image, such as `imgtk.nn.features.Features.embed` returns.

    Raises:
        ValueError: a set has fewer than two images, or the vectors differ in length.
    """
    x, y = _checked_sets(x, y)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def others(values: Tensor) -> Tensor:
        """Return the mean of a kernel matrix without its diagonal."""
        count = len(values)
        return (values.sum() - values.trace()) / (count * (count - 1))

    return (others(kernel(x, x)) + others(kernel(y, y)) - 2 * kernel(x, y).mean()).item()


def fid(x: Tensor, y: Tensor) -> float:
    """Return the Frechet distance of two sets of images, each taken as a normal distribution (Heusel et al. 2017,
    equation 6).

    It is "FID" when the features are Inception's. Unless the sets are much larger than the vectors are long, it is
    biased upwards; `kid` has no such bias.

    Args and errors are those of `kid`.
    """
    x, y = _checked_sets(x, y)
    covariances = x.T.cov(), y.T.cov()
    root = torch.linalg.eigvals(covariances[0] @ covariances[1]).real.clamp_min(0).sqrt().sum()
    distance = (x.mean(0) - y.mean(0)).square().sum() + covariances[0].trace() + covariances[1].trace() - 2 * root
    return distance.clamp_min(0).item()


def precision_recall(x: Tensor, y: Tensor, *, neighbours: int = 3) -> tuple[float, float]:
    """Return what share of the images `x` look like some of `y`, and what share of `y` look like some of `x`.

    An image looks like one of a set if it is nearer to that one than some of its nearest neighbours within the set
    ("Improved precision and recall metric for assessing generative models", Kynkäänniemi et al. 2019, section 2).

    Args:
        x, y: vectors of generated and of real images, as for `kid`.
        neighbours: which of the nearest neighbours tells how far.

    Raises:
        ValueError: as `kid`, or for sets of no more than so many images.
    """
    x, y = _checked_sets(x, y)
    if min(len(x), len(y)) <= neighbours:
        raise ValueError(f"two sets of more than {neighbours} vectors are needed, got {x.shape} and {y.shape}")

    def like(ours: Tensor, theirs: Tensor) -> float:
        radii = torch.cdist(theirs, theirs).kthvalue(neighbours + 1).values  # the first is the image itself
        return (torch.cdist(ours, theirs) <= radii).any(1).double().mean().item()

    return like(x, y), like(y, x)


def diversity(x: Tensor) -> float:
    """Return the mean distance between two images of a set: 0 if all look alike.

    Args:
        x: (N, D), at least 2 vectors of features, such as `imgtk.nn.features.Features.embed` returns.
    """
    x, _ = _checked_sets(x, x)
    return (torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))).item()


def _checked_sets(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if min(len(x), len(y)) < 2 or x.shape[1:] != y.shape[1:] or x.ndim != 2:
        raise ValueError(f"two sets of at least 2 vectors of one length are needed, got {x.shape} and {y.shape}")
    return x.double(), y.double()


def _on_luma(metric: Callable[..., float], x: Tensor, y: Tensor, border: int) -> float:
    _check_shapes(x, y)
    height, width = x.shape[2:]
    if min(height, width) <= 2 * border:
        raise ValueError(f"nothing is left of {width}x{height} pixels without a border of {border}")
    x, y = (
        limited_luma((image.float().clamp(0, 1) * 255).round() / 255)[
            :, :, border : height - border, border : width - border
        ]
        for image in (x, y)
    )
    return metric(x, y, peak=255.0)


def _check_shapes(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        raise ValueError(f"the images differ in shape: {tuple(x.shape)} and {tuple(y.shape)}")
