"""Reading state dicts from files of any origin, without trusting them, and writing our own.

A pickle can run any code while it is read; it is only ever opened with torch's restricted unpickler, which makes
tensors and plain containers and nothing else.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from imgtk.errors import WeightsError
from imgtk.weights import ncnn
from imgtk.weights.card import Card
from imgtk.weights.store import digest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read_state", "save"]

logger = logging.getLogger(__name__)

AVERAGED = ("params_ema", "net_g_ema", "netG_ema", "generator_ema", "g_ema", "ema_state_dict", "ema_model", "ema")
"""Names of averaged weights, which are better than the raw ones beside them."""

RAW = ("params", "state_dict", "model_state_dict", "model", "network", "net", "net_g", "netG", "generator", "shadow")
CONTAINERS = (*AVERAGED, *RAW)
"""Keys under which training programs put the state dict, the preferred first."""

WRAPPERS = (
    re.compile(rf"((module|_orig_mod|model)\.)*({'|'.join(AVERAGED)})\.((module|_orig_mod)\.)*"),
    re.compile(r"(model\.(?=(net_g|netG|generator)\.)|(module|_orig_mod|net_g|netG|generator)\.)+"),
)
"""Prefixes that wrappers (averaged, data-parallel, compiled, a GAN's pair of networks) add to the names of tensors."""

COUNTERS = ("total_ops", "total_params")
"""Names of buffers that the program thop leaves in networks whose work it has counted."""

STATE_DICT = "Save the network's state_dict() and nothing else."

MAX_EXPANSION = 4
"""Bytes in memory per byte in the file; trained weights hardly compress, and tied ones count several times."""

NOT_WEIGHTS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"RIFF": "a WebP image",
    b"<": "a web page (the download went wrong)",
    b"version https://git-lfs": "a Git LFS pointer (run `git lfs pull` where it came from)",
    b"\x1f\x8b": "a gzip archive (unpack it first)",
    b"7z": "a 7z archive (unpack it first)",
    ncnn.BINARY_PARAM: "a .param.bin of ncnn (the .param text and its .bin are needed)",
    # torch.save writes pickles of protocol 2.
    **{b"\x80%c" % protocol: "a Python pickle of another program, which could run code" for protocol in (3, 4, 5)},
}


