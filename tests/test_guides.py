"""docs/pipelines.md and docs/plugins.md say what the code does."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from imgtk import Image, hookspecs, op, params
from imgtk.cli import main
from imgtk.errors import PipelineError
from imgtk.language import dump_yaml, load_yaml, parse, parser
from imgtk.registry import Registry, default
from imgtk.spec_check import RESERVED
from imgtk.testing import check_op
from imgtk.upscaling.network import load_network
from imgtk.weights import Card, save

ROOT = Path(__file__).parents[1]
PIPELINES = (ROOT / "docs" / "pipelines.md").read_text("utf-8")
MODELS = (ROOT / "docs" / "models.md").read_text("utf-8")
PLUGINS = (ROOT / "docs" / "plugins.md").read_text("utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_public_weights_are_those_of_the_table() -> None:
    """If this fails, put the output of `imgtk models public --markdown` between the marks."""
    section = MODELS.partition("<!-- public -->\n")[2].partition("<!-- /public -->")[0]
    assert section == CliRunner().invoke(main, ["models", "public", "--markdown"]).stdout


def test_every_hook_is_documented_with_its_signature() -> None:
    hooks = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("imgtk_")}
    section = PLUGINS.partition("<!-- hooks -->")[2].partition("<!-- /hooks -->")[0]
    headings = re.findall(r"^### `(.+)`$", section, re.MULTILINE)
    signatures = [f"{name}{inspect.signature(hook)}".replace("'", "") for name, hook in hooks.items()]
    assert headings == signatures
    for hook in hooks.values():
        assert " ".join((hook.__doc__ or "").split()) in " ".join(section.split())


def test_code_is_that_of_the_example() -> None:
    named = [block for page in ("python", "toml") for block in blocks(PLUGINS, page) if block.startswith("# examples/")]
    assert len(named) == 12
    for block in named:
        path, _, code = block.partition("\n")
        assert code in (ROOT / path.removeprefix("# ")).read_text("utf-8"), path


def test_an_operator_without_a_package() -> None:
    (code,) = [block for block in blocks(PLUGINS, "python") if not block.startswith("# ")]
    scope: dict[str, object] = {}
    exec(compile(code, "plugins.md", "exec"), scope)
    assert type(scope["pipeline"]).__name__ == "Pipeline"


def test_an_operator_from_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = [block for block in blocks(PLUGINS, "python") if block.startswith("# a script")]
    monkeypatch.chdir(tmp_path)
    Image.of(np.full((4, 6, 3), 100, np.uint8)).save("in.jpg")
    scope: dict[str, Any] = {}
    exec(compile(code, "plugins.md", "exec"), scope)
    assert scope["image"].pixels[0, 0].tolist() == [151, 100, 100]


def test_an_upscaler_from_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two files of the page are a plugin whose weights are found by name, and told from their tensors."""
    files = {b.partition("\n")[0]: b for b in blocks(PLUGINS, "python") if b.startswith("# my_upscaler/")}
    assert len(files) == 2
    (tmp_path / "my_upscaler").mkdir()
    for name, code in files.items():
        (tmp_path / name.removeprefix("# ")).write_text(code)
    info = tmp_path / "my_upscaler-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-upscaler\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[imgtk]\ntiny = my_upscaler\n")
    monkeypatch.syspath_prepend(tmp_path)
    state = import_module("my_upscaler.network").TinyNet(features=6).state_dict()
    save(tmp_path / "my_upscaler" / "weights" / "tiny-x2.safetensors", state, Card("tiny-x2", "", "TinyNet"))
    registry = Registry.discover()
    check_op("upscale:tiny", scale=2, sizes=[(61, 47), (1, 1)], registry=registry)
    file = tmp_path / "my_upscaler" / "weights" / "tiny-x2.safetensors"
    assert type(load_network(file, registry.architectures)).__name__ == "TinyNet"


EXAMPLES: dict[str, tuple[params.Param, ...]] = {
    "Emboss": (),
    "Scanlines": (params.Param("strength", params.Number(0, 1), "", default=0.3),),
    "Shift": (params.Param("by", params.Integer(0), "", default=7),),
    "Paper": (params.Param("gray", params.Number(0, 1), "", default=0.8),),
    "Letterbox": (),
    "Checks": (
        params.Param("width", params.Integer(1), "", default=None),
        params.Param("height", params.Integer(1), "", default=None),
        params.Param("side", params.Integer(1), "", default=3),
    ),
}
"""The operators of the worked examples, and their parameters."""


def test_the_worked_examples_keep_what_operators_promise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "my_effects"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    seen = set()
    for block in blocks(PLUGINS, "python"):
        if block.startswith("# my_effects/"):
            file = block.partition("\n")[0].removeprefix("# my_effects/")
            (package / file).write_text(block)
            *_, name = re.findall(r"^class (\w+)", block, re.MULTILINE)
            location = f"my_effects.{file.removesuffix('.py')}:{name}"
            check_op(op.OpSpec(name.lower(), location, "", EXAMPLES[name], generates=name == "Checks"))
            seen.add(name)
    assert seen == EXAMPLES.keys()


def test_everything_an_operator_may_have_is_mentioned() -> None:
    members = [name for name in vars(op.ImageOp) if not name.startswith("_")]
    described = [field.name for field in fields(op.OpSpec)]
    types = [kind.__name__ for kind in params.ParamType.__subclasses__() if kind.__module__ == params.__name__]
    assert members
    for name in [*members, *described]:
        assert re.search(rf"^\| .*`{name}\b", PLUGINS, re.MULTILINE), name
    for name in types:
        assert f"`{name}`" in PLUGINS
        assert re.search(rf"^\| .*`{name}`.* \| ", PIPELINES, re.MULTILINE), name
    assert {f"`{name}`" for name in RESERVED} <= set(re.findall(r"`\w+`", PLUGINS.splitlines()[-1]))


def test_text_and_yaml_are_one_pipeline() -> None:
    (text,) = blocks(PIPELINES, "text")
    (document,) = blocks(PIPELINES, "yaml")
    graph = parse(text, default())
    assert load_yaml(document, default()) == graph
    assert load_yaml(dump_yaml(graph, default()), default()) == graph


def test_the_error_is_what_is_printed() -> None:
    (shown,) = blocks(PIPELINES, "error")
    with pytest.raises(PipelineError) as caught:
        parse(shown.splitlines()[1].strip(), default())
    assert str(caught.value) == shown.rstrip("\n")


def test_the_grammar_is_that_of_the_parser() -> None:
    (grammar,) = blocks(PIPELINES, "ebnf")
    assert [line for line in grammar.splitlines() if line not in str(parser.__doc__)] == []
    assert f"at most {parser.MAX_DEPTH} deep" in PIPELINES
