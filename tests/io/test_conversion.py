"""`Image.of` takes what Python programs hold images in."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import torch
from samples import KINDS, metadata, same, sample_image

from imgtk.errors import ReadError
from imgtk.image import Image
from imgtk.io import convert, to_pil, write


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_arrays(kind, dtype):
    image = sample_image(kind, dtype)
    assert same(convert(image.numpy()), image)
    assert same(convert(np.asfortranarray(image.numpy())), image)
    if dtype != "float32":
        assert same(convert(image.numpy().astype(image.pixels.dtype.newbyteorder(">"))), image)


def test_array_shapes():
    assert convert(np.zeros((4, 5), np.uint8)).pixels.shape == (4, 5, 1)
    assert convert(np.zeros((4, 5, 1), np.uint8)).pixels.shape == (4, 5, 1)
    assert convert(np.zeros((4, 5), np.float64)).pixels.dtype == np.float32
    assert convert(np.zeros((4, 5), np.float16)).pixels.dtype == np.float32
    assert convert(np.zeros((40, 50, 3), np.uint8)[::2, ::-3]).pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4,), np.uint8), "shape (4,)"),
        (np.zeros((2, 4, 4, 3), np.uint8), "shape (2, 4, 4, 3)"),
        (np.zeros((3, 40, 50), np.uint8), "(H, W, C) with C from 1 to 4"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 0), np.float32), "no pixels"),
        (np.zeros((4, 4), np.int64), "Expected uint8, uint16 or floating point"),
        (np.zeros((4, 4), bool), "type bool"),
        (np.zeros((4, 4), complex), "type complex128"),
        (np.full((4, 4), np.nan), "not a number"),
        (np.array([[0, -np.inf]]), "infinite"),
        (np.full((4, 4), 255.0), "divide by 255"),
        (torch.zeros(4, 4), "(C, H, W) or (1, C, H, W)"),
        (torch.zeros(2, 3, 4, 4), "(2, 3, 4, 4)"),
        (torch.zeros(40, 50, 3), "(40, 50, 3)"),
        (torch.zeros(3, 0, 4), "no pixels"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "int64"),
        (torch.full((3, 4, 4), torch.nan), "not a number"),
        (None, "a NoneType is not an image"),
        ([[1, 2], [3, 4]], "a list is not an image"),
        (b"bytes", "a bytes is not an image"),
        (io.BytesIO(), "a BytesIO is not an image"),
    ],
)
def test_what_is_no_image(value, message):
    with pytest.raises(ReadError) as info:
        convert(value)
    assert message in str(info.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [False, True])
def test_tensors(kind, batch):
    image = sample_image(kind, "float32")
    samples = np.atleast_3d(image.numpy())
    tensor = torch.from_numpy(samples).permute(2, 0, 1)
    assert same(convert(tensor[None] if batch else tensor), image)
    assert same(convert(tensor.clone().requires_grad_()), image)
    half = convert(tensor.to(torch.bfloat16))
    assert half.pixels == pytest.approx(image.pixels, abs=0.004)
    eight = convert((tensor * 255).round().to(torch.uint8))
    assert eight.pixels.dtype == np.uint8


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"]
)
def test_pil_modes(mode):
    """Against the colours that Pillow itself makes of the mode."""
    base = PIL.Image.fromarray(sample_image("rgba").numpy())
    source = base.convert(
        "RGBA"
        if mode == "RGBa"
        else "LA"
        if mode == "La"
        else "RGB"
        if mode in ("CMYK", "HSV", "YCbCr", "PA", "P")
        else mode
    )
    source = source.convert("P").convert("PA") if mode == "PA" else source.convert(mode)
    image = convert(source)
    assert image.gray == (mode in ("1", "L", "LA", "La"))
    source = source.convert("LA") if mode == "La" else source  # as far as Pillow goes with it
    wanted = np.asarray(source.convert("RGBA" if mode in ("LA", "La", "RGBA", "RGBa", "PA") else "RGB"))
    assert np.array_equal(np.broadcast_to(image.pixels, (*image.pixels.shape[:2], 3)), wanted[..., :3])
    if mode in ("LA", "La", "RGBA", "RGBa"):
        assert np.array_equal(image.alpha, wanted[..., 3])


def test_deep_pil_modes():
    values = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    assert np.array_equal(convert(PIL.Image.fromarray(values)).pixels[..., 0], values)
    assert np.array_equal(convert(PIL.Image.fromarray(values.astype(np.int32))).pixels[..., 0], values)
    big_endian = PIL.Image.frombytes("I;16B", (4, 3), values.astype(">u2").tobytes())
    assert np.array_equal(convert(big_endian).pixels[..., 0], values)
    floats = (values / 65535).astype(np.float32)
    assert np.array_equal(convert(PIL.Image.fromarray(floats)).pixels[..., 0], floats)
    with pytest.raises(ReadError, match="samples go from 70000"):
        convert(PIL.Image.new("I", (2, 2), 70000))


def test_pil_of_a_broken_file(tmp_path):
    data = write(sample_image(size=(99, 99)), tmp_path / "a.png").read_bytes()
    with PIL.Image.open(io.BytesIO(data[:3000])) as source, pytest.raises(ReadError, match="cannot read the PIL image"):
        convert(source)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("kind", "mode"), [("gray", "L"), ("gray+alpha", "LA"), ("rgb", "RGB"), ("rgba", "RGBA")])
def test_to_pil(kind, mode, dtype):
    image = sample_image(kind, dtype, metadata=metadata())
    pil = to_pil(image)
    assert pil.mode == mode
    largest = 1 if dtype == "float32" else np.iinfo(dtype).max
    assert np.abs(np.asarray(pil) / 255 - image.numpy() / largest).max() <= 0.5001 / 255
    back = convert(pil).metadata
    assert (back.icc, back.exif, back.xmp, back.dpi) == tuple(
        getattr(image.metadata, name) for name in ("icc", "exif", "xmp", "dpi")
    )
    assert back.text["Comment"] == "grün"


def test_paths_and_images(tmp_path):
    path = write(sample_image(), tmp_path / "a.png")
    for source in (path, str(path)):
        image = convert(source)
        assert same(image, sample_image())
        assert image.path == path
    assert convert(image) is image


def test_pixels_may_be_changed(tmp_path):
    """They are not views of memory that Pillow or bytes own."""
    for suffix in (".png", ".tif", ".jpg"):
        image = Image.open(write(sample_image("rgb"), tmp_path / f"a{suffix}"))
        image.pixels[0, 0] = 7


def test_images_need_no_torch(tmp_path):
    path = write(sample_image(), tmp_path / "a.png")
    code = f"import sys; from imgtk.image import Image; Image.open({str(path)!r}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
