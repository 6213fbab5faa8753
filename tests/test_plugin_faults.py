"""What a plugin may do wrong: each fault ends in one message that names it, and never in a wrong image."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imgtk import API
from imgtk.adaptive_op import AdaptiveOp, View
from imgtk.context import BuildContext
from imgtk.engine.render import Progress
from imgtk.errors import ImgtkError, OperatorError
from imgtk.geometry import Box, Extent, Geometry, Size, Window
from imgtk.image import Image
from imgtk.op import Facts, ImageOp, OpSpec
from imgtk.params import Choice, CommaList, Flag, ImageFile, ImageInput, Integer, Number, ParamType, Scale, Weights
from imgtk.pipeline import Pipeline
from imgtk.registry import Registry, default
from imgtk.testing import sample_image
from imgtk.training.run import train


class Turned(ImageOp):
    """Row a: the whole image, and a size of its own."""

    geometry = Geometry(extent=Extent.WHOLE)

    def output_size(self, *sizes: Size) -> Size:
        return Size(*sizes[0][::-1])

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x.rot90(1, (2, 3))


class Wrong(ImageOp):
    """Row c: `what` is wrong with the output."""

    def __init__(self, what: str, extent: Extent, scale: int, door: bool) -> None:
        self.what = what
        self.geometry = Geometry(scale * Geometry().scale, extent=extent)
        self.facts = Facts(position_dependent=door)

    def render(self, *inputs: Tensor, window: Window, statistics: Any = None) -> Tensor:
        return self(*inputs) if self.facts.position_dependent else super().render(*inputs, window=window)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return WRONG[self.what](x)


WRONG: dict[str, Callable[[Tensor], Any]] = {
    "too large": lambda x: nn.functional.pad(x, (0, 2, 0, 2)),
    "too small": lambda x: x[..., :-1],
    "one row": lambda x: x[:, :, :1],
    "one channel": lambda x: x[:, :1],
    "four channels": lambda x: torch.cat([x, x[:, :1]], 1),
    "no batch": lambda x: x[0],
    "two images": lambda x: torch.cat([x, x]),
    "uint8": lambda x: (x * 255).to(torch.uint8),
    "float64": lambda x: x.double(),
    "None": lambda x: None,
    "an array": lambda x: x.numpy(),
    "a tuple": lambda x: (x, x),
    "another device": lambda x: x.to("meta"),
}


class InPlace(ImageOp):
    """Row d."""

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return x.mul_(0.5)


class Poison(ImageOp):
    """Row e."""

    facts = Facts(needs_float32=True)

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        return (x - x) / (x - x)


class Raises(ImageOp):
    """Row h."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.fail("init")

    def fail(self, where: str) -> None:
        if self.where == where:
            raise KeyError("psnr")

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        self.fail("to")

    def output_size(self, *sizes: Size) -> Size:
        self.fail("output_size")
        return sizes[0]

    def check(self, size: Size) -> None:
        self.fail("check")

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        self.fail("call")
        return x


class Nothing(ImageOp):
    """Defines neither form."""


class Regions(ImageOp):
    """Names the regions of more inputs than it has."""

    def regions(self, box: Box, *sizes: Size) -> list[Box]:
        return [box, box]


class Exits(ImageOp):
    """Ends the process, as if all were well."""

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        sys.exit(0)


class Unplanned(AdaptiveOp):
    """Does not call `super().__init__`."""

    def __init__(self) -> None:
        pass

    def resolve(self, *views: View) -> ImageOp:
        return Nothing()


