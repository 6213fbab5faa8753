"""Metadata without what tells of people, places and cameras."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from imgtk.image import Metadata
from imgtk.io import exif

KEEP, STRIP, COPYRIGHT = "keep", "strip", "none-but-copyright"
POLICIES = (KEEP, STRIP, COPYRIGHT)
"""What becomes of metadata: all are kept; none but those that pixels need to look right; or copyright besides."""

_TAGS = (315, 33432)  # artist and copyright (TIFF 6.0, section 8)
_TEXTS = ("copyright", "author", "artist")
_DATASETS = ((1, 90), (2, 80), (2, 110), (2, 115), (2, 116))
"""Records of IPTC-IIM 4.1: the encoding of texts, by-line, credit, source, copyright notice."""

_ELEMENTS = re.compile(rb"<((?:dc:(?:rights|creator)|xmpRights:\w+))\b[^>]*?(?:/>|>.*?</\1>)", re.DOTALL)
_ATTRIBUTES = re.compile(rb"\s((?:dc:rights|xmpRights:\w+)\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))")
_PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/"%b>%b</rdf:Description></rdf:RDF></x:xmpmeta>'
)


def stripped(metadata: Metadata, policy: str) -> Metadata:
    """Return the metadata that a policy of `POLICIES` leaves. Colours, resolution and how the file was encoded
    stay always."""
    if policy == KEEP:
        return metadata
    nothing: dict[str, Any] = dict.fromkeys(("exif", "xmp", "xmp_extension", "iptc", "geo"))
    bare = replace(metadata, text={}, **nothing)
    if policy == STRIP:
        return bare
    tags = exif.parse(metadata.exif) if metadata.exif else {}
    return replace(
        bare,
        exif=exif.from_tags({tag: tags[tag] for tag in _TAGS if tag in tags}),
        xmp=_rights(metadata.xmp or b""),
        iptc=b"".join(whole for key, whole in _records(metadata.iptc or b"") if key in _DATASETS) or None,
        text={key: value for key, value in metadata.text.items() if key.lower() in _TEXTS},
    )


def _rights(xmp: bytes) -> bytes | None:
    """Return a packet of what another one says of rights and creators (XMP Specification Part 1, 8.4 and 8.5)."""
    elements = [found[0] for found in _ELEMENTS.finditer(xmp)]
    attributes = [b" " + found[1] for found in _ATTRIBUTES.finditer(_ELEMENTS.sub(b"", xmp))]
    return _PACKET % (b"".join(attributes), b"".join(elements)) if elements or attributes else None


def _records(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Yield record, number and all bytes of each dataset of IPTC-IIM (4.1, 1.5), as far as it is sound."""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        record, number, length = struct.unpack_from(">BBH", data, at + 1)
        if length & 0x8000 or at + 5 + length > len(data):
            return
        yield (record, number), data[at : at + 5 + length]
        at += 5 + length
