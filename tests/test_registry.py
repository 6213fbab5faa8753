"""Plugins that work, and every way in which one can fail without harming the others."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from imgtk.errors import PluginError, UsageError
from imgtk.op import OpSpec
from imgtk.params import Choice, ImageInput, Number, Param
from imgtk.registry import PluginInfo, Registry, default

Install = Callable[..., None]

GOOD = """
from imgtk import hookimpl
from imgtk.op import OpSpec

@hookimpl
def imgtk_operators():
    yield OpSpec("{op}", "nowhere:Class", "A test.")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a distribution with one plugin on the path, as an installer would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, code: str, *, distribution: str = "", entry: str = "") -> None:
        distribution = distribution or f"imgtk-{name}"
        monkeypatch.delitem(sys.modules, f"imgtk_test_{name}", raising=False)
        (tmp_path / f"imgtk_test_{name}.py").write_text(dedent(code), encoding="utf-8")
        metadata = tmp_path / f"{distribution.replace('-', '_')}-1.5.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        (metadata / "entry_points.txt").write_text(f"[imgtk]\n{name} = {entry or f'imgtk_test_{name}'}\n")

    return install


def plugin(registry: Registry, name: str) -> PluginInfo:
    return next(info for info in registry.plugins if info.name == name)


def test_only_packages_may_ship_weights(install: Install) -> None:
    install("good", GOOD.format(op="test:good"))  # a single module, which has no folder of its own
    packages = Registry.discover().packages
    assert {"imgtk.nn", "imgtk_esrgan", "imgtk_gramstyle"} <= set(packages)
    assert "imgtk_test_good" not in packages


def test_a_plugin_brings_its_operators(install: Install) -> None:
    install("good", GOOD.format(op="test:good"))
    registry = Registry.discover()
    info = plugin(registry, "good")
    assert (info.distribution, info.version, info.module) == ("imgtk-good", "1.5", "imgtk_test_good")
    assert info.operators == ("test:good",)
    assert info.error is None
    assert registry.spec("test:good").impl == "nowhere:Class"
    assert registry.origin("test:good") is info


