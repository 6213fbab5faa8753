"""Recognise SRResNet and MSRResNet by the tensors of a checkpoint."""

from __future__ import annotations

import torch

from imgtk.weights.architecture import State, conv_shape, count_layers, renamed
from imgtk_srgan.network import MSRResNet, SRResNet

__all__ = ["msrresnet", "srresnet"]

KAIR = ((r"^recon_trunk\.", "body."), (r"^HRconv\.", "conv_hr."))
"""The names that MSRResNet has in KAIR, and had in BasicSR's forerunner, and ours."""


def srresnet(state: State) -> tuple[SRResNet, State] | None:
    """Return the SRResNet of these tensors as this package's trainers write it, with or without batch normalisation."""
    if "prelu_first.weight" not in state or "body.0.conv1.weight" not in state:
        return None
    features, _ = conv_shape(state, "conv_first.weight")
    steps = len({name for name in state if name.startswith("upsample.") and name.endswith(".bias")})
    blocks = count_layers(state, r"body\.(\d+)\.")
    with torch.device("meta"):
        network = SRResNet(features=features, blocks=blocks, scale=2**steps, norm="norm_body.weight" in state)
    return network, state


def msrresnet(state: State) -> tuple[MSRResNet, State] | None:
    """Return the MSRResNet of these tensors, under BasicSR's names or KAIR's; its first upsampling tells the scale
    where there is only one."""
    if "recon_trunk.0.conv1.weight" in state:
        state = renamed(state, KAIR)
    if "upconv1.weight" not in state or "body.0.conv1.weight" not in state:
        return None
    features, _ = conv_shape(state, "conv_first.weight")
    widened, _ = conv_shape(state, "upconv1.weight")
    scale = 4 if "upconv2.weight" in state else {4: 2, 9: 3}.get(widened // features)
    if scale is None:
        raise ValueError(f"widens {features} channels to {widened}, so its scale is unknown")
    with torch.device("meta"):
        return MSRResNet(features=features, blocks=count_layers(state, r"body\.(\d+)\."), scale=scale), state
