"""What PNG files carry beside pixels.

Pillow refuses files whose texts or profile are large, so the chunks are read here, and decoders get the pixels alone.
Section numbers are those of the PNG specification, third edition (W3C, 2025).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from imgtk.errors import ReadError
from imgtk.image import Metadata
from imgtk.io import colour, iptc
from imgtk.io import exif as exif_block
from imgtk.io.metadata import valid_profile

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_BYTES = 1 << 26
"""Bytes of a text, profile or packet above which it is left out: files of a few kilobytes can hold gigabytes."""

_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")
_DATA = (b"IDAT", b"fdAT")
METRES_PER_INCH = 0.0254
_XMP = "XML:com.adobe.xmp"
_RAW_EXIF, _RAW_IPTC = (
    ("Raw profile type exif", "Raw profile type APP1"),
    ("Raw profile type iptc", "Raw profile type 8bim"),
)
"""ImageMagick's texts for what PNG had no chunk for, and for IPTC has none still; other programs know them, too."""
_GRAY, _INDEXED = (b"\0", b"\4"), b"\3"  # 11.2.1


def chunks(file: BinaryIO, *, skip: tuple[bytes, ...] = ()) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield kind, contents and all bytes of each chunk up to the end of the image; without contents of the kinds in
    `skip`.

    Raises:
        ReadError: if a chunk is cut short or its checksum is wrong.
    """
    file.seek(len(SIGNATURE))
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in skip:
            file.seek(length + 4, 1)
            yield kind, b"", b""
            continue
        body = file.read(length + 4)
        if len(body) < length + 4:
            raise ReadError("the image in it is damaged or cut short")
        if kind not in _DATA and zlib.crc32(body[:length], zlib.crc32(kind)) != int.from_bytes(body[length:], "big"):
            raise ReadError(f"the image in it is damaged or cut short (the checksum of {kind.decode('latin-1')})")
        yield kind, body[:length], head + body
        if kind == b"IEND":
            return


def pixels_alone(file: BinaryIO) -> bytes:
    """Return the PNG file without all that is not needed to decode it."""
    return SIGNATURE + b"".join(whole for kind, _, whole in chunks(file) if kind in _PIXELS)


def without_pixels(file: BinaryIO) -> bytes:
    """Return the PNG file without pixels, and without all that decoders need not know."""
    kept = [whole for kind, _, whole in chunks(file, skip=_DATA) if kind in _PIXELS and kind != b"IEND"]
    return SIGNATURE + b"".join([*kept, *(chunk(kind, b"") for kind in (b"IDAT", b"IEND"))])


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return the bytes of a chunk (5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def raw_profile(kind: bytes, block: bytes) -> tuple[bytes, bytes]:
    """Return kind and contents of the chunk that holds a block as ImageMagick stores it: see `_raw`."""
    digits = block.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = b"\n%b\n%8d\n%b\n" % (kind, len(block), lines)
    return b"zTXt", b"Raw profile type " + kind + b"\0\0" + zlib.compress(text)


@dataclass
class _Found:
    """The contents of chunks."""

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    texts: dict[str, list[str]] = field(default_factory=dict)
    gamma: float = 0.0
    primaries: tuple[float, ...] = ()
    srgb: bool = False
    cicp: tuple[int, int, int, int] | None = None
    warnings: list[str] = field(default_factory=list)


def metadata(file: BinaryIO) -> Metadata:
    """Return what the file carries, with the orientation as it states it. Pixels are skipped."""
    found, gray, indexed = _Found(), False, False
    for kind, data, _ in chunks(file, skip=_DATA):
        if kind == b"IHDR":
            gray, indexed = data[9:10] in _GRAY, data[9:10] == _INDEXED
        elif reader := _READERS.get(kind):
            try:
                reader(found, data)
            except (ValueError, IndexError, struct.error, zlib.error):
                found.warnings.append(f"a damaged {kind.decode()} chunk is left out")
    raw = _raw(found, _RAW_EXIF)
    records = _raw(found, _RAW_IPTC)
    if records and not records.startswith(b"\x1c"):
        records = iptc.from_resources(records)
    cicp = found.cicp
    icc = valid_profile(found.icc)
    if cicp:
        icc = colour.of_code_points(cicp[0], cicp[1], gray=gray)
    elif not icc and not found.srgb and (found.gamma or found.primaries):
        numbers = found.primaries or (*colour.D65, *colour.BT709)
        icc = colour.of_gamma(found.gamma or colour.SRGB_GAMMA, numbers[2:], (numbers[0], numbers[1]), gray=gray)
    if not found.exif and raw and exif_block.is_block(raw):
        found.exif = raw
    return Metadata(
        icc=icc,
        exif=found.exif if found.exif and exif_block.is_block(found.exif) else None,
        xmp=found.xmp,
        dpi=found.dpi,
        iptc=records,
        indexed=indexed,
        text={key: "\n".join(values) for key, values in found.texts.items()},
        cicp=cicp,
        warnings=tuple(found.warnings),
    )


def _raw(found: _Found, keys: tuple[str, ...]) -> bytes | None:
    """Return the block within the first of ImageMagick's texts: a name, a length, and hexadecimal digits."""
    texts = [text for key in keys for text in found.texts.pop(key, ())]
    try:
        block = bytes.fromhex("".join(texts[0].split("\n")[3:])) if texts else b""
    except ValueError:
        return None
    while block.startswith(b"Exif\0\0"):
        block = block.removeprefix(b"Exif\0\0")
    return block or None