class Deep(ImageOp):
    """Row k: a network that takes seconds."""

    layers_done: ClassVar[int] = 0

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        class Slow(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                Deep.layers_done += 1
                time.sleep(0.1)
                return x

        self.forward_fn = nn.Sequential(*(Slow() for _ in range(30)))

    def __call__(self, x: Tensor, *others: Tensor) -> Tensor:
        try:
            return self.forward_fn(x)
        except Exception:
            return x  # which must not swallow what the caller wants


KINDS = {kind.__name__.lower(): kind for kind in (Turned, InPlace, Poison, Nothing, Deep, Regions, Exits, Unplanned)}


def pipeline(spec: OpSpec, text: str = "", **settings: Any) -> Pipeline:
    registry = Registry.of(spec, default().spec("blend"))
    return Pipeline(text or spec.name, registry=registry, device="cpu", **{"dtype": "fp32", **settings})


def made(name: str, **settings: Any) -> Pipeline:
    return pipeline(OpSpec(name, f"{__name__}:{KINDS[name].__name__}", ""), **settings)


def test_a_whole_image_with_a_size_of_its_own() -> None:
    image = Image.of(sample_image(9, 5))
    assert np.array_equal(made("turned")(image).pixels, np.rot90(image.pixels))


@pytest.mark.parametrize("door", [False, True])
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("extent", [Extent.LOCAL, Extent.WHOLE])
@pytest.mark.parametrize("what", WRONG)
def test_outputs_are_checked(what: str, extent: Extent, scale: int, door: bool) -> None:
    preset = {"what": what, "extent": extent, "scale": scale, "door": door}
    with pytest.raises(OperatorError, match=r"^test:wrong gives ") as caught:
        pipeline(OpSpec("test:wrong", f"{__name__}:Wrong", "", preset=preset), tile="off")(sample_image(6, 5))
    assert caught.value.exit_code == 70


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_changes_in_place_are_found(dtype: str) -> None:
    spec = OpSpec("test:inplace", f"{__name__}:InPlace", "")
    with pytest.raises(OperatorError, match="test:inplace changes its input"):
        pipeline(spec, "test:inplace as a ; blend @a", dtype=dtype)(sample_image(6, 5))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_nan_is_never_written(kind: str) -> None:
    pixels = (sample_image(6, 5)[0].permute(1, 2, 0).numpy() * 255).astype(kind)
    with pytest.raises(ImgtkError, match="poison gave NaN or infinity"):
        made("poison")(pixels / np.float32(255) if kind == "float32" else pixels)


@pytest.mark.parametrize("where", ["init", "to", "output_size", "check", "call"])
def test_bugs_are_named(where: str) -> None:
    spec = OpSpec("test:raises", f"{__name__}:Raises", "", preset={"where": where})
    with pytest.raises(OperatorError, match=r"test:raises failed .*KeyError: 'psnr'") as caught:
        pipeline(spec)(sample_image(6, 5))
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", "defines neither __call__ nor render"),
        ("regions", r"has 1 inputs, and its regions\(\) gives 2 regions"),
        ("exits", "failed on an image: SystemExit"),
        ("unplanned", "failed planning: AttributeError: .* 'planned'"),
    ],
)
def test_what_an_operator_must_define(name: str, told: str) -> None:
    with pytest.raises(OperatorError, match=f"^{name} {told}"):
        made(name)(sample_image(6, 5))


