"""JPEG files as cameras and programs leave them."""

from __future__ import annotations

import hashlib
import io
import struct

import numpy as np
import PIL.Image
import pytest
from samples import exif, sample_image

from imgtk.errors import ReadError
from imgtk.geometry import Box
from imgtk.io import read, write
from imgtk.io.large import opened
from imgtk.io.read import read_headers

PIXELS = sample_image("rgb", "uint8", (61, 45)).pixels
GUID = b"http://ns.adobe.com/xmp/extension/\0"


def jpeg(*segments: tuple[int, bytes], **options: object) -> bytes:
    data = io.BytesIO()
    PIL.Image.fromarray(PIXELS).save(data, "JPEG", **options)
    extra = b"".join(struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload for marker, payload in segments)
    return data.getvalue()[:2] + extra + data.getvalue()[2:]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}, {"quality": 30}])
def test_only_the_end_is_missing(tmp_path, options):
    whole = jpeg(**options)
    (tmp_path / "whole.jpg").write_bytes(whole)
    for cut in (1, 2):
        (tmp_path / "a.jpg").write_bytes(whole[:-cut])
        image = read(tmp_path / "a.jpg")
        assert np.array_equal(image.pixels, read(tmp_path / "whole.jpg").pixels)
        assert "end of the file is missing" in image.metadata.warnings[0]
        header = read_headers(tmp_path / "a.jpg")[0]
        with opened(tmp_path / "a.jpg", header, 0, tmp_path / "b", 10**9) as kept:
            assert np.array_equal(kept.read(Box.of(kept.size)), image.pixels)
    for cut in (8, 30, len(whole) // 3):
        (tmp_path / "a.jpg").write_bytes(whole[:-cut])
        with pytest.raises(ReadError, match="damaged or cut short"):
            read(tmp_path / "a.jpg")


def test_a_scan_is_missing(tmp_path):
    """What is there decodes without a fault."""
    whole = jpeg(progressive=True)
    (tmp_path / "a.jpg").write_bytes(whole[: whole.rindex(b"\xff\xc4")])
    with pytest.raises(ReadError, match="damaged or cut short"):
        read(tmp_path / "a.jpg")


def test_iptc(tmp_path):
    records = b"\x1c\x02\x05\x00\x05title\x1c\x02\x78\x00\x03cap"
    resource = b"8BIM\4\4\0\0" + struct.pack(">I", len(records)) + records
    (tmp_path / "a.jpg").write_bytes(jpeg((0xED, b"Photoshop 3.0\0" + resource)))
    image = read(tmp_path / "a.jpg")
    assert image.metadata.iptc == records
    for name in ("b.jpg", "b.tif", "c.jpg"):
        image = read(write(image, tmp_path / name))
        assert image.metadata.iptc == records


def test_extended_xmp(tmp_path):
    extension = b"<x:xmpmeta>" + np.random.default_rng(0).bytes(75000).hex().encode() + b"</x:xmpmeta>"
    guid = hashlib.md5(extension).hexdigest().upper().encode()
    packet = b'<x:xmpmeta><rdf:Description dc:title="a" xmpNote:HasExtendedXMP="' + guid + b'"/></x:xmpmeta>'
    parts = [
        (0xE1, GUID + guid + struct.pack(">II", len(extension), at) + extension[at : at + 65000])
        for at in range(0, len(extension), 65000)
    ]
    (tmp_path / "a.jpg").write_bytes(jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet), *parts))
    metadata = read(write(read(tmp_path / "a.jpg"), tmp_path / "b.jpg")).metadata
    assert (metadata.xmp, metadata.xmp_extension) == (packet, extension)
    elsewhere = read(write(read(tmp_path / "a.jpg"), tmp_path / "b.png")).metadata
    assert elsewhere.xmp == b'<x:xmpmeta><rdf:Description dc:title="a"/></x:xmpmeta>'
    (tmp_path / "a.jpg").write_bytes(jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet), *parts[:-1]))
    assert read(tmp_path / "a.jpg").metadata.xmp_extension is None


@pytest.mark.parametrize(
    ("packet", "what"),
    [
        (b'<rdf:Description dc:title="a" hdrgm:Version="1.0" hdrgm:GainMapMax=\'2\'/>', "gain map"),
        (b'<rdf:Description dc:title="a"><hdrgm:Version>1.0</hdrgm:Version></rdf:Description>', "gain map"),
        (b'<rdf:Description dc:title="a" GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"/>', "motion photo"),
        (b'<rdf:Description dc:title="a" GCamera:MicroVideo="1" GCamera:MicroVideoOffset="9"/>', "motion photo"),
    ],
)
def test_what_lies_beside_the_image(tmp_path, packet, what):
    directory = b"<Container:Directory><rdf:Seq><rdf:li>x</rdf:li></rdf:Seq></Container:Directory>"
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + packet + directory + b"</x:xmpmeta>"
    (tmp_path / "a.jpg").write_bytes(jpeg((0xE1, xmp)))
    metadata = read(tmp_path / "a.jpg").metadata
    assert b'dc:title="a"' in metadata.xmp
    assert not any(name in metadata.xmp for name in (b"hdrgm", b"GCamera", b"Container"))
    assert any(what in warning for warning in metadata.warnings)


def test_the_shape_of_pixels(tmp_path):
    data = bytearray(jpeg())
    data[13:18] = struct.pack(">BHH", 0, 2, 1)  # JFIF: no unit, 2:1
    (tmp_path / "a.jpg").write_bytes(data)
    metadata = read(tmp_path / "a.jpg").metadata
    assert metadata.dpi is None
    assert metadata.warnings == ("the shape of pixels, 2:1, is left out",)


@pytest.mark.parametrize("kind", [1, 4])
def test_orientation_of_another_type(tmp_path, kind):
    block = bytearray(exif(6))
    at = next(at for at in range(10, len(block), 12) if block[at : at + 2] in (b"\x12\x01", b"\x01\x12"))
    order = "<" if block[:2] == b"II" else ">"
    struct.pack_into(order + "HHI4s", block, at, 274, kind, 1, struct.pack(order + ("B3x" if kind == 1 else "I"), 6))
    (tmp_path / "a.jpg").write_bytes(jpeg(exif=b"Exif\0\0" + bytes(block)))
    image = read(tmp_path / "a.jpg")
    assert (image.size.width, image.size.height) == (45, 61)
    write(image, tmp_path / "b.jpg")
    assert read(tmp_path / "b.jpg").size == image.size
