"""Upscaling by networks: ESRGAN's RRDBNet and the compact network of Real-ESRGAN. This module imports no torch."""

from __future__ import annotations

from functools import partial

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.upscaling import upscaler
from imgtk.weights.architecture import Architecture

_upscaler = partial(upscaler, package="imgtk_esrgan")


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        _upscaler(
            "esrgan",
            "Upscale photos with crisp detail, without noise and JPEG artefacts (ESRGAN).",
            models={4: "esrgan-x4", 1: "esrgan-x1"},
            denoise=("esrgan-x4-clean", "esrgan-x4"),
            cleans=("esrgan-x4", "esrgan-x1"),
            others=("esrgan-x2",),  # at x2, the x4 network and shrinking look better, in four times the time
            trainer="imgtk_esrgan.trainer:ESRGANTrainer",
        ),
        _upscaler(
            "rrdb",
            "Upscale faithfully: nothing is invented (RRDBNet).",
            models={4: "rrdb-x4"},
            trainer="imgtk_esrgan.trainer:RRDBTrainer",
        ),
        _upscaler(
            "compact",
            "Upscale fast (SRVGGNetCompact).",
            models={4: "compact-x4", 2: "compact-x2"},
            trainer="imgtk_esrgan.trainer:CompactTrainer",
        ),
    ]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("RRDBNet", "imgtk_esrgan.detect:rrdb", "ESRGAN, BSRGAN, Real-ESRGAN", "upscale:esrgan"),
        Architecture("SRVGGNetCompact", "imgtk_esrgan.detect:compact", "Real-ESRGAN compact", "upscale:compact"),
    ]
