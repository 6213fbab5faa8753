"""The upscalers' own kinds of parameters, and their specs."""

from __future__ import annotations

from fractions import Fraction

import pytest

from imgtk.errors import ParameterError, UsageError, WeightsError
from imgtk.language import dump_yaml, load_yaml, parse, to_text
from imgtk.registry import Registry, default
from imgtk.upscaling import Mixture, Views, upscaler
from imgtk.upscaling.op import Upscale

REGISTRY = Registry.of(upscaler("test", "", package="imgtk_esrgan", models={4: "esrgan-x4"}))

MIXTURES = {
    "a.safetensors:0.8,b.safetensors:0.2": (("a.safetensors", 0.8), ("b.safetensors", 0.2)),
    "a:1": (("a", 1.0),),
    "a:.5, b:5e-1": (("a", 0.5), ("b", 0.5)),
    "a:1.5,b:-0.5": (("a", 1.5), ("b", -0.5)),
    r"C:\models\a,b.pth:0.25,D:/c d.pth:0.75": ((r"C:\models\a,b.pth", 0.25), ("D:/c d.pth", 0.75)),
    "a:1/b.pth:0.5,x:2:0.5": (("a:1/b.pth", 0.5), ("x:2", 0.5)),
    "a:0.3333,b:0.3333,c:0.3333": (("a", 0.3333), ("b", 0.3333), ("c", 0.3333)),
}


@pytest.mark.parametrize(("text", "value"), MIXTURES.items())
def test_mixtures(text: str, value: tuple[tuple[str, float], ...]) -> None:
    kind = Mixture()
    assert kind.convert(text) == value
    assert kind.convert(value) == kind.convert(dict(value)) == value
    assert kind.convert(kind.format(value)) == value


@pytest.mark.parametrize(
    "wrong", ["", ",", ":1", " :1", "a", "a:", "a:b", "a:nan", "a:inf", "a:0.5,b", "a:0.5,,b:0.5", "a:1:"]
)
def test_what_is_no_mixture(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"a:0\.8,b:0\.2"):
        Mixture().convert(wrong)


@pytest.mark.parametrize("wrong", [None, 5, ["a"], [("a", "b")], {"a": None}, [(" a", 1)], [("a:1,b", 1)], []])
def test_what_python_must_not_give(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        Mixture().convert(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("a:0.5,b:0.6", r"add up to 1, but .* 1\.1"),
        ("a:0.99,b:0", "0.99"),
        ("a:3,b:-2", "from -1 to 2"),
        ("a:1e400", "from -1 to 2"),
    ],
)
def test_shares(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mixture().convert(wrong)


@pytest.mark.parametrize("text", MIXTURES)
def test_round_trips_through_text_and_yaml(text: str) -> None:
    graph = parse(f'upscale:test interpolate="{text}" tta=8 tileable=both', REGISTRY)
    assert parse(to_text(graph, REGISTRY), REGISTRY) == graph
    assert load_yaml(dump_yaml(graph, REGISTRY), REGISTRY) == graph


@pytest.mark.parametrize("value", [8, "8", 8.0])
def test_views(value: object) -> None:
    assert Views().convert(value) == 8


@pytest.mark.parametrize("wrong", [0, 2, 4, 9, "yes", -8, True, None])
def test_numbers_of_views_that_make_no_sense(wrong: object) -> None:
    with pytest.raises(ValueError, match="1 or 8"):
        Views().convert(wrong)


def test_denoise_is_there_only_with_a_pair() -> None:
    plain = upscaler("test", "", package="imgtk_esrgan", models={4: "a"})
    paired = upscaler("test", "", package="imgtk_esrgan", models={4: "a"}, denoise=("a", "b"))
    assert plain.param("denoise") is None
    assert paired.param("denoise") is not None
    assert plain.weights == ("a",)
    assert paired.weights == ("a", "b")
    with pytest.raises(ParameterError, match="no parameter 'denoise'"):
        plain.build(default().context(), denoise=1)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"model": "esrgan-x4", "interpolate": "esrgan-x4:1"}, "model= and interpolate="),
        ({"model": "esrgan-x4", "denoise": 0.5}, "model= and denoise="),
        ({"denoise": 1, "interpolate": "esrgan-x4:1"}, "interpolate= and denoise="),
    ],
)
def test_one_way_of_choosing_the_network(params: dict[str, object], named: str) -> None:
    spec = upscaler("test", "", package="imgtk_esrgan", models={4: "a"}, denoise=("esrgan-x4", "rrdb-x4"))
    with pytest.raises(UsageError, match=f"{named} cannot be combined"):
        spec.build(default().context(), **params)


def test_weights_that_are_not_there() -> None:
    with pytest.raises(WeightsError, match="'nowhere' is neither shipped"):
        REGISTRY.build("upscale:test", interpolate="esrgan-x4:0.5,nowhere:0.5")


def test_every_network_upscaler_has_the_flags() -> None:
    networks = [spec for spec in default().specs if spec.impl.startswith("imgtk.upscaling.op:")]
    ours = [spec for spec in networks if spec.name.startswith("upscale:")]
    assert len(ours) >= 3
    for spec in ours:
        assert all(spec.param(name) for name in ("interpolate", "tta", "tileable"))


def test_weights_of_another_plugin_are_found_by_their_name():
    """`upscale:compact model=rrdb-x4` and the like: the operator's name does not matter, nor does its plugin."""
    context = default().context()
    op = Upscale(Fraction(4), models={4: "none"}, package="imgtk_gramstyle", model="rrdb-x4", context=context)
    assert op.paths == default().build("upscale:compact", model="rrdb-x4").paths  # type: ignore[attr-defined]
