"""Metadata as Pillow hands it over, and its correction for the upright image."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO

import PIL.Image
from PIL import ImageCms

from imgtk.image import Metadata
from imgtk.io import exif as exif_block
from imgtk.io import jpeg

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))([1-8])")
_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1\0"

# What tells of something beside the image, as attributes and as elements of XMP.
_BESIDE = {
    "the gain map (Ultra HDR)": (
        re.compile(rb"\s+(hdrgm|HDRGainMap):\w+\s*=\s*(\"[^\"]*\"|'[^']*')"),
        re.compile(rb"\s*<((?:hdrgm|HDRGainMap):\w+)[^>]*?(?:/>|>.*?</\1>)", re.DOTALL),
    ),
    "the clip of a motion photo": (
        re.compile(rb"\s+(GCamera|Camera):(MotionPhoto|MicroVideo)\w*\s*=\s*(\"[^\"]*\"|'[^']*')"),
        re.compile(rb"\s*<((?:GCamera|Camera):(?:MotionPhoto|MicroVideo)\w*)[^>]*?(?:/>|>.*?</\1>)", re.DOTALL),
    ),
}
_DIRECTORY = re.compile(rb"\s*<(G?Container:Directory)[^>]*?(?:/>|>.*?</\1>)", re.DOTALL)
_RAW_EXIF = "Raw profile type exif"  # ImageMagick's way to put EXIF into PNG before the eXIf chunk existed
_PNG_XMP = "XML:com.adobe.xmp"


def of_pillow(image: PIL.Image.Image) -> Metadata:
    """Return the metadata of a Pillow image, with the orientation as the file states it."""
    info = image.info
    stream = getattr(image, "png", None)  # as long as the image is not loaded
    texts = stream.im_text if stream else getattr(image, "text", {})
    text = {key: str(value) for key, value in texts.items() if key not in (_RAW_EXIF, _PNG_XMP)}
    if image.format != "PNG" and info.get("comment"):  # in PNG it is one of the texts
        text["Comment"] = _decoded(info["comment"])
    exif, (dpi, warnings) = _exif(image), _resolution(image)
    xmp, gone = truthful(_xmp(image))
    segments = getattr(image, "applist", ())
    if any(name == "APP2" and data.startswith(_GAIN_MAP) for name, data in segments) and not gone:
        gone = ["the gain map (Ultra HDR) is left out"]
    if image.format == "MPO" and not gone:
        warnings.append("further images of the file are left out")
    return Metadata(
        icc=valid_profile(info.get("icc_profile")),
        exif=exif,
        xmp=xmp,
        dpi=_stated(image, dpi, exif),
        text=text,
        iptc=jpeg.resources(info),
        xmp_extension=jpeg.extended_xmp(segments) if xmp and b"HasExtendedXMP" in xmp else None,
        warnings=(*warnings, *gone),
    )


def warned(metadata: Metadata, warning: str) -> Metadata:
    return replace(metadata, warnings=(*metadata.warnings, warning))


def truthful(xmp: bytes | None) -> tuple[bytes | None, list[str]]:
    """Return the XMP packet without what it says of a gain map or of a clip beside the image; and warnings of that."""
    warnings = []
    for what, forms in _BESIDE.items():
        without = xmp or b""
        for form in forms:
            without = form.sub(b"", without)
        if xmp and without != xmp:
            xmp = _DIRECTORY.sub(b"", without)
            warnings.append(f"{what} is left out")
    return xmp, warnings


def orientation(metadata: Metadata) -> int:
    """Return 1 (upright) to 8: what EXIF states, else what XMP states."""
    stated = exif_block.orientation(metadata.exif) if metadata.exif else None
    match = _XMP_ORIENTATION.search(metadata.xmp or b"")
    return stated or (int(match[2]) if match else 1)


def upright(metadata: Metadata) -> Metadata:
    """Return `metadata` for the image after its orientation has been applied."""
    return replace(
        metadata,
        exif=metadata.exif and exif_block.upright(metadata.exif),
        xmp=metadata.xmp and _XMP_ORIENTATION.sub(rb"\g<1>1", metadata.xmp),
    )


def valid_profile(icc: bytes | None, *, colours: bytes | None = None) -> bytes | None:
    """Return `icc` if it is an ICC profile and, where `colours` is given, one of that colour space ("RGB ", "GRAY");
    the offsets are those of the profile header in ICC.1:2022, 7.2."""
    if not icc or len(icc) < 128 or icc[36:40] != b"acsp" or (colours and icc[16:20] != colours):
        return None
    return icc


def special_profile(metadata: Metadata) -> str:
    """Return what the ICC profile calls itself; empty if there is none, or it is sRGB."""
    if not metadata.icc:
        return ""
    try:
        name = str(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(metadata.icc)))).strip()
    except (ImageCms.PyCMSError, OSError):
        name = ""
    return "" if "srgb" in name.lower() else name or "without a name"


def _decoded(comment: bytes | str) -> str:
    if isinstance(comment, str):
        return comment
    try:
        return comment.decode().rstrip("\0")
    except UnicodeDecodeError:  # the formats name no encoding
        return comment.decode("latin-1").rstrip("\0")


def _exif(image: PIL.Image.Image) -> bytes | None:
    block = image.info.get("exif")
    if block is None and _RAW_EXIF in image.info:
        try:
            block = bytes.fromhex("".join(image.info[_RAW_EXIF].split("\n")[3:]))
        except ValueError:  # the image itself may be sound
            return None
    if block is None and image.format == "TIFF":
        return exif_block.from_tags(exif_block.descriptive_tags(image.getexif()))
    while block and block.startswith(b"Exif\0\0"):
        block = block.removeprefix(b"Exif\0\0")
    return block if block and exif_block.is_block(block) else None


def _xmp(image: PIL.Image.Image) -> bytes | None:
    xmp = image.info.get("xmp") or image.info.get(_PNG_XMP)
    return xmp.encode() if isinstance(xmp, str) else xmp


def _resolution(image: PIL.Image.Image) -> tuple[tuple[float, float] | None, list[str]]:
    """Return what Pillow says of the resolution, and a warning of pixels that are not square."""
    dpi = image.info.get("dpi")
    density, unit = image.info.get("jfif_density"), image.info.get("jfif_unit")
    if unit == 0 and density and density[0] != density[1] and min(density) > 0:
        return None, [f"the shape of pixels, {density[0]}:{density[1]}, is left out"]
    return (None if dpi is None or min(dpi) <= 0 else dpi), []


def _stated(image: PIL.Image.Image, dpi: tuple[float, float] | None, exif: bytes | None) -> tuple[float, float] | None:
    """Return the resolution, if the file states it: else Pillow gives 72 dpi to JPEG and 1 to TIFF."""
    if dpi is None or (image.format == "TIFF" and tuple(dpi) == (1, 1)):
        return None
    if image.format in ("JPEG", "MPO") and not image.info.get("jfif_unit"):
        return (float(dpi[0]), float(dpi[1])) if exif_block.states_resolution(exif or b"") else None
    return float(dpi[0]), float(dpi[1])
