"""Painting and upscaling at once (`stylize-sr:monet`) against the cascades of two operators, in one run.

    python benchmarks/joint.py --photos FOLDER --paintings FOLDER

None of the images may have been trained on. Photos are shrunk four times, and each method makes large paintings of
them. As a set, these are compared with the paintings (kernel distance of parts of 192 pixels, and distance of the mean
Gram matrices), and each with its large photo (content distance). The paintings are shrunk, too, and have to come back
(PSNR and feature distance). Time and memory are of one small photo; methods take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from common import arguments, record, seconds
from imgtk import Image, Pipeline
from imgtk.bench.meter import Meter
from imgtk.metrics import feature_distance, kid, psnr_y
from imgtk.nn.degradation import classic
from imgtk.nn.features import Features, load_features
from imgtk.nn.losses import content_distance, gram_distance, grams
from imgtk.testing import sample_image
from imgtk.training.images import image_files, load_image

JOINT = "stylize-sr:monet x4"
STYLES = ("style:monet", "translate:photo2monet")
UPSCALERS = ("upscale:compact x4", "upscale:esrgan x4")
SCALE = 4
VIEW = 192
"""Side of the parts whose features make the kernel distance, in pixels."""

Method = Callable[[Tensor], Tensor]


def cascades() -> list[str]:
    """Return both orders of every style and upscaler."""
    return [text for style in STYLES for up in UPSCALERS for text in (f"{up} | {style}", f"{style} | {up}")]


def load(file: Path, side: int) -> Tensor:
    """Return (1, 3, H, W), sides multiples of 32, the longer at most `side`."""
    pixels = load_image(file, side)
    height, width = (length - length % 32 for length in pixels.shape[:2])
    return torch.tensor(pixels[:height, :width]).permute(2, 0, 1)[None].float() / 255


def image(x: Tensor) -> Image:
    return Image((x[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())


def through(pipeline: Pipeline) -> Method:
    """Return what the pipeline makes of a large image's small version, in 8 bits like any file."""

    def method(x: Tensor) -> Tensor:
        return torch.tensor(pipeline(image(classic(x, SCALE))).pixels).permute(2, 0, 1)[None].float() / 255

    return method


class Measure:
    """Figures of a method."""

    def __init__(
        self, photos: Sequence[Tensor], paintings: Sequence[Tensor], artwork: Tensor | None, features: Features
    ) -> None:
        self.photos, self.paintings, self.features = photos, paintings, features
        self.contents = [features(x, features.content_layers) for x in photos]
        self.known = self._embedded(paintings)
        self.style = self._mean_grams([features(x) for x in paintings])
        self.artwork = None if artwork is None else grams(features(artwork))

    def __call__(self, method: Method) -> dict[str, float]:
        painted = [method(x) for x in self.photos]
        restored = [(method(x), x) for x in self.paintings]
        found = [self.features(x, {*self.features.style_layers, *self.features.content_layers}) for x in painted]
        contents = [
            content_distance({layer: ours[layer] for layer in theirs}, theirs).item()
            for ours, theirs in zip(found, self.contents, strict=True)
        ]
        figures = {
            "kid": 1000 * kid(self._embedded(painted), self.known),
            "gram": gram_distance(self._mean_grams(found), self.style).item(),
            "content": mean(contents),
            "psnr_y": mean(psnr_y(*pair, border=SCALE) for pair in restored),
            "feature_distance": mean(feature_distance(*pair, self.features) for pair in restored),
        }
        if self.artwork is not None:
            distance = gram_distance(self._mean_grams(found), self.artwork)
            figures["gram_artwork"] = distance.item()
        return figures

    def _embedded(self, images: Sequence[Tensor]) -> Tensor:
        """Return a vector for each of the parts that lie beside each other in the images."""
        found = []
        for x in images:
            parts = x.unfold(2, VIEW, VIEW).unfold(3, VIEW, VIEW).permute(0, 2, 3, 1, 4, 5)
            found.append(self.features.embed(parts.reshape(-1, 3, VIEW, VIEW)))
        return torch.cat(found)

    def _mean_grams(self, found: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        each = [grams({layer: features[layer] for layer in self.features.style_layers}) for features in found]
        return {layer: torch.stack([g[layer] for g in each]).mean(0) for layer in each[0]}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photos")
    parser.add_argument("--paintings", type=Path, required=True, help="folder of paintings")
    parser.add_argument("--artwork", type=Path, help="one painting, to whose Gram matrices the distance is also told")
    parser.add_argument("--features", default="imgtk", help="feature network: imgtk, or a SqueezeNet or VGG file")
    parser.add_argument("--side", type=int, default=768, help="longest side of the images")
    parser.add_argument("--width", type=int, default=320, help="of the photo whose time and memory are measured, 4:3")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--joint", default=JOINT, help="the pipeline that does both at once")
    parser.add_argument("--cascades", nargs="*", default=cascades(), help="pipelines to compare with")
    options = parser.parse_args()
    with torch.inference_mode():
        photos, paintings = (
            [load(file, options.side) for file in image_files(folder)] for folder in (options.photos, options.paintings)
        )
        artwork = load(options.artwork, options.side) if options.artwork else None
        measure = Measure(photos, paintings, artwork, load_features(options.features))
        pipelines = {text: Pipeline(text, device="cpu") for text in (options.joint, *options.cascades)}
        small = image(sample_image(options.width, options.width * 3 // 4))
        times = seconds({text: lambda p=p: p(small) for text, p in pipelines.items()}, options.repeat)
        untouched = measure(lambda x: x)
        rows: list[dict[str, Any]] = [
            {"pipeline": "the large photos", **{key: untouched[key] for key in ("kid", "gram", "content")}}
        ]
        for text, pipeline in pipelines.items():
            with Meter(torch.device("cpu")) as meter:
                pipeline(small)
            rows.append(
                {
                    "pipeline": text,
                    **measure(through(pipeline)),
                    "seconds": times[text],
                    "joint_times_as_fast": times[text] / times[options.joint],
                    "peak_mb": (meter.peak_bytes or 0) / 1e6,
                }
            )

    def draw(axes: Any) -> None:
        for row in rows[1:]:
            place = row["content"], row["kid"]
            axes.plot(*place, "s" if row["pipeline"] == options.joint else "o")
            label = f"{row['pipeline']}, {row['seconds']:.2g} s"
            axes.annotate(label, place, textcoords="offset points", xytext=(6, 3), fontsize=7)
        axes.margins(x=0.35, y=0.15)
        axes.set(
            title="Small photos to large paintings",
            xlabel="content distance to the large photo (less is better)",
            ylabel="kernel distance to paintings (less is better)",
        )

    record("joint", rows, options.out, draw)


if __name__ == "__main__":
    main()
