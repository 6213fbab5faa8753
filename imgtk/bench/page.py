"""A benchmark's page: tables, the perception-distortion plane, and crops side by side. Plain HTML, no scripts."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from html import escape
from math import isfinite
from pathlib import Path

import numpy as np

from imgtk.bench.crops import Comparison
from imgtk.bench.plane import plane
from imgtk.bench.report import METRICS, BenchReport, SetReport
from imgtk.bench.tables import rows, title
from imgtk.errors import WriteError
from imgtk.image import Image

__all__ = ["check_folder", "write_page"]

PAGE, IMAGES = "index.html", "crops"

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1880px; margin: 2em auto;
  padding: 0 1.5em }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5em; border-bottom: 1px solid #ddd; padding-bottom: .3em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1em 0 }
th, td { padding: .25em .9em; text-align: right } th:first-child, td:first-child { text-align: left }
th { border-bottom: 2px solid #999; font-size: 12px } tr + tr td { border-top: 1px solid #eee }
tr.published { color: #777 } td.best { font-weight: 700 } code { background: #f3f3f3; padding: .1em .3em }
.row { display: flex; flex-wrap: wrap; gap: 10px; margin: 0 0 2em } figure { margin: 0 }
figcaption { font-size: 13px; max-width: 256px } figcaption small { color: #666; display: block }
img { display: block } .crop { width: 256px; image-rendering: pixelated }
.whole { position: relative; display: inline-block }
.whole i { position: absolute; border: 2px solid #f33; outline: 1px solid #fff }
"""


def check_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Check, before anything is computed, that a page can be written to `folder`.

    Raises:
        WriteError: if it is not empty and may not be replaced, or cannot be created or written to.
    """
    if folder.exists() and not folder.is_dir():
        raise WriteError(f"cannot write the page to {folder}: it is a file", hint="Give a folder.")
    place = folder if folder.exists() else folder.absolute().parent
    if not place.is_dir():
        raise WriteError(f"cannot write the page to {folder}: there is no folder {place}", hint="Create it first.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise WriteError(f"cannot write the page to {folder}: {place} is not writable")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise WriteError(
            f"cannot write the page to {folder}: it is not empty",
            hint=f"Choose another folder, or replace {PAGE} and {IMAGES} in it with --overwrite.",
        )


def write_page(report: BenchReport, folder: Path, *, overwrite: bool = False) -> Path:
    """Write `folder/index.html` with its images in `folder/crops`, whole or not at all.

    Returns:
        The page.

    Raises:
        WriteError: as `check_folder` does, or if writing fails.
    """
    check_folder(folder, overwrite=overwrite)
    existed = folder.is_dir()
    draft = folder / f".imgtk-{secrets.token_hex(8)}.tmp"
    try:
        (draft / IMAGES).mkdir(parents=True)
        (draft / PAGE).write_text(_page(report, draft), encoding="utf-8")
        shutil.rmtree(folder / IMAGES, ignore_errors=True)
        os.replace(draft / IMAGES, folder / IMAGES)
        os.replace(draft / PAGE, folder / PAGE)
        draft.rmdir()
    except BaseException as error:
        shutil.rmtree(draft if existed else folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise WriteError(f"cannot write the page to {folder}: {error.strerror or error}") from error
        raise
    return folder / PAGE


def _page(report: BenchReport, folder: Path) -> str:
    """Return the HTML; its images are written into `folder`."""
    methods = "".join(
        f"<li><b>{escape(result.method)}</b>: <code>{escape(result.pipeline)}</code></li>"
        for result in report.sets[0].results
    )
    legend = "".join(f"<li><b>{m.title}</b>: {m.meaning}</li>" for m in METRICS if m in report.sets[0].metrics)
    sets = "".join(_set(one, number, folder) for number, one in enumerate(report.sets, 1))
    name = f"Upscaling x{report.scale}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name}</title><style>{STYLE}</style></head><body>
<h1>{name}</h1>
<p>{escape(report.computed)}</p>
<h3>Methods</h3><ul>{methods}</ul>
<h3>Columns</h3><ul>{legend}</ul>
<p>Scores are of 8-bit results; PSNR and SSIM leave out a border of {report.scale} pixels. The best of each column is
bold. Published rows are what the papers state; they were not run here.</p>
{sets}</body></html>
"""


