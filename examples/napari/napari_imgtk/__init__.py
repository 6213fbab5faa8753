"""A widget of napari that runs a pipeline of imgtk on a layer. napari makes its fields of the function's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imgtk import Image, ImgtkError, Pipeline

if TYPE_CHECKING:
    import napari.layers
    import napari.types


def run_pipeline(layer: napari.layers.Image, pipeline: str = "upscale:compact x2") -> napari.types.LayerDataTuple:
    """Return the layer of a pipeline's result, which lies over `layer` at the same size, whatever its pixels are.

    Raises:
        ImgtkError: for stacks, and where the pipeline is wrong or fails; napari shows the message.
    """
    if layer.ndim != 2:
        raise ImgtkError(f"a pipeline takes one image, and {layer.name} is a stack of {layer.ndim} dimensions")
    data: Any = layer.data[0] if layer.multiscale else layer.data
    image = Image.of(np.asarray(data))
    result = Pipeline(pipeline)(image)
    pixels = result.numpy()
    if result.gray and result.alpha is not None:  # which napari does not know
        pixels = np.dstack([result.pixels, result.pixels, pixels])
    scale = [step * old / new for step, old, new in zip(layer.scale, image.pixels.shape, pixels.shape, strict=False)]
    shown = {
        "name": f"{layer.name} | {pipeline}",
        "rgb": pixels.ndim == 3,
        "scale": scale,
        "translate": layer.translate,
    }
    return pixels, shown, "image"