def test_small_images_report_and_can_be_cancelled() -> None:
    """From within the network, about twice a second; what the caller raises comes out as it is."""
    seen: list[Progress] = []
    made("deep")(sample_image(6, 5), seen.append)
    assert len(seen) > 4
    shares = [progress.share for progress in seen]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1

    class EnoughError(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise EnoughError

    Deep.layers_done = 0
    with pytest.raises(EnoughError):
        made("deep")(sample_image(6, 5), stop)
    assert Deep.layers_done < 15


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Install plugins, and run imgtk with them."""
    site = tmp_path / "site"
    site.mkdir()

    def run(plugins: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        for name, code in plugins.items():
            package = site / f"faulty_{name}"
            package.mkdir(exist_ok=True)
            (package / "__init__.py").write_text(code)
            info = site / f"imgtk_{name}-1.5.dist-info"
            info.mkdir(exist_ok=True)
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: imgtk-{name}\nVersion: 1.5\n")
            (info / "entry_points.txt").write_text(f"[imgtk]\n{name} = faulty_{name}\n")
        path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-m", "imgtk", *words]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)

    return run


PLUGIN = """
from imgtk import hookimpl
from imgtk.op import ImageOp, OpSpec

@hookimpl
def imgtk_operators():
    return [OpSpec("test:{name}", "faulty_{name}:Op", "A test.", {more})]

class Op(ImageOp):
    def __call__(self, x, *others):
        return x[:, :1]
"""


def plugin(name: str, *, first: str = "", more: str = "", last: str = "") -> dict[str, str]:
    return {name: first + PLUGIN.format(name=name, more=more) + last}


def test_the_message_names_the_package(installed: Any, tmp_path: Path) -> None:
    Image.of(sample_image(6, 5)).save(tmp_path / "in.png")
    done = installed(plugin("gray"), "run", "test:gray", "in.png", "-o", "out.png")
    assert done.returncode == 70
    assert "test:gray (imgtk-gray 1.5) gives (1, 1, 5, 6)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.png").exists()


def test_prints_on_import_go_to_standard_error(installed: Any) -> None:
    done = installed(plugin("loud", first="print('Hello!')\n"), "ops", "--json")
    assert "test:loud" in [row["name"] for row in json.loads(done.stdout)]
    assert "Hello!" in done.stderr


def test_optional_hooks_and_versions_of_the_api(installed: Any) -> None:
    hook = "\n@hookimpl(optionalhook=True)\ndef imgtk_of_the_future(): return []\n"
    future = plugin("future", first=f"IMGTK_API = {API + 1}\n")
    done = installed({**plugin("optional", last=hook), **future}, "plugins", "--json")
    found = {row["name"]: row for row in json.loads(done.stdout)}
    assert found["optional"]["error"] is None
    assert found["optional"]["operators"] == ["test:optional"]
    assert f"written for API {API + 1} of imgtk, and this is API {API}" in found["future"]["error"]
    assert "Upgrade imgtk" in found["future"]["error"]


def test_doctor_finds_weights_that_were_not_packed(installed: Any) -> None:
    done = installed(plugin("light", more="weights=('missing-x4',)"), "doctor", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)["weights"]["faulty_light/missing-x4"]
    assert said == "test:light promises them, and imgtk-light 1.5 has no such file"


TRAINER = """
import torch
from torch import nn
from imgtk.training import Recipe, Trainer

class Train(Trainer[Recipe]):
    metric, higher_is_better = "psnr", True

    def __init__(self, recipe):
        super().__init__(recipe)
        {init}
        self.networks = {{"generator": nn.Conv2d(3, 3, 1)}}

    def updates(self, batch, networks):
        yield "generator", {losses}

    def validate(self, generator):
        return {scores}

    def sample(self, generator):
        return torch.zeros(3, 8, 8)
"""
LOSSES = '{"l1": networks["generator"](batch).abs().mean()}'


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ({"init": '{}["psnr"]'}, "KeyError: 'psnr'"),
        ({"losses": '{"l1": {}["psnr"]}'}, "KeyError: 'psnr'"),
        ({"scores": '{}["psnr"]'}, "KeyError: 'psnr'"),
        ({"scores": '{"error": 1.0}'}, "Train.validate gives no 'psnr': error"),
        ({"scores": "None"}, "Train.validate gives NoneType"),
        ({"losses": "torch.zeros(())"}, "Train.updates yields no network's name and its losses"),
    ],
)
def test_faults_of_trainers_are_named(
    what: dict[str, str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faulty_train.py").write_text(
        TRAINER.format(**{"init": "pass", "losses": LOSSES, "scores": '{"psnr": 1.0}', **what})
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "faulty_train", raising=False)
    for i in range(2):
        Image.of(sample_image(64, 64, seed=i)).save(tmp_path / f"{i}.png", depth=8)
    spec = OpSpec("test:mine", f"{__name__}:InPlace", "", trainer="faulty_train:Train")
    registry = Registry.of(spec)
    monkeypatch.setattr(registry, "context", lambda: BuildContext(origins={"test:mine": "imgtk-mine 1.5"}))
    settings = {"steps": "1", "batch": "1", "crop": "32", "held_out": "1"}
    with pytest.raises(ImgtkError, match=r"test:mine \(imgtk-mine 1.5\)") as caught:
        train(spec, tmp_path, tmp_path / "out", registry=registry, overrides=settings, device="cpu")
    assert told in caught.value.message
    assert "docs/training.md, “Your own trainer”" in str(caught.value.hint)


def test_every_parameter_has_a_schema(installed: Any) -> None:
    rows = json.loads(installed({}, "ops", "--json").stdout)
    assert len(rows) > 20
    for row in rows:
        for param in row["params"]:
            for schema in param["schema"].get("anyOf", [param["schema"]]):
                assert "const" in schema or schema["type"] in ("string", "number", "integer", "boolean", "array")
            assert param["schema"]["description"] == param["help"]
    params = {(row["name"], param["name"]): param["schema"] for row in rows for param in row["params"]}
    assert params["upscale:esrgan", "model"]["format"] == "weights"
    assert params["style:gram", "image"]["items"]["format"] == "image-file"
    assert params["adjust:blur", "radius"] == {
        "type": "number", "minimum": 0, "maximum": 100, "default": 2,
        "description": params["adjust:blur", "radius"]["description"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Number(0, 1), {"type": "number", "minimum": 0, "maximum": 1}),
        (Integer(1), {"type": "integer", "minimum": 1}),
        (Flag(), {"type": "boolean"}),
        (Choice(("a", "b")), {"type": "string", "enum": ["a", "b"]}),
        (CommaList(Integer(0, 3)), {"type": "array", "items": Integer(0, 3).schema(), "minItems": 1}),
        (ImageInput(), {"type": "string", "format": "image"}),
    ],
)
def test_schemas(kind: ParamType, schema: dict[str, Any]) -> None:
    assert kind.schema() == schema


def test_scales_match_their_pattern() -> None:
    pattern = Scale().schema()["pattern"]
    for word in ("x4", "4", "x2.5", "2/3", ".5"):
        assert re.search(pattern, word)
        assert Scale().accepts(word)
    for word in ("x", "-1", "1e9", "4x", ""):
        assert not re.search(pattern, word)
        assert not Scale().accepts(word)


def test_what_a_value_makes_an_operator_read() -> None:
    assert list(Scale().reads(Scale().convert("x2"))) == []
    assert list(Weights().reads("esrgan-x4")) == ["esrgan-x4"]
    several = CommaList(ImageFile())
    assert list(several.reads(several.convert("a.png,b.png"))) == ["a.png", "b.png"]
    mixture = next(p for p in default().spec("upscale:esrgan").params if p.name == "interpolate").type
    assert list(mixture.reads(mixture.convert("a:0.5,/etc/b:0.5"))) == ["a", "/etc/b"]