BROKEN = {
    "missing import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax": ("def f(:", "SyntaxError"),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "base exception": ("class Odd(BaseException): pass\nraise Odd('odd')", "Odd: odd"),
    "unprintable": ("class Odd(Exception):\n  def __str__(self): 1/0\nraise Odd", "Odd"),
    "no hook": ("x = 1", "no hook is implemented"),
    "misspelt hook": (
        GOOD.replace("imgtk_operators", "imgtk_operator"),
        "unknown hook 'imgtk_operator'.*\n.*imgtk_operators",
    ),
    "unmarked hook": (GOOD.replace("@hookimpl", ""), "imgtk_operators is not marked as a hook"),
    "misspelt beside good": (
        GOOD + "\n@hookimpl\ndef imgtk_trainers(): return []\n",
        "unknown hook 'imgtk_trainers'",
    ),
    "wrong signature": (GOOD.replace("imgtk_operators()", "imgtk_operators(self)"), "PluginValidationError"),
    "hook raises": (GOOD.replace("yield", "1 / 0; yield"), "ZeroDivisionError"),
    "hook returns nothing": (GOOD.replace("yield", "return None;"), "TypeError"),
    "not a spec": (GOOD.replace("yield", "yield 1;"), "must be an imgtk.op.OpSpec, got int"),
    "upper case": (GOOD.format(op="test:Good"), "operator name 'test:Good' is not like"),
    "two colons": (GOOD.format(op="test:a:b"), "operator name 'test:a:b' is not like"),
    "a space": (GOOD.format(op="test a"), "is not like"),
    "reserved": (GOOD.format(op="save"), "'save' is reserved"),
    "impl": (GOOD.replace("nowhere:Class", "nowhere.Class"), "impl 'nowhere.Class' is not like"),
    "twice": (
        GOOD + "    yield OpSpec('test:broken', 'nowhere:Class', '')",
        "imgtk-broken provides 'test:broken' twice",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_left_out_and_the_rest_works(install: Install, case: str) -> None:
    code, error = BROKEN[case]
    install("broken", code.replace("{op}", "test:broken"))
    install("good", GOOD.format(op="test:good"))
    registry = Registry.discover()
    info = plugin(registry, "broken")
    assert info.error is not None
    assert re.search(error, info.error, re.DOTALL)
    assert info.operators == ()
    assert not any(spec.name.startswith("test:b") for spec in registry.specs)
    assert registry.spec("test:good")
    assert [registered for registered, _ in registry.manager.list_name_plugin()].count("imgtk-broken:broken") == 0


def test_an_entry_point_that_names_nothing(install: Install) -> None:
    install("broken", GOOD, entry="imgtk_test_broken:no_such_attribute")
    assert "no_such_attribute" in (plugin(Registry.discover(), "broken").error or "")


def test_interrupting_discovery_is_not_a_broken_plugin(install: Install) -> None:
    install("broken", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry.discover()


def test_two_plugins_with_one_operator(install: Install) -> None:
    install("zeta", GOOD.format(op="test:same"), distribution="a-first")
    install(
        "alpha", GOOD.format(op="test:same") + "    yield OpSpec('test:more', 'nowhere:Class', '')", distribution="b"
    )
    registry = Registry.discover()
    for name in ("zeta", "alpha"):
        assert plugin(registry, name).error is None
    with pytest.raises(UsageError, match=r"test:same is ambiguous: a-first 1.5 and b 1.5 bring it") as caught:
        registry.spec("test:same")
    assert "IMGTK_DISABLE_PLUGINS=alpha" in str(caught.value)
    assert registry.spec("test:more")
    assert "test:same" not in [spec.name for spec in registry.specs]


def test_leaving_one_out_settles_it(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    built_in = next(spec.name for spec in default().specs)
    install("a", GOOD.format(op=built_in), distribution="a-first")
    assert [str(info) for info in Registry.discover().ambiguous[built_in]][1] == "a-first 1.5"
    monkeypatch.setenv("IMGTK_STRICT_PLUGINS", "1")
    with pytest.raises(UsageError, match="ambiguous"):
        Registry.discover()
    monkeypatch.setenv("IMGTK_DISABLE_PLUGINS", "a")
    assert Registry.discover().spec(built_in).impl != "nowhere:Class"


def test_strict(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("broken", "import no_such_module")
    monkeypatch.setenv("IMGTK_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"plugin broken \(imgtk-broken 1.5\).*no_such_module"):
        Registry.discover()
    monkeypatch.setenv("IMGTK_DISABLE_PLUGINS", "broken")
    assert plugin(Registry.discover(), "broken").skipped


def test_disabled(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("broken", "import no_such_module")
    install("good", GOOD.format(op="test:good"))
    monkeypatch.setenv("IMGTK_DISABLE_PLUGINS", "good, broken")
    registry = Registry.discover()
    for name in ("good", "broken"):
        info = plugin(registry, name)
        assert (info.skipped, info.error, info.operators) == (True, None, ())
    assert "imgtk_test_good" not in sys.modules


def operators(*names: str) -> Registry:
    return Registry.of(*(OpSpec(name, "nowhere:Class", "A test.") for name in names))


@pytest.mark.parametrize(
    ("asked", "message", "hint"),
    [
        ("upscale", "'upscale' needs a method", "One of: upscale:bicubic, upscale:esrgan"),
        ("upscale:ergan", "unknown operator 'upscale:ergan'", "Did you mean upscale:esrgan"),
        ("esrgan", "unknown operator 'esrgan'", "upscale:esrgan"),
        ("upscale:zzz", "unknown operator", "Did you mean upscale:"),
        ("sav", "unknown operator", "Did you mean save"),
        ("qqqq", "unknown operator", "`imgtk ops`"),
        ("", "unknown operator ''", "`imgtk ops`"),
    ],
)
def test_an_unknown_name_gets_the_nearest(asked: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        operators("upscale:esrgan", "upscale:bicubic", "blend").spec(asked)
    assert message in caught.value.message
    assert hint in str(caught.value.hint)


def test_an_unknown_name_points_at_broken_plugins(install: Install) -> None:
    install("broken", "import no_such_module")
    with pytest.raises(UsageError, match=r"Broken plugins: .*broken"):
        Registry.discover().spec("qqqq")


def test_registering_from_code() -> None:
    registry = operators("b", "a")
    assert [spec.name for spec in registry.specs] == ["a", "b"]
    assert registry.origin("a") is None
    with pytest.raises(PluginError, match="there are two operators 'a'"):
        registry.add(OpSpec("a", "nowhere:Class", ""))
    with pytest.raises(PluginError, match="trainer 'x' is not like"):
        registry.add(OpSpec("c", "nowhere:Class", "", trainer="x"))


@pytest.mark.parametrize(
    ("param", "message"),
    [
        (Param("Strength", Number(), ""), "parameter name 'Strength' is not in lower case"),
        (Param("keep_colour", Number(), ""), "parameter name 'keep_colour'"),
        (Param("strength", Number(0, 1), "", default=2), "default 2 is not a number from 0 to 1"),
        (Param("mode", Choice(("a",)), "", default="b"), "default 'b' is not one of a"),
        (Param("image", ImageInput(), "", default="cat"), "an image cannot have a default"),
        (Param("strength", float, ""), "is not an imgtk.params.Param with a ParamType"),  # type: ignore[arg-type]
        ("strength", "is not an imgtk.params.Param"),
    ],
)
def test_a_malformed_parameter(param: Param, message: str) -> None:
    with pytest.raises(PluginError, match=f"test:op: .*{message}|test:op: {message}"):
        Registry.of(OpSpec("test:op", "nowhere:Class", "", params=(param,)))


def test_two_parameters_of_one_name() -> None:
    with pytest.raises(PluginError, match="two parameters are called 'a'"):
        Registry.of(OpSpec("test:op", "nowhere:Class", "", params=(Param("a", Number(), ""), Param("a", Number(), ""))))


def test_all_built_in_plugins_are_sound() -> None:
    infos = [info for info in default().plugins if info.distribution == "imgtk"]
    assert infos
    assert [info for info in infos if info.error] == []
    assert default() is default()


def test_discovery_imports_nothing_heavy() -> None:
    code = """
        import sys
        import imgtk.registry
        assert imgtk.registry.default().specs
        print([name for name in ("torch", "cv2", "numpy", "PIL") if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def blended(specs: Sequence[OpSpec]) -> OpSpec:
    return OpSpec("+".join(spec.name for spec in specs), "nowhere:Class", "A blend.", specs[0].params)


def test_operators_that_say_so_can_be_blended() -> None:
    registry = Registry.of(
        OpSpec("t:a", "nowhere:A", "A.", blend=blended),
        OpSpec("t:b", "nowhere:B", "B.", blend=blended),
        OpSpec("t:other", "nowhere:C", "C."),
    )
    assert registry.spec("t:a+b").summary == "A blend."
    assert registry.spec("t:b+a+a").name == "t:b+t:a+t:a"
    for name in ("t:a+other", "t:other+a", "t:other+other"):
        with pytest.raises(UsageError, match="t:other cannot be blended"):
            registry.spec(name)
    with pytest.raises(UsageError, match="unknown operator 't:bb'") as error:
        registry.spec("t:a+bb")
    assert "Did you mean t:b" in str(error.value)
    for name in ("t:a+", "+a", "t:+a", "a+b", "t:a++b"):
        with pytest.raises(UsageError, match=r"unknown operator|needs a method"):
            registry.spec(name)
