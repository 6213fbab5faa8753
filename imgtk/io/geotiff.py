"""GeoTIFF: where on Earth an image lies, by the tags of OGC GeoTIFF 1.1 (OGC 19-008r4), and two of GDAL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imgtk.geometry import Affine, Size

_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION = 33550, 33922, 34264
_KEYS, _DOUBLES, _TEXTS = 34735, 34736, 34737
_GDAL_METADATA, _GDAL_NODATA = 42112, 42113
_RASTER_TYPE, _PIXEL_IS_POINT = 1025, 2  # a key, and the value with which coordinates are those of pixels' centres
_SHORT, _ASCII, _DOUBLE = 3, 2, 12

TYPES = {
    _PIXEL_SCALE: _DOUBLE,
    _TIE_POINTS: _DOUBLE,
    _TRANSFORMATION: _DOUBLE,
    _KEYS: _SHORT,
    _DOUBLES: _DOUBLE,
    _TEXTS: _ASCII,
    _GDAL_METADATA: _ASCII,
    _GDAL_NODATA: _ASCII,
}
"""The tags and the types of their values."""


@dataclass(frozen=True)
class GeoReference:
    """Where on Earth an image lies.

    Attributes:
        size: of the image.
        tags: as they are in its file.
    """

    size: Size
    tags: Mapping[int, Any]

    def resized(self, size: Size) -> GeoReference:
        """Return the same place for the image at another size."""
        across, down = size.width / self.size.width, size.height / self.size.height
        tags = dict(self.tags)
        shift = 0.5 if self._of_centres else 0.0
        if _PIXEL_SCALE in tags:
            x, y, *z = tags[_PIXEL_SCALE]
            tags[_PIXEL_SCALE] = (x / across, y / down, *z)
        if _TIE_POINTS in tags:
            points = list(tags[_TIE_POINTS])  # column, row, 0, x, y, z of each
            points[0::6] = [(column + shift) * across - shift for column in points[0::6]]
            points[1::6] = [(row + shift) * down - shift for row in points[1::6]]
            tags[_TIE_POINTS] = tuple(points)
        if _TRANSFORMATION in tags:
            tags[_TRANSFORMATION] = _scaled(tags[_TRANSFORMATION], across, down, shift)
        return GeoReference(size, tags)

    def mapped(self, matrix: Affine, size: Size) -> GeoReference:
        """Return the place of an image of `size` whose pixels lie in this one as `matrix` says.

        As GDAL does, an image whose rows run east and whose columns run south is given a scale and the place of its
        first pixel, and any other one a matrix.
        """
        if matrix == Affine.scaling(self.size.width / size.width, self.size.height / size.height):
            return self.resized(size)
        tags, shift = dict(self.tags), 0.5 if self._of_centres else 0.0
        centres, corners = Affine(1, 0, -shift, 0, 1, -shift), Affine(1, 0, shift, 0, 1, shift)
        here = centres @ matrix @ corners  # between the coordinates that tags count in
        known = self._affine()
        if known is not None:
            place, heights = known
            a, b, c, d, e, f = place @ here
            for tag in (_PIXEL_SCALE, _TIE_POINTS, _TRANSFORMATION):
                tags.pop(tag, None)
            if b == d == 0 and a > 0 > e and _TRANSFORMATION not in self.tags:
                tags[_PIXEL_SCALE] = (a, -e, heights[0])
                tags[_TIE_POINTS] = (0.0, 0.0, 0.0, c, f, heights[1])
            else:
                rows = (a, b, 0.0, c), (d, e, 0.0, f), (0.0, 0.0, *heights), (0.0, 0.0, 0.0, 1.0)
                tags[_TRANSFORMATION] = tuple(number for row in rows for number in row)
        elif _TIE_POINTS in tags:
            back = here.inverse()
            points = list(tags[_TIE_POINTS])
            for at in range(0, len(points), 6):
                x, y = points[at : at + 2]
                points[at : at + 2] = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
            tags[_TIE_POINTS] = tuple(points)
        return GeoReference(size, tags)

    def _affine(self) -> tuple[Affine, tuple[float, float]] | None:
        """Return the mapping from pixel coordinates to places, with scale and origin of heights; None if only tie
        points define it."""
        if _TRANSFORMATION in self.tags:
            m = self.tags[_TRANSFORMATION]
            return Affine(m[0], m[1], m[3], m[4], m[5], m[7]), (m[10], m[11])
        if _PIXEL_SCALE not in self.tags or len(self.tags.get(_TIE_POINTS, ())) < 6:
            return None
        (across, down, up), (column, row, _, x, y, z) = self.tags[_PIXEL_SCALE], self.tags[_TIE_POINTS][:6]
        return Affine(across, 0.0, x - column * across, 0.0, -down, y + row * down), (up, z)

    @property
    def _of_centres(self) -> bool:
        keys = self.tags.get(_KEYS, ())
        return any(keys[at] == _RASTER_TYPE and keys[at + 3] == _PIXEL_IS_POINT for at in range(4, len(keys) - 3, 4))


def _scaled(matrix: tuple[float, ...], across: float, down: float, shift: float) -> tuple[float, ...]:
    """Return a 4 x 4 matrix, in rows, from pixels to places, for pixels of another size."""
    rows = [matrix[at : at + 4] for at in range(0, 16, 4)]
    return tuple(
        number
        for a, b, c, d in rows
        for number in (a / across, b / down, c, d + a * (shift / across - shift) + b * (shift / down - shift))
    )


def reference(page: Any) -> GeoReference | None:
    """Return the reference of a page (of tifffile); None if it has none."""
    tags = {tag: _listed(page.tags.valueof(tag)) for tag in TYPES if tag in page.tags}
    if _KEYS not in tags or not all(_sound(tag, value) for tag, value in tags.items()):
        return None
    return GeoReference(Size(page.imagewidth, page.imagelength), tags)


def _listed(value: Any) -> Any:
    """Return numbers as a tuple, even a single one."""
    return value if isinstance(value, (tuple, str)) else (value,)


def _sound(tag: int, value: Any) -> bool:
    """Return whether the value has the type and length of its tag: damaged files hold others."""
    if TYPES[tag] == _ASCII:
        return isinstance(value, str)
    lengths = {_PIXEL_SCALE: 3, _TRANSFORMATION: 16}
    number = int if TYPES[tag] == _SHORT else float
    whole = isinstance(value, tuple) and all(isinstance(item, number) for item in value)
    return whole and len(value) in (lengths.get(tag, len(value)),) and (tag != _TIE_POINTS or len(value) % 6 == 0)
