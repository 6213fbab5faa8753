"""Upscaling by the network of SRGAN: SRResNet, trained for PSNR and as a GAN. This module imports no torch."""

from __future__ import annotations

from imgtk.hookspecs import hookimpl
from imgtk.weights.architecture import Architecture


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("SRResNet", "imgtk_srgan.detect:srresnet", "imgtk", "upscale:srresnet"),
        Architecture("MSRResNet", "imgtk_srgan.detect:msrresnet", "BasicSR, KAIR", "upscale:srresnet"),
    ]
