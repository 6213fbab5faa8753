"""Upscaling by networks: ESRGAN's RRDBNet and the compact network of Real-ESRGAN. This module imports no torch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from imgtk.hookspecs import hookimpl
from imgtk.op import OpSpec
from imgtk.preset import Preset
from imgtk.upscaling import upscaler
from imgtk.weights.architecture import Architecture
from imgtk.weights.public import PublicModel, read_public

_upscaler = partial(upscaler, package="imgtk_esrgan")


@hookimpl
def imgtk_operators() -> list[OpSpec]:
    return [
        _upscaler(
            "esrgan",
            "Upscale photos with crisp detail; removes noise and JPEG artefacts (ESRGAN).",
            models={4: "esrgan-x4", 1: "esrgan-x1"},
            denoise=("esrgan-x4-clean", "esrgan-x4"),
            cleans=("esrgan-x4", "esrgan-x1"),
            trainer="imgtk_esrgan.trainer:ESRGANTrainer",
        ),
        _upscaler(
            "rrdb",
            "Upscale faithfully, without invented detail (RRDBNet).",
            models={4: "rrdb-x4"},
            trainer="imgtk_esrgan.trainer:RRDBTrainer",
        ),
        _upscaler(
            "compact",
            "Upscale fast and faithfully (SRVGGNetCompact).",
            models={4: "compact-x4", 2: "compact-x2"},
            cleans=("compact-x4-sharp",),
            others=("compact-x4-sharp",),  # trained for looks, as upscale:esrgan, which is slower
            trainer="imgtk_esrgan.trainer:CompactTrainer",
        ),
        _upscaler(
            "fast",
            "Upscale videos, and anything on slow machines (a tiny SRVGGNetCompact).",
            models={4: "fast-x4"},
            trainer="imgtk_esrgan.trainer:CompactTrainer",
        ),
    ]


@hookimpl
def imgtk_architectures() -> list[Architecture]:
    return [
        Architecture("RRDBNet", "imgtk_esrgan.detect:rrdb", "ESRGAN, BSRGAN, Real-ESRGAN", "upscale:esrgan"),
        Architecture("SRVGGNetCompact", "imgtk_esrgan.detect:compact", "Real-ESRGAN compact", "upscale:compact"),
    ]


@hookimpl
def imgtk_presets() -> list[Preset]:
    return [
        Preset("photo-x2", "upscale:esrgan x2", "A photo at twice its size: crisp, without noise and JPEG artefacts."),
        Preset("photo-x4", "upscale:esrgan x4", "A photo at four times its size."),
        Preset(
            "photo-x4-fast",
            "upscale:compact x4 model=compact-x4-sharp",
            "A photo at four times its size: nearly as crisp, in a fraction of the time.",
        ),
        Preset(
            "old-photo",
            "resize:area x0.5 | upscale:esrgan x4",
            "A scan of an old photo at twice its size, without its grain.",
        ),
        Preset("drawing", "upscale:esrgan x4", "A drawing or anime at four times its size: clean lines, flat areas."),
        Preset("jpeg", "upscale:esrgan x1", "An image at its own size, without JPEG artefacts and noise."),
        Preset("video-x2", "upscale:compact x2", "A video at twice its size, by a fast and faithful network."),
        Preset(
            "print",
            "upscale:esrgan x4",
            "A photo for printing at 300 dpi: four times its size.",
            {"dpi": 300, "quality": 95},
        ),
    ]


@hookimpl
def imgtk_public_weights() -> list[PublicModel]:
    return read_public(Path(__file__).parent / "public.toml")
