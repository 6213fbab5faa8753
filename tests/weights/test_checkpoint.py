import os
import pickle
import struct
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from imgtk.errors import WeightsError
from imgtk.weights import Card, digest, read_state, save

STATE = {"conv.weight": torch.randn(4, 3, 3, 3), "conv.bias": torch.randn(4), "steps": torch.tensor(7)}


def assert_is_state(state):
    assert list(state) == list(STATE)
    for name, value in STATE.items():
        assert torch.equal(state[name], value)


# Reading what training programs write


@pytest.mark.parametrize(
    "keys", [(), ("params",), ("state_dict",), ("model", "net"), ("g_ema",), ("net_g",), ("netG",), ("ema", "shadow")]
)
@pytest.mark.parametrize(
    "prefix", ["", "module.", "netG.", "generator.", "_orig_mod.module.", "net_g.", "model.net_g.", "net_g_ema.module."]
)
def test_containers_and_prefixes(tmp_path, keys, prefix):
    content = OrderedDict((prefix + name, value) for name, value in STATE.items())
    for key in reversed(keys):
        content = {"epoch": 3, key: content}
    torch.save(content, tmp_path / "net.pth")
    assert_is_state(read_state(tmp_path / "net.pth"))


def test_averaged_weights_are_preferred(tmp_path):
    torch.save({"params": {"a": torch.zeros(1)}, "params_ema": STATE}, tmp_path / "net.pth")
    assert_is_state(read_state(tmp_path / "net.pth"))


def test_the_generator_is_taken_out_of_a_gan(tmp_path):
    gan = {f"netG.{name}": value for name, value in STATE.items()}
    torch.save({"state_dict": {**gan, "netD.conv.weight": torch.ones(1)}}, tmp_path / "gan.ckpt")
    assert_is_state(read_state(tmp_path / "gan.ckpt"))


def test_averaged_weights_are_preferred_by_their_names(tmp_path):
    names = {f"net_g_ema.{name}": value for name, value in STATE.items()}
    torch.save({"state_dict": {"net_g.conv.weight": torch.zeros(1), **names}}, tmp_path / "gan.ckpt")
    assert_is_state(read_state(tmp_path / "gan.ckpt"))


def test_a_container_without_tensors_is_passed_over(tmp_path):
    torch.save({"ema": {"decay": 0.999}, "net": {"name": "x"}, "netG": STATE, "netD": STATE}, tmp_path / "net.pth")
    assert_is_state(read_state(tmp_path / "net.pth"))


def test_counters_of_thop_are_left_out(tmp_path):
    counters = {name: torch.zeros(1, dtype=torch.float64) for name in ("total_ops", "conv.total_params")}
    torch.save({**STATE, **counters}, tmp_path / "net.pth")
    assert_is_state(read_state(tmp_path / "net.pth"))


@pytest.mark.parametrize("old", [False, True])
def test_what_is_kept_beside_the_weights_is_not_needed(tmp_path, old):
    beside = {
        "psnr": np.float64(31.2),
        "losses": np.arange(3.0),
        "objects": np.array([{"a": 1}], object),
        "dtype": np.dtype("f4"),
        "options": Namespace(lr=np.float32(1e-4), out=Path("out")),
        "path": Path("a"),
    }
    torch.save({"state_dict": STATE, **beside}, tmp_path / "net.ckpt", _use_new_zipfile_serialization=not old)
    before = torch.serialization.get_safe_globals()
    assert_is_state(read_state(tmp_path / "net.ckpt"))
    assert set(torch.serialization.get_safe_globals()) == set(before)


def test_arrays_in_place_of_tensors_are_named(tmp_path):
    torch.save({"a": np.ones(3)}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="'a' is a value of another program, not a tensor"):
        read_state(tmp_path / "net.pth")