class _LeftOut:
    """Takes the place of a value that is not needed, whatever it would be made of."""

    def __init__(self, *parts: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


NOT_NEEDED: list[Any] = [
    type(name, (_LeftOut,), {"__module__": module})
    for module, names in {
        "numpy.core.multiarray": ("scalar", "_reconstruct"),
        "numpy._core.multiarray": ("scalar", "_reconstruct"),
        "numpy": ("ndarray", "dtype"),
        "argparse": ("Namespace",),
        "pathlib": ("PosixPath", "WindowsPath"),
    }.items()
    for name in names
]
"""Placeholders for the figures, arrays, options and paths that training programs store beside the weights."""


def read_state(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, on the CPU, in the dtypes of the file; 8-bit tensors become float16,
    without loss.

    The format is recognised by the content, not by the suffix: safetensors, files of `torch.save` (zip, or the older
    plain pickle), or the `.param` of ncnn with its `.bin` beside it (either may be named; the result is an `NcnnState`,
    in float32). The state dict may be the whole content of the file, or be in one of `CONTAINERS`. Prefixes of wrappers
    are removed; tensors outside the wrapper, and `COUNTERS`, are left out. If the content is several state dicts by
    name, the tensors are "name.tensor".

    Raises:
        WeightsError: the file is missing, empty, truncated, of another kind, contains anything but tensors, needs code
            to be run, or has values that are not finite. The message says which.
    """
    path = Path(path)
    logger.info("reading the weights %s", path)
    try:
        with path.open("rb") as file:
            head = file.read(64)
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}", hint="Check the path.") from None
    if not head:
        raise WeightsError(f"{path} is empty", hint="Download or copy it again.")
    pair = ncnn.pair(path, head)
    if pair:
        state: dict[str, Tensor] = ncnn.read_ncnn(*pair)
        _check(state, path, pair[1].stat().st_size)
        return state
    if head[8:9] == b"{" and not _is_text(head):
        content = _read_safetensors(path)
    else:
        kind = next((kind for magic, kind in NOT_WEIGHTS.items() if head.startswith(magic)), None)
        if kind or _is_text(head):
            raise WeightsError(f"{path} holds no weights: it is {kind or 'a text file'}", hint="Check the path.")
        content = _read_pickle(path, head, size)
    state = _unwrap(content, path)
    _check(state, path, size)
    return state


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, "safetensors file", error) from None


def _read_pickle(path: Path, head: bytes, size: int) -> Any:
    import torch

    mmap = None
    try:
        if head.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
            _check_claim(sum(member.file_size for member in members), path, size)
            mmap = all(member.compress_type == zipfile.ZIP_STORED for member in members)
        with warnings.catch_warnings(), torch.serialization.safe_globals(NOT_NEEDED):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except WeightsError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        code = re.search(r"GLOBAL ([\w.]+)|TorchScript", str(error))
        if code:
            raise WeightsError(
                f"{path} holds more than tensors ({code[1] or 'TorchScript'}), which could run code; it was not opened",
                hint="Get the weights as .safetensors, or as a .pth that holds only a state dict.",
            ) from None
        raise _damaged(path, "PyTorch checkpoint", error) from None


def _check_claim(claimed: int, path: Path, size: int) -> None:
    """Refuse what would swell in memory: a compressed archive, or few stored bytes that pretend to be a huge tensor."""
    if claimed > MAX_EXPANSION * size:
        raise WeightsError(
            f"{path} has {size} bytes, but claims to hold {claimed}; it was not loaded", hint="Get it from its origin."
        )


def _damaged(path: Path, kind: str, error: Exception) -> WeightsError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    detail = "" if isinstance(error, UnpicklingError) else f" ({reason})"  # torch's text suggests to open it unsafely
    return WeightsError(
        f"{path} is not a complete {kind}: it is cut short, damaged, or something else{detail}",
        hint="Download or copy it again and compare its size with the original's.",
    )


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    for _ in range(3):  # containers nest, but not endlessly
        if not isinstance(content, Mapping):
            raise WeightsError(f"{path} holds a {_kind(content)}, not a state dict", hint=STATE_DICT)
        content = next((content[key] for key in CONTAINERS if _has_tensors(content.get(key))), content)
    if content and all(isinstance(value, Mapping) for value in content.values()):  # several networks, by name
        content = {f"{name}.{inner}": value for name, part in content.items() for inner, value in part.items()}
    state = {str(name): value for name, value in content.items()}
    state = {name: value for name, value in state.items() if name.rpartition(".")[2] not in COUNTERS}
    for wrapper in WRAPPERS:
        inside = {wrapper.sub("", name, 1): value for name, value in state.items() if wrapper.match(name)}
        state = inside or state
    return state


def _has_tensors(content: object, depth: int = 3) -> bool:
    """Return whether it is a mapping with tensors, or with such a mapping."""
    import torch

    if not isinstance(content, Mapping) or not depth:
        return False
    values = content.values()
    return any(isinstance(value, torch.Tensor) or _has_tensors(value, depth - 1) for value in values)


def _kind(value: object) -> str:
    return "value of another program" if isinstance(value, _LeftOut) else type(value).__name__


def _check(state: dict[str, Tensor], path: Path, size: int) -> None:
    """Refuse what is no weights, and make numbers of 8 bits, with which nothing can be computed, float16."""
    import torch

    if not state:
        raise WeightsError(f"{path} holds no tensors", hint=STATE_DICT)
    needed = 0
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise WeightsError(f"{path}: {name!r} is a {_kind(value)}, not a tensor", hint=STATE_DICT)
        if value.device.type != "cpu" or value.layout != torch.strided or value.is_quantized:
            raise WeightsError(f"{path}: {name!r} is not a plain tensor (sparse, quantised or without data)")
        needed += value.numel() * value.element_size()
    _check_claim(needed, path, size)
    eight_bits = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)
    usual = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    for name, value in state.items():
        if not value.is_floating_point():
            continue
        if value.dtype in eight_bits:
            state[name] = value = value.half()
        elif value.dtype not in usual:
            kind = str(value.dtype).removeprefix("torch.")
            raise WeightsError(
                f"{path}: {name!r} holds {kind}, which only means something together with scales of its own",
                hint="Get the weights in float16, bfloat16 or float32.",
            )
        if not torch.isfinite(value).all():
            raise WeightsError(
                f"{path}: {name!r} has values that are NaN or infinite",
                hint="The training that made it went wrong; use an earlier checkpoint.",
            )


def save(path: str | Path, state: Mapping[str, Tensor], card: Card) -> Card:
    """Write `state` in half precision to `path` (*.safetensors) and `card`, with the file's hash, beside it (*.toml).

    Both files are complete or untouched. Returns the card as written.

    Raises:
        WeightsError: a value is not finite in half precision (at most 65504), or the folder cannot be written.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    # The clone gives each tensor its own dense memory, which safetensors asks for.
    half = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous().clone()
        for name, value in state.items()
    }
    for name, value in half.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise WeightsError(f"cannot save {path}: {name!r} is not finite in half precision")
    weights, description = (
        path.with_name(f".{path.name}.{os.getpid()}"),
        path.with_name(f".{path.stem}.toml.{os.getpid()}"),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(half, weights, metadata={"format": "pt"})
        card = replace(card, sha256=digest(weights))
        description.write_text(card.toml(), encoding="utf-8")
        weights.chmod(description.stat().st_mode)  # safetensors makes files that only their owner can read
        os.replace(weights, path)
        os.replace(description, path.with_suffix(".toml"))
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        weights.unlink(missing_ok=True)
        description.unlink(missing_ok=True)
    return card
