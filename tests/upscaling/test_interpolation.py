"""Networks whose parameters are averages of others'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from imgtk.errors import WeightsError
from imgtk.nn.interpolation import interpolated
from imgtk.op import OpSpec
from imgtk.registry import default
from imgtk.testing import check_op
from imgtk.upscaling import upscaler
from imgtk.upscaling.network import load_network
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact

from .conftest import NETWORKS, image

Run = Callable[..., Tensor]


def mixture(files: Path, name: str, share: float) -> str:
    """`name` and its other version, which has the share `share`."""
    return f"{files / name}.safetensors:{1 - share},{files / name}-other.safetensors:{share}"


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_averages(files: Path, spec: OpSpec, name: str) -> None:
    op = spec.build(default().context(), interpolate=mixture(files, name, 0.25))
    one, other = (
        load_network(files / f"{name}{suffix}.safetensors", default().architectures).state_dict()
        for suffix in ("", "-other")
    )
    for key, value in op.network.state_dict().items():  # type: ignore[attr-defined]
        if value.is_floating_point():
            assert value.dtype == torch.float32
            assert torch.allclose(value, 0.75 * one[key].float() + 0.25 * other[key].float(), atol=1e-7), key
        else:
            assert torch.equal(value, one[key])


def test_the_ends_are_the_networks_themselves(run: Run, files: Path) -> None:
    x = image(9, 7)
    for share, name in ((0, "rrdb-x4"), (1, "rrdb-x4-other")):
        both = run(x, None, interpolate=mixture(files, "rrdb-x4", share))
        assert (both - run(x, name)).abs().max() < 1e-6


def test_shares_are_normalised() -> None:
    torch.manual_seed(0)
    network = SRVGGNetCompact(features=4, convs=1)
    weight = network.body[0].weight.clone()
    result = interpolated([network, network], [0.5, 0.4995], ["a", "b"])
    assert torch.allclose(result.body[0].weight, weight, rtol=1e-6)  # type: ignore[index, union-attr]


SMALL = {"features": 4, "blocks": 1, "growth": 2}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (SRVGGNetCompact(features=4, convs=1), "one is RRDBNet, the other SRVGGNetCompact"),
        (RRDBNet(**SMALL, scale=2), "one is x4, the other x2"),
        (RRDBNet(**{**SMALL, "features": 8}), r"conv_first\.weight has shape \(4, 3, 3, 3\) in the first, \(8,"),
        (RRDBNet(**{**SMALL, "blocks": 2}), r"only the second has body\.1\."),
    ],
)
def test_networks_that_do_not_fit_together(other: torch.nn.Module, said: str) -> None:
    with pytest.raises(WeightsError, match=f"a and b cannot be interpolated: {said}") as caught:
        interpolated([RRDBNet(**SMALL), other], [0.5, 0.5], ["a", "b"])  # type: ignore[list-item]
    assert caught.value.hint


def test_a_deeper_first_network() -> None:
    with pytest.raises(WeightsError, match=r"only the first has body\.1\."):
        interpolated([RRDBNet(**{**SMALL, "blocks": 2}), RRDBNet(**SMALL)], [0.5, 0.5], ["a", "b"])


@pytest.fixture
def paired(files: Path, monkeypatch: pytest.MonkeyPatch) -> OpSpec:
    """An operator with denoise=, whose shipped weights are those of `files`."""
    monkeypatch.setattr("imgtk.weights.store.locate", lambda name, *packages: files / f"{name}.safetensors")
    models = {4: "rrdb-x4", 2: "rrdb-x2"}
    return upscaler("test", "", package="imgtk_esrgan", models=models, denoise=("rrdb-x4", "rrdb-x4-other"))


@torch.inference_mode()
def test_denoise_goes_from_the_first_to_the_second(paired: OpSpec, files: Path) -> None:
    x = image(9, 7)

    def output(**params: object) -> Tensor:
        op = paired.build(default().context(), **params)
        op.to(torch.device("cpu"), torch.float32)
        return op(x)

    between = output(
        interpolate=mixture(files, "rrdb-x4", 0.5).replace(str(files) + "/", "").replace(".safetensors", "")
    )
    assert torch.equal(output(denoise=0), output(model="rrdb-x4"))
    assert torch.equal(output(denoise=1), output(model="rrdb-x4-other"))
    assert torch.equal(output(denoise=0.5), between)
    assert not torch.equal(between, output(denoise=0.6))


def test_denoise_takes_its_pair_at_every_scale(paired: OpSpec) -> None:
    plain, between = (paired.build(default().context(), scale="x2", denoise=share) for share in (None, 0.5))
    assert plain.network.scale == 2  # type: ignore[union-attr]
    assert between.network.scale == 4  # type: ignore[union-attr]
    assert between.summary()["weights"] == "0.5 rrdb-x4 + 0.5 rrdb-x4-other"


def test_promises(paired: OpSpec, files: Path) -> None:
    check_op(paired, sizes=[(19, 11), (1, 1)], scale="x3", denoise=0.4)
