"""Images that Pillow decodes: JPEG, PNG, WebP, GIF, AVIF, PNM, and HEIC with pi-heif."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import PIL.Image
from PIL.ImageFile import ImageFile

from imgtk.errors import ReadError
from imgtk.geometry import Size
from imgtk.image import Image, Metadata
from imgtk.io import codecs, colour, jpeg, png, png_chunks
from imgtk.io import metadata as meta
from imgtk.io.containers import avif_facts, is_lossless_webp
from imgtk.io.convert import assembled, from_pillow, oriented
from imgtk.io.header import Header, check_frames, check_size, upright_size
from imgtk.io.quiet import without_warnings
from imgtk.io.signatures import HEIC, signature

# What Pillow may open: formats with one image of 8 bits in them, or known to `png` and `codecs`. Others are either not
# decoded by Pillow itself (EPS starts Ghostscript) or would lose bits silently (JPEG 2000).
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM", "AVIF")
_GRAY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")


def header(file: BinaryIO, max_pixels: int) -> Header:
    """Return what a file says of its image; of PNG, with the metadata that `png_chunks` reads."""
    head = file.read(32)
    file.seek(0)
    if head.startswith(png.SIGNATURE):
        metadata = png_chunks.metadata(file)
        with opened(BytesIO(png_chunks.without_pixels(file)), max_pixels) as image:
            return _header(image, metadata, gray=png.is_gray(head), depth=max(8, png.bit_depth(head)))
    with opened(file, max_pixels) as image:
        bits, gray = _samples(file, image)
        depth = 16 if bits > 8 else 8
        metadata = metadata_of(file, image)
        return _header(image, metadata, gray=gray, depth=depth, endless=not _has_end(file, image))


def decoded(file: BinaryIO, path: Path, max_pixels: int) -> Image:
    """Return the image in a file, upright, with its metadata."""
    head = file.read(32)
    file.seek(0)
    if head.startswith(png.SIGNATURE):
        return _decoded_png(file, head, path, max_pixels)
    with opened(file, max_pixels) as image:
        metadata = metadata_of(file, image)
        bits, gray = _samples(file, image)
        if bits > 8 or (gray and image.mode == "RGBA"):
            return _decoded_deep(file, image, bits, gray, metadata, path)
        try:
            return from_pillow(image, path, metadata)
        except OSError:
            file.seek(0)
            data = jpeg.completed(file.read()) if image.format in ("JPEG", "MPO") else None
            if data is None:
                raise
    with opened(BytesIO(data), max_pixels) as image:
        return from_pillow(image, path, meta.warned(metadata, "the end of the file is missing, and no pixel"))


@contextmanager
def opened(file: BinaryIO, max_pixels: int) -> Iterator[ImageFile]:
    """Open the image in any file except TIFF, without decoding it. It must have a format that imgtk reads."""
    formats: tuple[str, ...] = _FORMATS
    head = file.read(32)
    file.seek(0)
    if signature(head) == HEIC:
        import pi_heif

        pi_heif.register_heif_opener()
        formats = ("HEIF",)
    with without_limit():
        image_file = PIL.Image.open(file, formats=formats)
    with image_file as image:
        check_size(image.width, image.height, max_pixels)
        frames = 1 if image.format in ("MPO", "HEIF") else getattr(image, "n_frames", 1)  # photos with previews
        check_frames(frames)
        if image.format == "PPM" and _is_deep_colour(image):
            raise ReadError("imgtk does not read 16-bit colour PNM", hint="Convert it to PNG or TIFF.")
        yield image


@contextmanager
def without_limit() -> Iterator[None]:
    """Let Pillow open images of any size: our limit takes the place of its own, which is below what cameras make."""
    with without_warnings():  # which also holds a lock, since the limit belongs to the whole process
        limit, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            PIL.Image.MAX_IMAGE_PIXELS = limit


def _header(image: ImageFile, metadata: Metadata, *, gray: bool, depth: int, endless: bool = False) -> Header:
    turned = meta.orientation(metadata)
    deep = {"F": 32, "I": 16}.get(image.mode.partition(";")[0], depth)
    channels = (1 if gray else 3) + image.has_transparency_data
    kind = str(image.format)
    whole = "" if kind in ("JPEG", "MPO", "PNG") else kind
    if image.info.get("progressive") or image.info.get("interlace"):
        whole = f"progressive {kind}"
    if image.mode in ("CMYK", "LAB"):
        whole = f"{kind} with colours as {image.mode}"
    if endless:
        whole = f"{kind} without an end"
    return Header(upright_size(Size(*image.size), turned), channels, deep, metadata, turned, whole)


def _samples(file: BinaryIO, image: ImageFile) -> tuple[int, bool]:
    """Return the bits of a sample in the file, and whether it is gray: of AVIF and HEIC, Pillow gives 8 bits, and those
    with alpha in colour."""
    if image.format == "AVIF":
        facts = avif_facts(file)
        return facts.bits, facts.gray
    if image.format == "HEIF":
        return int(image.info["bit_depth"]), image.mode in _GRAY
    return 8, image.mode in _GRAY


def _has_end(file: BinaryIO, image: ImageFile) -> bool:
    """Return whether the end marker of a JPEG is somewhere in the last megabyte."""
    if image.format not in ("JPEG", "MPO"):
        return True
    at = file.tell()
    file.seek(max(0, file.seek(0, 2) - (1 << 20)))
    found = b"\xff\xd9" in file.read()
    file.seek(at)
    return found


def metadata_of(file: BinaryIO, image: ImageFile) -> Metadata:
    """Return what the file carries that Pillow has opened as `image`, with the orientation as it states it."""
    if image.format == "PNG":
        return png_chunks.metadata(file)
    metadata = meta.of_pillow(image)
    if image.format == "WEBP":
        return replace(metadata, lossless=is_lossless_webp(file))
    if image.format == "GIF":
        return replace(metadata, indexed=True)
    if tables := getattr(image, "quantization", None):
        return replace(metadata, quality=jpeg.quality(tables))
    points: tuple[int, int, int, int] | None = None
    if image.format == "AVIF":
        points = avif_facts(file).points
    elif profile := image.info.get("nclx_profile"):
        points = int(profile["color_primaries"]), int(profile["transfer_characteristics"]), 0, 1
    if points and not metadata.icc:
        return replace(metadata, cicp=(points[0], points[1], 0, 1), icc=colour.of_code_points(*points[:2]))
    return metadata


def _decoded_deep(file: BinaryIO, image: ImageFile, bits: int, gray: bool, metadata: Metadata, path: Path) -> Image:
    """Return an AVIF or HEIC image whose samples Pillow would change."""
    file.seek(0)
    if image.format == "AVIF":
        samples = oriented(codecs.avif(file.read(), bits), meta.orientation(metadata))
    else:
        samples = oriented(codecs.heic(file, bits), meta.orientation(metadata))
    if samples.shape[2] == 4 and gray:
        samples = samples[..., [0, 3]]
    return assembled(samples, has_alpha=samples.shape[2] in (2, 4), metadata=meta.upright(metadata), path=path)


def _decoded_png(file: BinaryIO, head: bytes, path: Path, max_pixels: int) -> Image:
    metadata, depth = png_chunks.metadata(file), png.bit_depth(head)
    data = png_chunks.pixels_alone(file)
    with opened(BytesIO(data), max_pixels) as image:
        if depth in (2, 4) and image.mode == "L" and "transparency" in image.info:
            image.info["transparency"] = png.scaled_key(image.info["transparency"], depth)
        result = from_pillow(image, path, metadata)  # also finds damage, which OpenCV would pass over
        if depth < 16:
            return result
        samples = png.decode_deep(data, image.info.get("transparency"))
        samples = oriented(samples, meta.orientation(metadata))
        return assembled(samples, has_alpha=samples.shape[2] in (2, 4), metadata=result.metadata, path=path)


def _is_deep_colour(image: ImageFile) -> bool:
    """Return whether a PNM image, not yet decoded, has RGB samples of more than 8 bits."""
    arguments = image.tile[0][3]
    return image.mode == "RGB" and isinstance(arguments, tuple) and int(arguments[1]) > 255
