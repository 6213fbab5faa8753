"""Upscaling by the network of SRGAN: SRResNet, trained for PSNR and as a GAN. This module imports no torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.upscaling import upscaler
from imgtk.weights.architecture import Architecture
from imgtk.weights.public import PublicModel, read_public

_upscaler = partial(upscaler, package="imgtk_srgan")


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        _upscaler(
            "srresnet",
            "Upscale faithfully, without invented detail (SRResNet).",
            models={4: "srresnet-x4"},
            trainer="imgtk_srgan.trainer:SRResNetTrainer",
        ),
        _upscaler(
            "srgan",
            "Upscale clean images with invented detail, a fifth faster than esrgan (SRGAN).",
            models={4: "srgan-x4"},
            trainer="imgtk_srgan.trainer:SRGANTrainer",
        ),
    ]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("SRResNet", "imgtk_srgan.detect:srresnet", "imgtk", "upscale:srresnet"),
        Architecture("MSRResNet", "imgtk_srgan.detect:msrresnet", "BasicSR, KAIR", "upscale:srresnet"),
    ]


@hookimpl
def imgtk_public_weights() -> list[PublicModel]:
    return read_public(Path(__file__).parent / "public.toml")
