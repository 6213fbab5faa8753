"""What photos cost: seconds per photo and stage on one device, and from these hours for a million and the disk's share;
what a second worker of a cluster adds; and how many images per second its pool hands out, with images that cost
nothing.

OMP_NUM_THREADS=2 python benchmarks/cluster.py --jobs 1
python benchmarks/cluster.py --device cuda
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

from common import arguments, bars, record
from folder import make_images
from imgtk import Image, Pipeline
from imgtk.batch import Row, list_jobs, run, run_jobs
from imgtk.batch.ray import Cluster, ray_engine
from imgtk.engine import Settings
from imgtk.testing import sample_image

PIPELINES = "style:monet,upscale:compact x2,upscale:esrgan x4"
SHARED = "upscale:compact x2"
SIZE = 4000, 3000
MILLION = 1e6


def timed(rows: Iterator[Row], *, skip: int = 1) -> tuple[list[Row], float]:
    """Return the rows but the first ones, which pay for what is done once, and images per second without them."""
    first = list(islice(rows, skip))
    start = perf_counter()
    rest = list(rows)
    elapsed = perf_counter() - start
    assert {row.status for row in [*first, *rest]} == {"done"}, [row.error for row in rest]
    return rest, len(rest) / elapsed


def photos(text: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return what JPEG photos of 12 megapixels cost on the device."""
    out = folder / f"out-{text.partition(' ')[0].replace(':', '-')}"
    rows, rate = timed(run(Pipeline(text, device=options.device), folder / "in", out, jobs=options.jobs))
    stages = {stage: median(row.seconds[stage] for row in rows) for stage in ("read", "compute", "write")}
    read = median(Path(row.path).stat().st_size for row in rows) / 1e6
    written = median(Path(str(row.output)).stat().st_size for row in rows) / 1e6
    return {
        "pipeline": text,
        "device": options.device,
        "threads": torch.get_num_threads(),
        "photos_per_s": rate,
        **{f"{stage}_s": seconds for stage, seconds in stages.items()},
        "mb_read": read,
        "mb_written": written,
        "hours_per_million": MILLION / rate / 3600,
        "coding_cores_per_device": (stages["read"] + stages["write"]) * rate,
        "mb_per_s_of_disk": (read + written) * rate,
    }


def shared(folder: Path, count: int, workers: int) -> list[dict[str, Any]]:
    """Return small images per second of one worker with one core, and of so many."""
    pipeline = Pipeline(SHARED, device="cpu")
    (folder / "small").mkdir()
    for index in range(count + 1):
        Image.of(sample_image(256, 192)).save(folder / "small" / f"{index}.png")
    results = []
    for many in sorted({1, workers}):
        jobs = list_jobs([str(folder / "small")], folder / f"small-{many}")
        engine = ray_engine(Cluster(pipeline.yaml(), Settings(device="cpu"), cores=1, workers=many))
        rate = timed(run_jobs([pipeline], jobs, engine=engine), skip=count // 4)[1]
        results.append({"pipeline": f"{SHARED} of {count} images of 256x192, {many} workers", "photos_per_s": rate})
    return results


def handed_out(folder: Path, count: int, workers: int) -> dict[str, Any]:
    """Return how many images per second the pool hands out and takes back."""
    make_images(folder / "tiny", count)
    pipeline = Pipeline("upscale:nearest x2", device="cpu")
    jobs = list_jobs([str(folder / "tiny")], folder / "tiny-out", recursive=True)
    engine = ray_engine(Cluster(pipeline.yaml(), Settings(device="cpu"), cores=1, workers=workers))
    rate = timed(run_jobs([pipeline], jobs, engine=engine))[1]
    return {"pipeline": f"{pipeline} of {count} tiny images, {workers} workers", "photos_per_s": rate}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--pipelines", default=PIPELINES, help="with commas between")
    parser.add_argument("--photos", type=int, default=3, help="for each pipeline, after one that does not count")
    parser.add_argument("--jobs", type=int, help="photos at a time; 1 for one core")
    parser.add_argument("--small", type=int, default=120, help="images that the workers share; 0 for none")
    parser.add_argument("--tiny", type=int, default=2000, help="images that the pool hands out; 0 for none")
    parser.add_argument("--workers", type=int, default=2, help="of the cluster")
    options = parser.parse_args()
    results = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        photo = Image.of(sample_image(*SIZE))
        for index in range(options.photos + 1):
            photo.save(folder / "in" / f"{index}.jpg", quality=90)
        results += [photos(text.strip(), folder, options) for text in options.pipelines.split(",")]
        drawn = {row["pipeline"]: row["hours_per_million"] for row in results}
        if options.small and find_spec("ray"):
            results += shared(folder, options.small, options.workers)
        if options.tiny and find_spec("ray"):
            results.append(handed_out(folder, options.tiny, options.workers))
    name = "cluster" if options.device == "cpu" else f"cluster-{options.device}"
    record(name, results, options.out, bars(drawn, f"A million photos of 12 megapixels, {options.device}", "hours"))


if __name__ == "__main__":
    main()
