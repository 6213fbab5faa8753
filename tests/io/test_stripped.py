"""`--metadata`: what tells of people, places and cameras is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from samples import in_pieces, metadata, sample_image

from imgtk.batch import run
from imgtk.image import Metadata
from imgtk.io import WriteOptions, exif, read, write
from imgtk.io.stripped import COPYRIGHT, KEEP, STRIP, stripped
from imgtk.pipeline import Pipeline

RIGHTS = b'<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">(c) Ada</rdf:li></rdf:Alt></dc:rights>'
CREATOR = b"<dc:creator><rdf:Seq><rdf:li>Ada</rdf:li></rdf:Seq></dc:creator>"
XMP = (
    b'<x:xmpmeta><rdf:RDF><rdf:Description xmlns:dc="x" xmpRights:Marked="True" exif:GPSLatitude="1,2N">'
    + RIGHTS
    + b"<dc:title>Where I live</dc:title>"
    + CREATOR
    + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def dataset(record: int, number: int, value: bytes) -> bytes:
    return bytes([0x1C, record, number]) + len(value).to_bytes(2, "big") + value


NOTICE = dataset(2, 116, b"(c) Ada")
IPTC = dataset(2, 5, b"a title") + NOTICE + dataset(2, 92, b"my street")


def carried() -> Metadata:
    tags = {271: "Maker", 315: "Ada", 33432: "(c) Ada", 0x8825: {1: "N", 2: (1.0, 2.0, 3.0)}}
    text = {"Comment": "private", "Copyright": "(c) Ada"}
    return replace(metadata(), exif=exif.from_tags(tags), xmp=XMP, iptc=IPTC, text=text)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif", ".bmp"])
@pytest.mark.parametrize("policy", [STRIP, COPYRIGHT])
def test_nothing_private_is_written(tmp_path, suffix, policy):
    image = sample_image(metadata=carried())
    for make in (write, in_pieces):
        path = make(image, tmp_path / f"{make.__name__}{suffix}", WriteOptions(metadata=policy))
        data = path.read_bytes()
        for word in (b"Maker", b"private", b"street", b"GPS", b"live", b"title"):
            assert word not in data, word
        kept = read(path).metadata
        if suffix != ".bmp":
            assert kept.icc == image.metadata.icc
        assert kept.dpi is None or kept.dpi[0] == pytest.approx(300, abs=0.1)
        if policy == STRIP:
            assert (kept.exif, kept.xmp, kept.iptc, dict(kept.text)) == (None, None, None, {})
        elif suffix != ".bmp":
            assert exif.parse(kept.exif)[33432] == "(c) Ada"
            assert RIGHTS in kept.xmp
            assert CREATOR in kept.xmp
            assert b'xmpRights:Marked="True"' in kept.xmp


def test_what_copyright_is():
    kept = stripped(carried(), COPYRIGHT)
    assert kept.iptc == NOTICE
    assert kept.text == {"Copyright": "(c) Ada"}
    assert stripped(carried(), KEEP) == carried()
    assert stripped(metadata(), COPYRIGHT).xmp is None
    assert stripped(replace(metadata(), exif=None, iptc=b"\x1c\2\x74\xff"), COPYRIGHT).iptc is None
    assert stripped(Metadata(), COPYRIGHT) == Metadata()


@pytest.mark.parametrize("memory", [None, 1])
def test_saved_images_are_stripped_too(tmp_path, monkeypatch, memory):
    monkeypatch.chdir(tmp_path)
    write(sample_image(metadata=carried(), size=(40, 30)), "in.tif")
    pipeline = Pipeline('save "{name}-saved.tif" | upscale:nearest x2', device="cpu")
    if memory:
        monkeypatch.setattr(Pipeline, "exceeds_memory", lambda *_: True)
    (row,) = run(pipeline, "in.tif", "out.tif", write=WriteOptions(metadata=STRIP))
    assert row.error is None
    assert not any("EXIF" in warning for warning in row.warnings)
    for path in ("out.tif", "in-saved.tif"):
        assert b"Ada" not in (tmp_path / path).read_bytes(), path