@pytest.mark.parametrize("form", ["pth", "safetensors"])
@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]
)
def test_numbers_of_8_bits_become_float16_exactly(tmp_path, dtype, form):
    bits = torch.arange(256, dtype=torch.int16).to(torch.uint8).view(dtype)
    finite = bits[torch.isfinite(bits.float())]
    path = tmp_path / f"net.{form}"
    (torch.save if form == "pth" else save_file)({"a": finite}, path)
    value = read_state(path)["a"]
    assert value.dtype == torch.float16
    assert torch.equal(value.float(), finite.float())
    (torch.save if form == "pth" else save_file)({"a": bits}, path)
    with pytest.raises(WeightsError, match="NaN"):
        read_state(path)


@pytest.mark.parametrize("dtype", [torch.float8_e8m0fnu, torch.float4_e2m1fn_x2])
def test_numbers_that_need_scales_are_refused(tmp_path, dtype):
    torch.save({"a": torch.ones(4, dtype=torch.uint8).view(dtype)}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="scales of its own"):
        read_state(tmp_path / "net.pth")


def test_several_networks_in_one_file(tmp_path):
    torch.save({"a": STATE, "b": {"weight": torch.ones(2)}}, tmp_path / "pair.pt")
    state = read_state(tmp_path / "pair.pt")
    assert state.keys() == {*(f"a.{name}" for name in STATE), "b.weight"}
    assert torch.equal(state["b.weight"], torch.ones(2))


