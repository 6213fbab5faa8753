"""Painting and upscaling at once (`stylize-sr:monet`) against the cascades of two operators, in one run.

    python benchmarks/joint.py --photos FOLDER --paintings FOLDER

None of the pictures may have been trained on. Photos are shrunk four times, and each method makes large paintings of
them. These are compared with the paintings as a set (kernel distance of parts of 192 pixels) and one by one (Gram
distance to the paintings' mean), and with the large photos (content distance). The paintings are shrunk and have to
come back (PSNR and feature distance).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from common import arguments, record, seconds
from imgtk import Image, Pipeline
from imgtk.bench.meter import Meter
from imgtk.metrics import feature_distance, kid, psnr_y
from imgtk.nn.features import Features, load_features
from imgtk.nn.losses import content_distance, gram_distance, grams
from imgtk.testing import picture
from imgtk.training.pictures import load_picture, picture_files
from imgtk.upscaling.degradation import classic

JOINT = "stylize-sr:monet x4"
STYLES = ("style:monet", "translate:photo2monet")
UPSCALERS = ("upscale:compact x4", "upscale:esrgan x4")
VIEW = 192
"""Side of the parts whose features make the kernel distance, in pixels."""

Method = Callable[[Tensor], Tensor]


def cascades() -> list[str]:
    """Both orders of every style and upscaler."""
    return [text for style in STYLES for up in UPSCALERS for text in (f"{up} | {style}", f"{style} | {up}")]


def load(file: Path, side: int) -> Tensor:
    """(1, 3, H, W), sides multiples of 32, the longer at most `side`."""
    pixels = load_picture(file, side)
    height, width = (length - length % 32 for length in pixels.shape[:2])
    return torch.tensor(pixels[:height, :width]).permute(2, 0, 1)[None].float() / 255


def tensor(image: Image) -> Tensor:
    return torch.tensor(image.pixels).permute(2, 0, 1)[None].float() / 255


def image(x: Tensor) -> Image:
    return Image((x[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())


def views(x: Tensor) -> Tensor:
    """The parts of (1, 3, H, W) that lie beside each other, as a batch."""
    parts = x.unfold(2, VIEW, VIEW).unfold(3, VIEW, VIEW)
    return parts.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, VIEW, VIEW)


def embedded(pictures: Sequence[Tensor], features: Features) -> Tensor:
    return torch.cat([features.embed(views(x)) for x in pictures])


class Judge:
    """Figures of a method, from 8-bit pixels to 8-bit pixels."""

    def __init__(self, photos: Sequence[Tensor], paintings: Sequence[Tensor], features: Features) -> None:
        self.photos, self.paintings, self.features = photos, paintings, features
        self.known = embedded(paintings, features)
        each = [grams(features(x)) for x in paintings]
        self.style = {layer: torch.stack([g[layer] for g in each]).mean(0) for layer in features.style_layers}

    def __call__(self, method: Method) -> dict[str, float]:
        painted = [method(x) for x in self.photos]
        restored = [method(x) for x in self.paintings]
        layers, features = self.features.content_layers, self.features
        pairs = list(zip(painted, self.photos, strict=True))
        returns = list(zip(restored, self.paintings, strict=True))
        return {
            "kid": 1000 * kid(embedded(painted, features), self.known),
            "gram": mean(gram_distance(grams(features(x)), self.style).item() for x in painted),
            "content": mean(content_distance(features(x, layers), features(y, layers)).item() for x, y in pairs),
            "psnr_y": mean(psnr_y(x, y, border=4) for x, y in returns),
            "feature_distance": mean(feature_distance(x, y, features) for x, y in returns),
        }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--paintings", type=Path, required=True, help="folder of paintings")
    parser.add_argument("--features", default="imgtk", help="feature network: imgtk, or a SqueezeNet or VGG file")
    parser.add_argument("--side", type=int, default=768, help="longest side of the pictures")
    parser.add_argument("--width", type=int, default=320, help="of the input whose time and memory are measured, 4:3")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--methods", nargs="*", default=cascades(), help="pipelines to compare with")
    options = parser.parse_args()
    with torch.inference_mode():
        photos, paintings = (
            [load(file, options.side) for file in picture_files(folder)]
            for folder in (options.photos, options.paintings)
        )
        pipelines = {text: Pipeline(text, device="cpu") for text in (JOINT, *options.methods)}
        judge = Judge(photos, paintings, load_features(options.features))
        rows: list[dict[str, Any]] = [{"pipeline": "the photos themselves", **judge(lambda x: x)}]
        rows[0] |= {"psnr_y": None, "feature_distance": None}
        small = image(picture(options.width, options.width * 3 // 4))
        times = seconds({text: lambda p=p: p(small) for text, p in pipelines.items()}, options.repeat)
        for text, pipeline in pipelines.items():
            figures = judge(lambda x, p=pipeline: tensor(p(image(classic(x, 4)))))
            with Meter(torch.device("cpu")) as meter:
                pipeline(small)
            rows.append({"pipeline": text, **figures, "seconds": times[text], "peak_mb": (meter.peak_bytes or 0) / 1e6})

    def draw(axes: Any) -> None:
        for row in rows[1:]:
            axes.plot(row["content"], row["kid"], "s" if row["pipeline"] == JOINT else "o")
            label = f"{row['pipeline']}, {row['seconds']:.2g} s"
            axes.annotate(label, (row["content"], row["kid"]), textcoords="offset points", xytext=(6, 3), fontsize=7)
        axes.margins(x=0.35, y=0.15)
        axes.set(
            title="Small photos to large paintings",
            xlabel="content distance to the large photo (less is better)",
            ylabel="kernel distance to paintings (less is better)",
        )

    record("joint", rows, options.out, draw)


if __name__ == "__main__":
    main()
