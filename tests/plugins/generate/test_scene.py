"""`generate:landscape`, `generate:vae` and `generate:vaegan` with tiny random networks."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import avg_pool2d

from imgtk import Pipeline
from imgtk.errors import ImgtkError
from imgtk.geometry import Box, Window
from imgtk.registry import default
from imgtk_generate.blocks import mirrored
from imgtk_generate.codes import between
from imgtk_generate.scene_network import SceneGenerator
from imgtk_generate.vae_network import SceneVAE, SceneVAEGAN

NETWORKS = {
    "landscape": lambda: SceneVAE(4, 6, grain=True),
    "landscape-128": lambda: SceneVAE(4, 6, grain=True, finer=True),
    "vae": lambda: SceneVAE(4, 6),
    "vaegan": lambda: SceneVAEGAN(4, 6, 8),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of each network, whose images differ by code."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name, build in NETWORKS.items():
        network = build()
        with torch.no_grad():
            for part in network.modules():
                if isinstance(part, SceneGenerator):
                    part.last.weight.mul_(20)
                    part.mixer[0].weight.mul_(3)
                    if part.finer is not None:
                        part.finer.last.weight.normal_(std=0.1)
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    return folder


def make(files, words="", name="vae", **call):
    pipeline = Pipeline(f"generate:{name.partition('-')[0]} model={files / name}.safetensors {words}", device="cpu")
    return pipeline(**call).pixels


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_seeds_and_sheets(files, name):
    first = make(files, "64x64 seed=3", name)
    assert first.shape == (64, 64, 3)
    sheet = make(files, "64x64 seed=3..5", name)
    assert sheet.shape == (128, 128, 3)
    assert np.array_equal(sheet, make(files, "64x64 seed=3 count=3", name))
    assert np.array_equal(sheet[:64, :64], first)
    assert np.array_equal(sheet[64:, :64], make(files, "64x64 seed=5", name))
    assert not sheet[64:, 64:].any()
    assert np.abs(first.astype(int) - sheet[:64, 64:]).mean() > 1
    means = [make(files, f"64x64 seed={seed} truncation=0", name) for seed in (1, 2)]
    assert np.array_equal(*means)


@pytest.mark.parametrize("size", ["1x1", "97x3", "150x201"])
def test_other_sizes_are_cut_from_the_middle_and_tiles_do_not_show(files, size):
    width, height = map(int, size.split("x"))
    pixels = make(files, f"{size} count=2")
    assert pixels.shape == (height, 2 * width, 3)
    side = max(width, height)
    square = make(files, f"{side}x{side}")
    left, top = (side - width) // 2, (side - height) // 2
    assert np.abs(pixels[:, :width].astype(int) - square[top : top + height, left : left + width]).max() <= 1
    tiled = Pipeline(f"generate:vae {size} count=2 model={files / 'vae.safetensors'}", device="cpu", tile=32)
    assert np.abs(tiled().pixels.astype(int) - pixels).max() <= 1


def test_codes_of_a_file_take_the_place_of_seeds(files, tmp_path):
    code = torch.randn(6, generator=torch.Generator().manual_seed(3)).numpy()
    np.save(tmp_path / "one.npy", code)
    np.save(tmp_path / "two.npy", np.stack([code, -code]).astype(np.float64))
    assert np.array_equal(make(files, f"latents={tmp_path / 'one.npy'}"), make(files, "seed=3"))
    assert make(files, f"latents={tmp_path / 'two.npy'}").shape == (128, 256, 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_image_is_encoded_and_varied(files, tmp_path, name):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 101, 3), np.uint8)).save(tmp_path / "in.png")
    again, varied, random = (
        make(files, f"image={tmp_path / 'in.png'} vary={vary} seed=4", name) for vary in (0, 0.5, 1)
    )
    assert np.array_equal(again, make(files, f"image={tmp_path / 'in.png'} seed=9", name))
    assert not np.array_equal(again, varied)
    assert np.abs(random.astype(int) - make(files, "seed=4", name)).max() <= 1


def test_a_clip_leads_from_image_to_image(files, tmp_path):
    pipeline = Pipeline(f"generate:vae seed=3..5 frames=5 model={files / 'vae.safetensors'}", device="cpu")
    assert pipeline.frames == 5
    frames = [pipeline(frame=number).pixels for number in range(5)]
    for place, seed in ((0, 3), (2, 4), (4, 5)):
        assert np.array_equal(frames[place], make(files, f"seed={seed}"))
    assert not np.array_equal(frames[1], frames[0])
    assert not np.array_equal(frames[1], frames[2])


def test_codes_between_others_are_as_long():
    codes = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    lengths = [between(codes, frame, 9).norm().item() for frame in range(9)]
    assert max(lengths) / min(lengths) < 1.1
    assert torch.equal(between(codes, 4, 9)[0], codes[1])


def test_every_code_has_its_grain_and_near_ones_have_similar_grain():
    network = SceneVAEGAN(4, 32, 8)
    codes = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    one, other = network.grain(codes)
    near = network.grain(codes + 0.05 * codes.flip(0))[0]
    assert one.shape == (1, 128, 128)
    assert one.std().item() == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(network.grain(3 * codes)[0], one, atol=1e-3, rtol=1e-3)
    assert (near - one).square().mean() < 0.01 < 0.5 < (other - one).square().mean()


def test_grain_puts_details_of_every_image_elsewhere():
    network = SceneGenerator(4, 32, grain=True)
    codes = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    assert [grain.side for grain in network.grain] == [8, 16, 32, 64]
    for grain in network.grain:
        one, other = grain(codes)
        near = grain(codes + 0.05 * codes.flip(0))[0]
        assert (near - one).square().mean() < 0.01 * one.square().mean() < 0.5 * (other - one).square().mean()
    assert not any(grain(torch.zeros(1, 32)).any() for grain in network.grain)


def test_the_finer_stage_starts_with_the_image_enlarged():
    torch.manual_seed(0)
    coarse, finer = SceneGenerator(4, 32, grain=True), SceneGenerator(4, 32, grain=True, finer=True)
    finer.load_state_dict({**finer.state_dict(), **coarse.state_dict()})
    codes = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        small, large = coarse(codes), finer(codes)
    assert large.shape == (2, 3, 128, 128)
    torch.testing.assert_close(avg_pool2d(large, 2), small, atol=0.05, rtol=0)


def test_flat_features_give_a_flat_image_without_an_edge():
    for side in (4, 5):
        layer = mirrored(3, 2)
        made = layer(torch.ones(1, 3, side, side))
        torch.testing.assert_close(made, made[..., :1, :1].expand_as(made))


def test_only_images_that_a_tile_shows_are_made(files):
    scene = default().build("generate:vae", count=1024, model=str(files / "vae.safetensors"))
    scene.to(torch.device("cpu"), torch.float32)
    assert scene.render(window=Window(Box(200, 140, 280, 180), scene.output_size())).shape == (1, 3, 40, 80)
    assert sorted(scene.images) == [33, 34]


@pytest.mark.parametrize("name", NETWORKS)
def test_any_size_of_network_is_told_from_its_tensors(files, name):
    network = default().build(f"generate:{name.partition('-')[0]}", model=str(files / f"{name}.safetensors")).scenes
    wanted = NETWORKS[name]()
    assert (type(network), network.description) == (type(wanted), wanted.description)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("0x64", "size: expected a width and a height"),
        ("1000000x1000000", "size: expected a width and a height in pixels from 1 to 4096"),
        ("count=0", "count: expected a whole number from 1 to 1024"),
        ("seed=5..3", "seed: expected a seed such as 3"),
        ("seed=1..2000", "seed: expected a seed such as 3"),
        ("seed=1..4 count=3", "seed=1..4 and count=3 cannot be combined"),
        ("frames=10", "frames=10 cannot lead through 1 seed"),
        ("seed=1..8 frames=5", "frames=5 cannot lead through 8 seeds"),
        ("truncation=nan", "truncation: expected a number"),
    ],
)
def test_what_makes_no_sense(files, words, message):
    with pytest.raises(ImgtkError, match=message):
        make(files, words)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((2, 7)), "holds codes of 7 numbers, and the network takes 6"),
        (np.zeros((0, 6)), "holds 0 codes"),
        (np.full((1, 6), np.nan), "not finite"),
        (np.full((1, 6), 1e300), "not finite"),
        (np.zeros((2, 2, 6)), "holds no codes"),
        (np.array(["a"] * 6), "holds no codes"),
        (np.array([{}] * 6), "is no .npy file"),
        (
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 6), }"
            + b" " * 37
            + b"\n",
            "no .npy",
        ),
        (b"", "no .npy file"),
        (b"\x89PNG", "no .npy file"),
        (None, "cannot read"),
    ],
)
def test_files_without_codes(files, tmp_path, content, message):
    file = tmp_path / "codes.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content, allow_pickle=True)
    with pytest.raises(ImgtkError, match=message):
        make(files, f"latents={file}")


def test_weights_of_another_network(glyph_file):
    with pytest.raises(ImgtkError, match="holds GlyphVAE, which encodes no images"):
        Pipeline(f"generate:vae model={glyph_file}", device="cpu")()


def test_an_image_that_cannot_be_encoded(files, tmp_path):
    with pytest.raises(ImgtkError, match="the image cannot be encoded"):
        make(files, f"image={tmp_path / 'none.png'}", "vae")
    np.save(tmp_path / "one.npy", np.zeros(6))
    with pytest.raises(ImgtkError, match="image= and latents= cannot be combined"):
        make(files, f"image={tmp_path / 'none.png'} latents={tmp_path / 'one.npy'}", "vae")
