"""ncnn's `.param` and `.bin`: what is damaged, hostile or unknown ends in one message that names the line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from imgtk.errors import WeightsError
from imgtk.weights import read_state
from imgtk.weights.ncnn import NcnnState
from imgtk_esrgan.network import SRVGGNetCompact
from tests.weights.ncnn_files import write


@pytest.fixture
def network() -> SRVGGNetCompact:
    torch.manual_seed(0)
    return SRVGGNetCompact(5, 1, 2)


@pytest.fixture
def param(tmp_path: Path, network: SRVGGNetCompact) -> Path:
    return write(tmp_path / "net.v1.param", network, half=True)


def test_tensors_are_named_in_order_and_float32(param: Path, network: SRVGGNetCompact) -> None:
    """5 x 3 x 3 x 3 numbers of two bytes are padded to a multiple of four."""
    state = read_state(param)
    assert isinstance(state, NcnnState)
    convs = [f"conv.{k}.{kind}" for k in range(3) for kind in ("weight", "bias")]
    assert sorted(state) == sorted([*convs, "prelu.0.weight", "prelu.1.weight"])
    assert {value.dtype for value in state.values()} == {torch.float32}
    assert torch.equal(state["conv.1.weight"], network.body[2].weight.half().float())
    assert torch.equal(state["conv.2.bias"], network.body[4].bias)


def test_the_bin_beside_its_param_may_be_named(param: Path) -> None:
    assert read_state(param.with_suffix(".bin")).keys() == read_state(param).keys()


def test_line_ends_of_windows(param: Path) -> None:
    param.write_bytes(param.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_state(param)) == 8


def test_a_bin_of_pytorch_beside_a_param_is_one(param: Path) -> None:
    torch.save({"a": torch.ones(2)}, param.with_suffix(".bin"))
    assert list(read_state(param.with_suffix(".bin"))) == ["a"]


def edited(old: str, new: str) -> Callable[[Path], object]:
    def edit(param: Path) -> None:
        text = param.read_text()
        assert old in text
        param.write_text(text.replace(old, new, 1))

    return edit


def resized(change: int) -> Callable[[Path], object]:
    def resize(param: Path) -> None:
        content = param.with_suffix(".bin").read_bytes()
        param.with_suffix(".bin").write_bytes(content[:change] if change < 0 else content + bytes(change))

    return resize


def tagged(head: bytes) -> Callable[[Path], object]:
    def write(param: Path) -> None:
        param.with_suffix(".bin").write_bytes(head + param.with_suffix(".bin").read_bytes()[len(head) :])

    return write


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no bin": (lambda p: p.with_suffix(".bin").unlink(), r"net\.v1\.bin is missing"),
    "bin is a folder": (lambda p: (p.with_suffix(".bin").unlink(), p.with_suffix(".bin").mkdir()), "Is a directory"),
    "empty bin": (lambda p: p.with_suffix(".bin").write_bytes(b""), "which has 0: the file is cut short"),
    "cut bin": (resized(-1), "cut short"),
    "long bin": (resized(4), "do not belong together"),
    "int8": (tagged(bytes.fromhex("384b0d00")), "quantised"),
    "table": (tagged(b"\1\1\0\0"), "quantised"),
    "NaN": (tagged(bytes.fromhex("476b3001ff7f")), "NaN"),
    "only the magic": (lambda p: p.write_text("7767517\n"), "line 2"),
    "no counts": (edited("10 11", "ten"), "line 2"),
    "too many layers": (edited("10 11", "999999999999 11"), "cut short"),
    "too few layers": (edited("10 11", "9 11"), "has 10 layers, but says that it has 9"),
    "too few blobs": (edited("10 11", "10 1"), "blobs"),
    "cut param": (lambda p: p.write_text(p.read_text()[:-60]), "layers|damaged"),
    "binary": (lambda p: p.write_bytes(p.read_bytes() + b"\xff"), "is not text"),
    "huge": (lambda p: p.write_text(p.read_text() + " " * 2**22), "too many"),
    "huge size": (edited("6=135", f"6={10**11}"), "weights do not make"),
    "huge layer": (edited("0=5 1=3 4=1 5=1 6=135", f"0={10**9} 1=3 4=1 5=1 6={27 * 10**9}"), "cut short"),
    "infinite size": (edited("6=135", "6=inf"), "line is damaged"),
    "negative": (edited("0=5 1=3 4=1 5=1 6=135", "0=-5 1=3 4=1 5=1 6=-135"), "weights do not make"),
    "no weights": (edited("6=135", "6=0"), "weights do not make"),
    "half a kernel": (edited("1=3 4=1", "1=2.5 4=1"), "no whole number"),
    "no numbers": (edited("6=135", "6="), "line is damaged"),
    "wrong array": (edited("6=135", "6=135 -23310=3,1"), "line is damaged"),
    "many inputs": (edited("L1 1 1", "L1 999 1"), "line is damaged"),
    "negative inputs": (
        edited("L1 1 1", "L1 -1 1"),
        "line is damaged",
    ),
    "unknown blob": (edited("L1 1 1 b0_1", "L1 1 1 nowhere"), "no layer above it gives the blob 'nowhere'"),
    "twice": (edited(" b3 ", " b2 "), "two blobs|no layer above"),
    "stride": (edited("1=3 4=1", "1=3 3=2 4=1"), "keeps an image's size"),
    "no padding": (edited("4=1", "4=0"), "keeps an image's size"),
    "scaled int8": (edited("6=135", "6=135 8=2"), "parameter 8 is not known"),
    "another layer": (edited("PReLU ", "Deconvolution "), "Deconvolution L2.*are not known"),
    "another resizing": (edited("Interp                   L7 1 1 b0_2 b7 0=1", "Interp L7 1 1 b0_2 b7 0=2"), "nearest"),
    "product": (edited("0=0", "0=2"), "neither a sum"),
    "slopes": (edited("PReLU                    L2 1 1 b1 b2 0=5", "PReLU L2 1 1 b1 b2 0=0"), "0 slopes"),
    "two outputs": (edited("BinaryOp                 L8 2 1 b6 b7 b8 0=0", "Noop L8 1 1 b6 b8"), "2 outputs"),
    "another graph": (edited("BinaryOp                 L8 2 1 b6 b7", "BinaryOp L8 2 1 b7 b7"), "2 outputs"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_pairs_get_one_clear_message(param: Path, case: str) -> None:
    change, message = BROKEN[case]
    change(param)
    with pytest.raises(WeightsError, match=message) as caught:
        read_state(param)
    assert "net.v1" in caught.value.message
    assert len(str(caught.value)) < 500


def test_any_line_may_be_missing(param: Path) -> None:
    lines = param.read_text().splitlines()
    for index in range(len(lines)):
        param.write_text("\n".join(lines[:index] + lines[index + 1 :]))
        with pytest.raises(WeightsError):
            read_state(param)


def test_the_binary_form_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.param.bin").write_bytes(b"\xdd\x85\x76\x00" + bytes(60))
    with pytest.raises(WeightsError, match=r"\.param text and its \.bin are needed"):
        read_state(tmp_path / "net.param.bin")
