"""Third-party weights: every public layout is recognised, converted, compared; what cannot be used leaves nothing."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from imgtk import Pipeline
from imgtk.errors import UsageError, WeightsError
from imgtk.nn.features import load_features, squeezenet
from imgtk.painting.network import StyleNetwork
from imgtk.registry import default
from imgtk.upscaling.network import load_network
from imgtk.weights import Card, digest, import_weights, read_state
from imgtk.weights.download import place
from imgtk.weights.import_weights import TOLERANCE, ImportedWeights
from imgtk.weights.public import PublicModel
from imgtk_anystyle.network import AnyStyleNetwork
from imgtk_cyclegan.network import ResnetGenerator
from imgtk_cyclegan.painter import Painter
from imgtk_esrgan.network import RRDBNet, SRVGGNetCompact
from imgtk_generate.glyph_network import GlyphVAE
from imgtk_generate.vae_network import SceneVAE, SceneVAEGAN
from imgtk_gramstyle.transformer import TransformerNet
from imgtk_pix2pix.network import SmoothUNet, TransposedUNet, published_widths, smooth_widths
from imgtk_restore.colour_network import ColouriseNet
from imgtk_restore.fill_network import InpaintNet
from imgtk_restore.network import RestorationNet
from imgtk_srgan.network import MSRResNet, SRResNet
from imgtk_stylizesr.network import StyleUpscaler
from imgtk_stylizesr.plain import PaintingUpscaler
from imgtk_unit.network import UNIT
from tests.serving import Server

State = dict[str, Tensor]


def add(file: Path, name: str, **options: Any) -> ImportedWeights:
    registry = default()
    return import_weights.add(file, name, registry.architectures, packages=registry.packages, **options)


PUBLIC: list[PublicModel] = []
"""The public weights that `pull` knows by name."""


def pull(source: str, name: str | None = None, **options: Any) -> ImportedWeights:
    registry = default()
    where = {"packages": registry.packages, "public": PUBLIC}
    return import_weights.pull(source, name, registry.architectures, **where, **options)


def old_esrgan(state: State) -> State:
    """The names of the first ESRGAN files, for x4 and two blocks."""
    names = {"conv_first": "model.0", "conv_body": "model.1.sub.2", "conv_up1": "model.3", "conv_up2": "model.6"}
    names |= {"conv_hr": "model.8", "conv_last": "model.10"}
    result = {}
    for name, value in state.items():
        module, _, kind = name.rpartition(".")
        if module.startswith("body."):
            _, block, dense, conv = module.split(".")
            result[f"model.1.sub.{block}.{dense.upper()}.{conv}.0.{kind}"] = value
        else:
            result[f"{names[module]}.{kind}"] = value
    return result


def renamed(*table: tuple[str, str]) -> Callable[[State], State]:
    def rename(state: State) -> State:
        result = {}
        for name, value in state.items():
            for ours, theirs in table:
                name = name.replace(ours, theirs)
            result[name] = value
        return result

    return rename


ESRGAN = renamed(
    ("conv_body", "trunk_conv"), ("body.", "RRDB_trunk."), ("rdb", "RDB"), ("conv_up", "upconv"), ("conv_hr", "HRconv")
)
KAIR = renamed(("body.", "recon_trunk."), ("conv_hr", "HRconv"))
SMALL = {"features": 8, "blocks": 2, "growth": 4}

LAYOUTS: dict[str, tuple[Callable[[], nn.Module], Callable[[State], State], str, str]] = {
    "old ESRGAN": (lambda: RRDBNet(**SMALL), old_esrgan, "RRDBNet, 2 blocks", "upscale:esrgan x4"),
    "ESRGAN, BSRGAN": (lambda: RRDBNet(**SMALL), ESRGAN, "RRDBNet, 2 blocks", "upscale:esrgan x4"),
    "BSRGANx2": (lambda: RRDBNet(**SMALL, scale=2, unshuffle=1), ESRGAN, "RRDBNet, 2 blocks", "upscale:esrgan x2"),
    "Real-ESRGAN": (lambda: RRDBNet(**SMALL), dict, "RRDBNet, 2 blocks", "upscale:esrgan x4"),
    "Real-ESRGAN x2": (lambda: RRDBNet(**SMALL, scale=2), dict, "RRDBNet, 2 blocks", "upscale:esrgan x2"),
    "Real-ESRGAN x1": (lambda: RRDBNet(**SMALL, scale=1), dict, "RRDBNet, 2 blocks", "upscale:esrgan x1"),
    "anime 6B": (lambda: RRDBNet(blocks=6), dict, "RRDBNet, 6 blocks, 4.47 M", "upscale:esrgan x4"),
    "Compact 16": (SRVGGNetCompact, dict, "SRVGGNetCompact, 16 convolutions, 0.62 M", "upscale:compact x4"),
    "Compact 32": (lambda: SRVGGNetCompact(convs=32), dict, "SRVGGNetCompact, 32 convo", "upscale:compact x4"),
    "MSRResNet": (MSRResNet, dict, "MSRResNet, 16 blocks, 1.52 M", "upscale:srresnet x4"),
    "MSRResNet of KAIR": (lambda: MSRResNet(8, 2), KAIR, "MSRResNet, 2 blocks", "upscale:srresnet x4"),
    "MSRResNet x3": (lambda: MSRResNet(8, 2, 3), dict, "MSRResNet, 2 blocks", "upscale:srresnet x3"),
    "SRResNet": (lambda: SRResNet(8, 2, norm=False), dict, "SRResNet, 2 blocks", "upscale:srresnet x4"),
    "SRResNet with norms": (lambda: SRResNet(8, 2, norm=True), dict, "SRResNet, 2 blocks", "upscale:srresnet x4"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_public_layout_is_told_and_converted(tmp_path: Path, store: Path, layout: str) -> None:
    make, rename, architecture, usage = LAYOUTS[layout]
    torch.manual_seed(0)
    network = make().eval()
    file = tmp_path / "net.pth"
    torch.save({"params_ema": rename(network.state_dict())}, file)
    imported = add(file, "mine", licence="MIT", summary="A net.")
    card = imported.card
    assert card.architecture.startswith(architecture)
    assert f"{imported.architecture.operator} x{card.scale}" == usage
    assert (card.name, card.summary, card.licence) == ("mine", "A net.", "MIT")
    assert (card.origin, card.origin_sha256) == ("net.pth", digest(file))
    assert Card.read(store / "mine.toml") == card
    assert card.sha256 == digest(imported.path)
    assert sorted(os.listdir(store)) == ["mine.safetensors", "mine.toml"]
    assert read_state(imported.path).keys() == network.state_dict().keys()
    with torch.inference_mode():
        x = torch.rand(1, 3, 8, 12)
        assert (load_network(imported.path, default().architectures).float()(x) - network(x)).abs().max() < 0.01
    assert imported.difference <= TOLERANCE


def test_added_weights_work_by_their_name(tmp_path: Path, store: Path) -> None:
    torch.save(SRVGGNetCompact(8, 2).state_dict(), tmp_path / "net.pth")
    imported = add(tmp_path / "net.pth", "my.net-x4_2")
    assert imported.card.licence == "unstated"
    for operator in ("compact", "esrgan"):
        result = Pipeline(f"upscale:{operator} x4 model=my.net-x4_2")(torch.rand(1, 3, 5, 7))
        assert result.size == (28, 20)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    torch.save(SRVGGNetCompact(8, 2).state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["", "a/b", "../a", "a b", "a|b", ".hidden", "-x", "ä", "a:1", "a" * 101])
def test_names_are_words_and_file_names(checkpoint: Path, store: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        add(checkpoint, name)
    assert not store.exists()


def test_nothing_is_replaced_without_force(checkpoint: Path, store: Path) -> None:
    with pytest.raises(UsageError, match="shipped"):
        add(checkpoint, "esrgan-x4", force=True)
    add(checkpoint, "net")
    before = contents(store)
    torch.save(SRVGGNetCompact(8, 3).state_dict(), checkpoint)
    with pytest.raises(UsageError, match="--force replaces"):
        add(checkpoint, "net")
    assert contents(store) == before
    assert add(checkpoint, "net", force=True).card.architecture.startswith("SRVGGNetCompact, 3")
    assert contents(store).keys() == before.keys()
    assert contents(store) != before


def test_what_differs_too_much_in_half_precision_is_refused(
    checkpoint: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_weights, "TOLERANCE", 1e-9)
    with pytest.raises(WeightsError, match="output differs by") as caught:
        add(checkpoint, "net")
    assert "model=PATH" in str(caught.value)
    assert contents(store) == {}


def too_large(path: Path) -> None:
    torch.save({name: value * 1e6 for name, value in SRVGGNetCompact(8, 2).state_dict().items()}, path)


def overflowing(path: Path) -> None:
    """Each value fits half precision; the output does not even fit single precision."""
    torch.save({name: torch.full_like(v, 6e4) for name, v in SRVGGNetCompact(8, 16).state_dict().items()}, path)


def huge_scale(path: Path) -> None:
    state = SRVGGNetCompact(4, 1).state_dict()
    torch.save({**state, "body.4.weight": torch.rand(3 * 64**2, 4, 3, 3), "body.4.bias": torch.rand(3 * 64**2)}, path)


def distant_layer(path: Path) -> None:
    """A name that tells of some hundred millions of layers."""
    torch.save(
        {"model.1.sub.0.RDB1.conv1.0.weight": torch.rand(4, 8, 3, 3), "model.999999999.bias": torch.rand(3)}, path
    )


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, (f"touch {self.marker}",)


def truncated(path: Path) -> None:
    torch.save(SRVGGNetCompact(8, 2).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-500])


def zip_bomb(path: Path) -> None:
    torch.save({"body.0.weight": torch.zeros(1_000_000)}, path.with_name("plain"))
    with zipfile.ZipFile(path.with_name("plain")) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member), zipfile.ZIP_DEFLATED)


def claimed(path: Path) -> None:
    torch.save({"body.0.weight": torch.zeros(1).expand(10**6, 10**6)}, path)


def with_nan(path: Path) -> None:
    torch.save({**SRVGGNetCompact(8, 2).state_dict(), "body.0.bias": torch.full((8,), torch.nan)}, path)


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "No such file"),
    "empty": (lambda path: path.touch(), "is empty"),
    "text": (lambda path: path.write_text("hello"), "a text file"),
    "web page": (lambda path: path.write_text("<!DOCTYPE html>"), "a web page"),
    "folder": (lambda path: path.mkdir(), "is not a file"),
    "pipe": (lambda path: os.mkfifo(path), "is not a file"),
    "link to nothing": (lambda path: path.symlink_to("gone"), "No such file"),
    "link to itself": (lambda path: path.symlink_to(path), "symbolic links"),
    "truncated": (truncated, "cut short"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Hostile(path.with_name("marker")))), "could run code"),
    "pickle in a checkpoint": (lambda path: torch.save({"a": Hostile(path.with_name("marker"))}, path), "run code"),
    "zip bomb": (zip_bomb, "claims to hold"),
    "claimed size": (claimed, "claims to hold"),
    "NaN": (with_nan, "NaN"),
    "another network": (lambda path: torch.save({"layer.weight": torch.rand(3, 3)}, path), "unknown architecture"),
    "too large": (too_large, "not finite in half precision"),
    "overflowing": (overflowing, "output differs by nan"),
    "distant layer": (distant_layer, "conv_first.weight' is missing"),
    "huge scale": (huge_scale, "scale is unknown"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_files_end_in_one_message_and_leave_nothing(tmp_path: Path, store: Path, case: str) -> None:
    make, message = UNUSABLE[case]
    path = tmp_path / "net.pth"
    make(path)
    with pytest.raises(WeightsError, match=message) as caught:
        add(path, "net")
    assert "net.pth" in caught.value.message
    assert ".adding" not in caught.value.message
    assert len(str(caught.value).replace(str(tmp_path), "")) < 800  # however long the path is
    assert not (tmp_path / "marker").exists()
    assert not store.exists() or os.listdir(store) == []


def test_a_link_to_a_file_is_followed(checkpoint: Path, store: Path) -> None:
    link = checkpoint.with_name("link")
    link.symlink_to(checkpoint)
    assert add(link, "net").card.origin == "link"


def test_an_interrupted_addition_leaves_nothing(checkpoint: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_weights, "_difference", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add(checkpoint, "net")
    assert os.listdir(store) == []


def test_a_store_that_cannot_be_written(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGTK_WEIGHTS", str(checkpoint))
    with pytest.raises(WeightsError, match="cannot write"):
        add(checkpoint, "net")


# Downloading


def test_pulling_an_address(checkpoint: Path, store: Path, server: Server) -> None:
    url = server.serve("/zoo/net_v1.pth?download=1", checkpoint.read_bytes())
    imported = pull(url)
    assert imported.card.name == "net_v1"
    assert (imported.card.origin, imported.card.origin_sha256) == (url, digest(checkpoint))
    with pytest.raises(UsageError, match="already"):
        pull(url)
    assert pull(url, "again").path.exists()
    assert len(server.asked) == 1


def test_a_password_in_an_address_is_not_kept(checkpoint: Path, store: Path, server: Server) -> None:
    url = server.serve("/net.pth", checkpoint.read_bytes())
    imported = pull(url.replace("http://", "http://me:secret@"))
    assert imported.card.origin == url
    assert "secret" not in imported.path.with_suffix(".toml").read_text()


@pytest.fixture
def public(checkpoint: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> PublicModel:
    """Public weights that are on the server and have no published hash."""
    url = server.serve("/public.pth", checkpoint.read_bytes())
    model = PublicModel("anime", "For tests.", url, "SRVGGNetCompact", 4, "MIT")
    monkeypatch.setattr(f"{__name__}.PUBLIC", [model])
    return model


@pytest.mark.parametrize("by_address", [False, True])
def test_pulling_public_weights(public: PublicModel, store: Path, by_address: bool) -> None:
    card = pull(public.url if by_address else "anime").card
    assert (card.name, card.licence, card.summary, card.origin) == ("anime", "MIT", "For tests.", public.url)
    assert sorted(path.name for path in store.rglob("*.*")) == ["anime.safetensors", "anime.toml", "public.pth"]


def test_the_first_download_pins_the_hash(public: PublicModel, store: Path, server: Server, checkpoint: Path) -> None:
    pull("anime")
    place(public.url, public.file).unlink()
    before = contents(store)
    torch.save(SRVGGNetCompact(8, 2).state_dict(), checkpoint)
    server.serve("/public.pth", checkpoint.read_bytes())
    with pytest.raises(WeightsError, match="another SHA-256 than expected"):
        pull("anime", force=True)
    assert contents(store) == before
    assert pull("anime", sha256=digest(checkpoint), force=True).card.origin_sha256 == digest(checkpoint)


def test_what_is_not_what_the_table_says_is_refused(
    public: PublicModel, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PublicModel("anime", "", public.url, "RRDBNet", 4, "MIT")
    monkeypatch.setattr(f"{__name__}.PUBLIC", [other])
    with pytest.raises(WeightsError, match="holds SRVGGNetCompact x4, not RRDBNet x4"):
        pull("anime")
    assert [path.name for path in store.rglob("*.*")] == ["public.pth"]


def test_a_page_in_place_of_a_file_is_not_kept(store: Path, server: Server, checkpoint: Path) -> None:
    url = server.serve("/net.pth", b"<!DOCTYPE html><p>Please log in", kind="text/html")
    with pytest.raises(WeightsError, match=r"not kept: .* a web page") as caught:
        pull(url)
    assert url in caught.value.message
    assert contents(store) == {}
    server.serve("/net.pth", checkpoint.read_bytes())
    assert pull(url).path.exists()


def test_bad_names_are_refused_before_anything_is_asked(public: PublicModel, store: Path, server: Server) -> None:
    with pytest.raises(UsageError, match="anime"):
        pull("amine")
    with pytest.raises(UsageError, match="cannot be called"):
        pull("anime", "a/b")
    with pytest.raises(UsageError, match="cannot be called ''"):
        pull(server.url + "/")
    with pytest.raises(UsageError, match="not a valid URL"):
        pull("http://")
    with pytest.raises(UsageError, match="shipped"):
        pull("anime", "monet")
    assert server.asked == []
    assert not store.exists()


# Every architecture

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "AnyStyleNetwork": lambda: AnyStyleNetwork(8, 1, 4),
    "ColouriseNet": lambda: ColouriseNet(8),
    "Features": squeezenet,
    "GlyphVAE": lambda: GlyphVAE(8, 4),
    "InpaintNet": lambda: InpaintNet((8, 12), (1, 1)),
    "MSRResNet": lambda: MSRResNet(8, 2),
    "Painter": lambda: Painter(8, 1),
    "PaintingUpscaler": lambda: PaintingUpscaler(8, 1),
    "RRDBNet": lambda: RRDBNet(**SMALL),
    "ResnetGenerator": lambda: ResnetGenerator(4, 1),
    "RestorationNet": lambda: RestorationNet((8, 8), (1, 1)),
    "SRResNet": lambda: SRResNet(8, 2),
    "SRVGGNetCompact": lambda: SRVGGNetCompact(8, 2),
    "SceneVAE": lambda: SceneVAE(4, 6, grain=True, finer=True),
    "SceneVAEGAN": lambda: SceneVAEGAN(4, 6, 8),
    "SmoothUNet": lambda: SmoothUNet(smooth_widths(4, 3), 2),
    "StyleNetwork": lambda: StyleNetwork(8, 1),
    "StyleUpscaler": lambda: StyleUpscaler(8, 1),
    "TransformerNet": TransformerNet,
    "TransposedUNet": lambda: TransposedUNet(published_widths(4, 3)),
    "UNIT": lambda: UNIT(4, blocks=1),
}


def test_no_built_in_architecture_is_forgotten() -> None:
    ours = {a.name for a in default().architectures if a.detect.startswith("imgtk")}
    assert ours == NETWORKS.keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_of_every_architecture_are_imported(name: str, tmp_path: Path, store: Path) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]()
    torch.save({"state_dict": network.state_dict()}, tmp_path / "net.pth")
    imported = add(tmp_path / "net.pth", "mine")
    assert imported.architecture.name == name
    assert 0 <= imported.difference <= TOLERANCE
    spec = default().spec(imported.architecture.operator)
    assert spec.param(imported.architecture.parameter)
    stored = read_state(imported.path)
    assert stored.keys() == network.state_dict().keys()
    assert Card.read(store / "mine.toml").architecture.endswith("M parameters")


def test_added_features_are_a_backbone(tmp_path: Path, store: Path) -> None:
    torch.manual_seed(0)
    torch.save({**squeezenet().state_dict(), "classifier.1.weight": torch.rand(4, 512, 1, 1)}, tmp_path / "net.pth")
    assert add(tmp_path / "net.pth", "squeeze").architecture.parameter == "backbone"
    assert load_features("squeeze").name == "squeezenet1_1"