def _set(one: SetReport, number: int, folder: Path) -> str:
    """Return a set's section."""
    images = list(one.results[0].figures)
    singles = "".join(f"<h4>{escape(name)}</h4>{_table(one, name)}" for name in images)
    shown = "".join(
        _comparison(one, comparison, f"{IMAGES}/{number}-{place:02}", folder)
        for place, comparison in enumerate(one.comparisons, 1)
    )
    crops = f"<h3>Side by side, where the methods differ most</h3>{shown}" if shown else ""
    return f"""<h2>{escape(title(one))}</h2>
{_table(one)}
{_plane(one)}
<details><summary>Each image</summary>{singles}</details>
{crops}"""


def _table(one: SetReport, image: str | None = None) -> str:
    header = "".join(f'<th title="{escape(metric.meaning)}">{metric.title}</th>' for metric in one.metrics)
    lines = []
    for row in rows(one, image):
        cells = "".join(
            f"<td{' class=best' if best else ''}>{cell}</td>" for cell, best in zip(row.cells, row.best, strict=True)
        )
        lines.append(f"<tr{' class=published' if row.published else ''}><td>{escape(row.name)}</td>{cells}</tr>")
    return f"<table><tr><th></th>{header}</tr>{''.join(lines)}</table>"


def _plane(one: SetReport) -> str:
    """Return the perception-distortion plane of a set; nothing without a feature distance, or if a method is
    perfect."""
    points = [(r.method, r.mean.get("psnr_y"), r.mean.get("feature_distance")) for r in one.results]
    known = [(name, x, y) for name, x, y in points if x is not None and y is not None and isfinite(x)]
    if len(known) < len(points):
        return ""
    drawing = plane(known, "PSNR-Y, dB: more faithful →", "← looks more alike: feature distance")
    return f"<figure>{drawing}</figure>"


def _comparison(one: SetReport, comparison: Comparison, stem: str, folder: Path) -> str:
    """Return a row of crops; `stem` begins the names of their files."""
    cells = list(_cells(one, comparison))
    shown = []
    for number, (caption, note, pixels) in enumerate(cells):
        file = f"{stem}-{number}.png"
        Image(pixels).save(folder / file)
        shown.append(
            f'<figure><img class="crop" src="{file}" alt="{escape(caption)}">'
            f"<figcaption>{escape(caption)}<small>{escape(note)}</small></figcaption></figure>"
        )
    whole = f"{stem}-whole.png"
    Image(comparison.overview).save(folder / whole)
    left, top, right, bottom = (100 * side for side in comparison.box)
    mark = f"left:{left:.1f}%;top:{top:.1f}%;width:{right - left:.1f}%;height:{bottom - top:.1f}%"
    name = escape(comparison.image)
    return (
        f'<div class="row"><figure><span class="whole"><img src="{whole}" alt="{name}"><i style="{mark}"></i></span>'
        f"<figcaption>{name}</figcaption></figure>{''.join(shown)}</div>"
    )


def _cells(one: SetReport, comparison: Comparison) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield caption, note and pixels: the input, each method, the ground truth."""
    yield "input", "pixels enlarged", comparison.source
    for row in rows(one, comparison.image):
        figures = dict(zip((metric.key for metric in one.metrics), row.cells, strict=True))
        note = f"{figures['psnr_y']} dB"
        if "feature_distance" in figures:
            note += f", distance {figures['feature_distance']}"
        yield row.name, note, comparison.outputs[row.name]
    yield "truth", "", comparison.target
