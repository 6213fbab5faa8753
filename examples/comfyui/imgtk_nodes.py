"""Nodes of ComfyUI, generated from the descriptions of imgtk's operators: one for each, and one for whole pipelines.

Put this file into ComfyUI's folder custom_nodes. Listing the nodes computes nothing.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from imgtk import Pipeline
from imgtk.op import OpSpec
from imgtk.params import REQUIRED, Param
from imgtk.registry import default

FAR = 1_000_000
"""Where numbers without a limit end: ComfyUI wants one."""


class PipelineNode:
    """Runs a pipeline that is written as text."""

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "run"
    CATEGORY = "imgtk"
    DESCRIPTION = "Run a pipeline of imgtk: upscale:compact x2 | adjust:sharpen 0.5"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        text = {"default": "upscale:compact x2", "multiline": True}
        return {"required": {"images": ("IMAGE",), "pipeline": ("STRING", text)}}

    def run(self, images: Tensor, pipeline: str) -> tuple[Tensor, Tensor]:
        return computed(_from_text(pipeline), images)


def node_of(spec: OpSpec) -> type:
    """Return the node of an operator that takes one image."""

    class Node:
        RETURN_TYPES = ("IMAGE", "MASK")
        FUNCTION = "run"
        CATEGORY = f"imgtk/{spec.name.partition(':')[0]}"
        DESCRIPTION = spec.summary

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
            return {"required": {"images": ("IMAGE",), **{param.keyword: widget(param) for param in spec.params}}}

        def run(self, images: Tensor, **values: Any) -> tuple[Tensor, Tensor]:
            given = {param.name: values[param.keyword] for param in spec.params if values[param.keyword] != ""}
            document = {"version": 1, "stages": [{"op": spec.name, "params": given}]}
            return computed(_from_document(json.dumps(document)), images)

    return Node


def widget(param: Param) -> tuple[Any, dict[str, Any]]:
    """Return the type and the options of a parameter's widget. An empty text leaves the parameter out."""
    schema, options = param.type.schema(), {"tooltip": param.help}
    optional = param.default is None
    value = None if param.default in (REQUIRED, None) else param.default
    kind = {"boolean": "BOOLEAN", "integer": "INT", "number": "FLOAT"}.get(schema.get("type", ""))
    if "enum" in schema:
        choices = [*([""] if optional else []), *schema["enum"]]
        return choices, {**options, "default": choices[0] if value is None else value}
    if kind is None or optional:
        return "STRING", {**options, "default": "" if value is None else param.type.format(value)}
    if kind == "BOOLEAN":
        return kind, {**options, "default": bool(value)}
    low, high = schema.get("minimum", -FAR), schema.get("maximum", FAR)
    value = max(low, 0) if value is None else value
    return kind, {**options, "default": value, "min": low, "max": high, "step": 1 if kind == "INT" else 0.01}


def computed(pipeline: Pipeline, images: Tensor) -> tuple[Tensor, Tensor]:
    """Run a pipeline on ComfyUI's images, (N, H, W, 3 or 4), 0..1. Returns images (N, H', W', 3) and a mask (N, H', W')
    that is 1 where they are transparent."""
    colours, masks = [], []
    for image in images:
        result = pipeline(image.permute(2, 0, 1).cpu().float())
        colours.append(result.tensor()[0].permute(1, 2, 0))
        opacity = None if result.alpha is None else torch.from_numpy(result.alpha)
        masks.append(torch.zeros(colours[-1].shape[:2]) if opacity is None else 1 - opacity)
    return torch.stack(colours), torch.stack(masks)


@lru_cache(4)
def _from_text(text: str) -> Pipeline:
    return Pipeline(text)


@lru_cache(4)
def _from_document(document: str) -> Pipeline:
    return Pipeline.from_yaml(document)


_SPECS = [spec for spec in default().specs if spec.inputs == 1]
NODE_CLASS_MAPPINGS = {"imgtk pipeline": PipelineNode, **{f"imgtk {spec.name}": node_of(spec) for spec in _SPECS}}
NODE_DISPLAY_NAME_MAPPINGS = {name: name.removeprefix("imgtk ") for name in NODE_CLASS_MAPPINGS} | {
    "imgtk pipeline": "pipeline (imgtk)"
}
