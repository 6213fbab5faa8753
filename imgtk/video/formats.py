"""Formats of clips: containers by suffix, encoders and their quality. Imports no library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from imgtk.errors import ReadError, WriteError
from imgtk.io.formats import PNG, WEBP, FileFormat

__all__ = ["Encoding"]


@dataclass(frozen=True)
class Container:
    """A file format for clips.

    Attributes:
        muxer: as FFmpeg calls it.
        suffixes: of file names, lower case, with the dot.
        encoder: writes the frames where the clip's own codec cannot be written into it.
        options: for the muxer.
    """

    muxer: str
    suffixes: tuple[str, ...]
    encoder: str = "libx264"
    options: Mapping[str, str] = field(default_factory=dict)


_INDEX_FIRST = {"movflags": "+faststart"}  # so that a clip plays while it is still being loaded

CONTAINERS = (
    Container("mp4", (".mp4", ".m4v"), options=_INDEX_FIRST),
    Container("mov", (".mov",), options=_INDEX_FIRST),
    Container("matroska", (".mkv",)),
    Container("webm", (".webm",), encoder="libvpx-vp9"),
)

WRITABLE = tuple(suffix for container in CONTAINERS for suffix in container.suffixes)
READABLE = (*WRITABLE, ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv")
"""Suffixes of the files that are taken for clips. Those that are not `WRITABLE` keep no exact times of frames."""

ANY = ".mkv"
"""Suffix of the container that holds nearly all streams that there are."""

ANIMATIONS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
"""Suffixes of the files that may hold an animation, and what Pillow calls their formats."""

CLIP = FileFormat("a clip", WRITABLE, depths=(8, 16), alpha=True)
"""The metadata of images that clips hold: none."""

ANIMATED = {
    "GIF": FileFormat("GIF", (".gif",), alpha=True),
    "WEBP": WEBP,
    "PNG": replace(PNG, depths=(8,)),
}
"""The metadata that animations hold, by Pillow's names of their formats."""

MOVING = (*WRITABLE, *(suffix for suffix in ANIMATIONS if suffix != ".png"))
"""Suffixes of the results that images are made the frames of. A PNG is one image, unless the input moves."""

ENCODERS = {
    "h264": "libx264",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
    "ffv1": "ffv1",
}
"""The encoders of the codecs that a clip keeps; clips with older codecs get the container's own."""

QUALITY = {
    "libx264": ("crf", 18),
    "libx264rgb": ("crf", 18),
    "libx265": ("crf", 20),
    "libvpx": ("crf", 10),
    "libvpx-vp9": ("crf", 24),
    "libsvtav1": ("crf", 24),
    "libaom-av1": ("crf", 24),
    "h264_nvenc": ("cq", 19),
    "hevc_nvenc": ("cq", 21),
    "av1_nvenc": ("cq", 26),
}
"""The option that holds the quality of each encoder constant, and what it is without `--crf`: hard to tell from the
frames themselves at normal size, which the encoders' own defaults, made for streaming, are not."""

ALPHA_IN = {"libvpx": ("matroska", "webm"), "libvpx-vp9": ("matroska", "webm"), "libx265": ()}
"""The muxers that keep the transparency of encoders which lose it in others, silently: that of WebM lies beside
the frames, and libx265 takes such frames but does not open."""

ALPHA_OPTIONS = {"libvpx": {"auto-alt-ref": "0"}}
"""Options with which encoders write transparency."""

_MPEG = ("mpeg1video", "mpeg2video", "mpeg4", "mjpeg")
_MPEG_QUALITY = 3
_LAMBDA = 118  # FF_QP2LAMBDA of FFmpeg's libavutil/avutil.h: its unit of quality

SMALLEST = {"libx265": 64}
"""Least side of the frames that an encoder takes, where smaller ones make it overwrite memory (x265 4.1)."""


@dataclass(frozen=True)
class Encoding:
    """How the frames of a clip are written.

    Attributes:
        codec: name of FFmpeg's encoder or codec; None for the clip's own, where it can be written.
        crf: constant quality, lower is better, in the encoder's own scale; None for `QUALITY`.
        deflicker: share of the previous result that is held where nothing changes, 0 to 1 (excluded); for animations,
            too.
        metadata: whether titles and the like are kept, as for `WriteOptions`.
        rate: frames per second, where images become frames; None for what the file of their times tells, or else 25.
    """

    codec: str | None = None
    crf: float | None = None
    deflicker: float = 0.0
    rate: Fraction | int | None = None
    metadata: str = "keep"


AS_BEFORE = Encoding()

USUAL_RATE = Fraction(25)
"""Frames per second where nothing tells."""

_HIGHEST_RATE = 1000


def rate_of(text: str) -> Fraction:
    """Return frames per second of 25, 24000/1001, or 29.97, which stands for 30000/1001.

    Raises:
        ValueError: if it is no such number, or not above 0 and up to 1000.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= _HIGHEST_RATE or rate.denominator > _HIGHEST_RATE**2:
        raise ValueError(f"{text!r} is not a valid number of frames per second")
    television = Fraction(1000, 1001) * round(rate * Fraction(1001, 1000))  # SMPTE: whole rates, slowed by a thousandth
    decimals = len(text.partition(".")[2])
    return television if rate.denominator > 1 and decimals and round(television, decimals) == rate else rate


def is_clip(path: Path) -> bool:
    """Return whether the suffix says that the file is a clip."""
    return path.suffix.lower() in READABLE


def container_of(path: Path) -> Container:
    """Return the container that the suffix of `path` asks for. Raises WriteError if there is none."""
    for candidate in CONTAINERS:
        if path.suffix.lower() in candidate.suffixes:
            return candidate
    raise WriteError(
        f"cannot write {path}: clips and animations cannot be written as {path.suffix or 'a file without a suffix'}",
        hint=f"They are written as {', '.join((*WRITABLE, *(suffix for suffix in ANIMATIONS if suffix != '.png')))}; "
        "frames of clips, with --format png and a folder for -o, as images.",
    )


def quality_options(encoder: str, crf: float | None) -> dict[str, str]:
    """Return the options of an encoder for a constant quality. Raises WriteError for a `crf` that it does not take."""
    if encoder in _MPEG:
        quality = _MPEG_QUALITY if crf is None else crf
        return {"flags": "+qscale", "global_quality": str(round(quality * _LAMBDA))}
    if encoder in QUALITY:
        option, usual = QUALITY[encoder]
        free = {} if option == "crf" and encoder.startswith("libx26") else {"b": "0"}  # no rate besides the quality
        return {option: f"{usual if crf is None else crf:g}", **free}
    if crf is not None:
        raise WriteError(f"{encoder} takes no --crf", hint=f"These do: {', '.join((*QUALITY, *_MPEG))}.")
    return {}


def check_installed(path: Path) -> None:
    """Raise ReadError if there is no library to read the clip `path` with."""
    if find_spec("av") is None:
        raise ReadError(f"cannot read {path}: clips need PyAV", hint="Install it: pip install 'imgtk[video]'")
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise ReadError(
            f"cannot read {path}: PyAV, which clips need, does not work: {error}",
            hint="Reinstall it: pip install --force-reinstall av",
        ) from error