def _inflated(found: _Found, data: bytes, what: str) -> bytes | None:
    stream = zlib.decompressobj()
    result = stream.decompress(data, MAX_BYTES)
    if stream.unconsumed_tail:
        found.warnings.append(f"{what} of more than {MAX_BYTES >> 20} MB is left out")
        return None
    return result


def _iccp(found: _Found, data: bytes) -> None:
    _, _, rest = data.partition(b"\0")
    found.icc = _inflated(found, rest[1:], "an ICC profile")


def _text(found: _Found, data: bytes) -> None:
    key, _, value = data.partition(b"\0")
    _keep(found, key, value.decode("latin-1"))


def _ztxt(found: _Found, data: bytes) -> None:
    key, _, rest = data.partition(b"\0")
    value = _inflated(found, rest[1:], "a text")
    if value is not None:
        _keep(found, key, value.decode("latin-1"))


def _itxt(found: _Found, data: bytes) -> None:
    key, _, rest = data.partition(b"\0")
    value = rest[2:].split(b"\0", 2)[2]  # after the language and the translated keyword
    text = _inflated(found, value, "a text") if rest[0] else value
    if text is None:
        return
    if key.decode("latin-1") == _XMP:
        found.xmp = text
    else:
        _keep(found, key, text.decode("utf-8", "replace"))


def _keep(found: _Found, key: bytes, value: str) -> None:
    name = key.decode("latin-1")
    if name == _XMP:
        found.xmp = value.encode()
    else:
        found.texts.setdefault(name, []).append(value)


def _exif(found: _Found, data: bytes) -> None:
    while data.startswith(b"Exif\0\0"):
        data = data.removeprefix(b"Exif\0\0")
    found.exif = data


def _phys(found: _Found, data: bytes) -> None:
    x, y, unit = struct.unpack(">IIB", data)
    if unit == 1 and x and y:
        found.dpi = (x * METRES_PER_INCH, y * METRES_PER_INCH)
    elif x != y:
        found.warnings.append(f"the shape of pixels, {x}:{y}, is left out")


def _gama(found: _Found, data: bytes) -> None:
    (value,) = struct.unpack(">I", data)
    found.gamma = 100_000 / value if value else 0.0


def _chrm(found: _Found, data: bytes) -> None:
    found.primaries = tuple(value / 100_000 for value in struct.unpack(">8I", data))


def _srgb(found: _Found, data: bytes) -> None:
    found.srgb = True


def _cicp(found: _Found, data: bytes) -> None:
    found.cicp = struct.unpack(">4B", data)


_READERS = {
    b"iCCP": _iccp,
    b"tEXt": _text,
    b"zTXt": _ztxt,
    b"iTXt": _itxt,
    b"eXIf": _exif,
    b"pHYs": _phys,
    b"gAMA": _gama,
    b"cHRM": _chrm,
    b"sRGB": _srgb,
    b"cICP": _cicp,
}