def test_parameters_and_older_pickles(tmp_path):
    content = {name: torch.nn.Parameter(v) if v.is_floating_point() else v for name, v in STATE.items()}
    torch.save(content, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    state = read_state(tmp_path / "old.pth")
    assert_is_state(state)


def test_the_suffix_does_not_matter(tmp_path):
    save_file(STATE, tmp_path / "net.pth")
    state = read_state(tmp_path / "net.pth")
    assert all(torch.equal(state[name], value) for name, value in STATE.items())


def test_a_repacked_archive(tmp_path):
    torch.save(STATE, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as old, zipfile.ZipFile(tmp_path / "zip.pth", "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member), zipfile.ZIP_DEFLATED)
    assert_is_state(read_state(tmp_path / "zip.pth"))


def test_reading_is_silent_and_leaves_the_file(tmp_path):
    torch.save(STATE, tmp_path / "net.pth")
    before = digest(tmp_path / "net.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_state(tmp_path / "net.pth")["conv.bias"].add_(1)
    assert digest(tmp_path / "net.pth") == before


# Refusing


class Hostile:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("form", ["zip", "old", "pickle", "nested"])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path, form):
    marker, path = tmp_path / "marker", tmp_path / "net.pth"
    hostile = Hostile(marker)
    if form == "pickle":
        path.write_bytes(pickle.dumps(hostile))
    else:
        content = {"params": {**STATE, "x": hostile}} if form == "nested" else hostile
        torch.save(content, path, _use_new_zipfile_serialization=form != "old")
    with pytest.raises(WeightsError, match="could run code") as caught:
        read_state(path)
    assert "system" in caught.value.message or form == "pickle"
    assert str(path) in caught.value.message
    assert not marker.exists()


def test_a_whole_module_is_refused(tmp_path):
    torch.save(torch.nn.Conv2d(1, 1, 1), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"torch\.nn\.modules\.conv\.Conv2d"):
        read_state(tmp_path / "net.pth")


def truncated(form, share):
    def write(path):
        if form == "safetensors":
            save_file(STATE, path)
        else:
            torch.save(STATE, path, _use_new_zipfile_serialization=form == "zip")
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return write


def bomb(path):
    """A tensor of 4 TB that stores one number."""
    torch.save({"a": torch.zeros(1).expand(1_000_000, 1_000_000)}, path)


def compressed_bomb(path):
    torch.save({"a": torch.zeros(1_000_000)}, path.with_name("plain"))
    with zipfile.ZipFile(path.with_name("plain")) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member), zipfile.ZIP_DEFLATED)


def endless_header(path):
    path.write_bytes(struct.pack("<Q", 2**62) + b"{" + b" " * 100)


def huge_shape(path):
    header = b'{"a":{"dtype":"F32","shape":[4000000000,4000000000],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"0000")


def cycle(path):
    content = {}
    content["model"] = content
    torch.save(content, path)


BROKEN = {
    "empty file": (lambda p: p.touch(), "is empty"),
    "text": (lambda p: p.write_text("hello"), "a text file"),
    "web page": (lambda p: p.write_text("<!DOCTYPE html>"), "web page"),
    "LFS pointer": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1"), "Git LFS"),
    "image": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)), "PNG image"),
    "noise": (lambda p: p.write_bytes(bytes(range(128, 256)) * 9), "damaged"),
    "other zip": (lambda p: zipfile.ZipFile(p, "w").writestr("a", "b"), "damaged|cut short"),
    "folder": (lambda p: p.mkdir(), "Is a directory"),
    "missing": (lambda p: None, "No such file"),
    "cut safetensors": (truncated("safetensors", 0.7), "cut short"),
    "cut safetensors header": (truncated("safetensors", 0.1), "cut short"),
    "cut zip": (truncated("zip", 0.7), "cut short"),
    "cut old pickle": (truncated("old", 0.7), "cut short"),
    "stride-0 bomb": (bomb, "claims to hold"),
    "compressed bomb": (compressed_bomb, "claims to hold"),
    "endless header": (endless_header, "cut short"),
    "huge shape": (huge_shape, "cut short"),
    "cycle": (cycle, "not a tensor"),
    "list": (lambda p: torch.save([torch.ones(1)], p), "holds a list"),
    "tensor": (lambda p: torch.save(torch.ones(1), p), "holds a Tensor"),
    "no tensors": (lambda p: torch.save({}, p), "no tensors"),
    "numbers": (lambda p: torch.save({"a": 1}, p), "'a' is a int, not a tensor"),
    "sparse": (lambda p: torch.save({"a": torch.eye(3).to_sparse()}, p), "sparse"),
    "meta": (lambda p: torch.save({"a": torch.empty(3, device="meta")}, p), "without data"),
    "NaN": (lambda p: torch.save({"a": torch.tensor([1, float("nan")])}, p), "NaN"),
    "infinite": (lambda p: save_file({"a": torch.tensor([float("inf")])}, p), "infinite"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_get_one_clear_message(tmp_path, case):
    make, message = BROKEN[case]
    path = tmp_path / "net.pth"
    make(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(WeightsError, match=message) as caught:
            read_state(path)
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 500
    assert "weights_only" not in str(caught.value)


# Saving


def test_saved_weights_come_back_in_half_precision_with_their_card(tmp_path):
    view = torch.randn(6, 4)[:, ::2]
    state = {"a": view, "tied": view, "steps": torch.tensor(7)}
    card = save(tmp_path / "new" / "tiny-x1.5.safetensors", state, Card("tiny-x1.5", "s", "a", "t", "r"))
    path = tmp_path / "new" / "tiny-x1.5.safetensors"
    assert sorted(os.listdir(path.parent)) == ["tiny-x1.5.safetensors", "tiny-x1.5.toml"]
    assert Card.read(path.with_suffix(".toml")) == card
    assert card.sha256 == digest(path)
    again = read_state(path)
    assert torch.equal(again["a"], view.half())
    assert torch.equal(again["steps"], state["steps"])


def test_a_failed_save_leaves_what_was_there(tmp_path, monkeypatch):
    path, card = tmp_path / "net.safetensors", Card("net", "s", "a", "t", "r")
    save(path, {"a": torch.ones(2)}, card)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(WeightsError, match="half precision"):
        save(path, {"a": torch.tensor([1e6])}, card)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(WeightsError, match="No space left"):
        save(path, {"a": torch.zeros(2)}, card)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
