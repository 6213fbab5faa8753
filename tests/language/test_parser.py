"""What pipeline texts mean, and what is said about those that mean nothing."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgtk.errors import PipelineError
from imgtk.language import Graph, Node, parse
from imgtk.registry import Registry


def stages(text: str, registry: Registry) -> list[tuple[str, tuple[int, ...]]]:
    return [(node.op, node.inputs) for node in parse(text, registry).nodes[1:]]


def params(text: str, registry: Registry) -> dict[str, Any]:
    return dict(parse(text, registry).nodes[1].params)


def test_a_chain(registry: Registry) -> None:
    assert parse("upscale:bicubic x4 | style:monet strength=0.5 as painted", registry) == Graph(
        (
            Node("in"),
            Node("upscale:bicubic", (0,), {"scale": Fraction(4)}),
            Node("style:monet", (1,), {"strength": 0.5}, "painted"),
        ),
        output=2,
    )


@pytest.mark.parametrize(
    "text",
    [
        "upscale:bicubic x4|style:monet strength=0.5",
        "  upscale:bicubic\nx4\n| style:monet\tstrength=0.5\n",
        "@in | upscale:bicubic scale=x4 | style:monet strength=.5",
        "# how to paint\nupscale:bicubic 'x4' # four times\n| style:monet strength='0.5'\n#",
        '"upscale:bicubic" x"4" | style:monet strength="0".5',
    ],
)
def test_one_graph_may_be_written_in_many_ways(text: str, registry: Registry) -> None:
    assert parse(text, registry) == parse("upscale:bicubic x4 | style:monet strength=0.5", registry)


def test_branches(registry: Registry) -> None:
    assert stages("upscale:esrgan as up | style:monet | blend @up alpha=0.5", registry) == [
        ("upscale:esrgan", (0,)),
        ("style:monet", (1,)),
        ("blend", (2, 1)),
    ]
    assert stages("style:monet | blend (upscale:bicubic x1|style:monet)", registry) == [
        ("style:monet", (0,)),
        ("upscale:bicubic", (0,)),
        ("style:monet", (2,)),
        ("blend", (1, 3)),
    ]
    assert stages("style:monet as a ; @a | blend image=( @a | style:monet ) ; @in | blend @in", registry) == [
        ("style:monet", (0,)),
        ("style:monet", (1,)),
        ("blend", (1, 2)),
        ("blend", (0, 0)),
    ]


def test_images_go_in_the_order_of_the_spec(registry: Registry) -> None:
    text = "style:monet as a ; mix mask=@in second=( upscale:bicubic x2 ) 3 @a"
    graph = parse(text, registry)
    assert [(node.op, node.inputs) for node in graph.nodes[2:]] == [("upscale:bicubic", (0,)), ("mix", (0, 1, 2, 0))]
    assert graph.nodes[3].params == {"amount": 3.0}


def test_the_last_chain_is_the_result(registry: Registry) -> None:
    graph = parse("style:monet as a | save a.png ; upscale:esrgan ; @a", registry)
    assert graph.output == 1
    assert graph.nodes[2] == Node("save", (1,), {"file": Path("a.png")})
    assert parse("@in", registry) == Graph((Node("in"),), 0)


def test_a_name_given_in_parentheses_holds_outside(registry: Registry) -> None:
    assert stages("blend ( upscale:bicubic x1 as s | style:monet ) ; @s | style:monet", registry) == [
        ("upscale:bicubic", (0,)),
        ("style:monet", (1,)),
        ("blend", (0, 2)),
        ("style:monet", (1,)),
    ]


def test_bare_words_bind_by_order_and_type(registry: Registry) -> None:
    assert params("label hello", registry) == {"text": "hello"}
    assert params("label 3 hello 4", registry) == {"size": 3, "text": "hello", "second_text": "4"}
    assert params("label hello 3", registry) == {"size": 3, "text": "hello"}
    assert params("label text=a 7", registry) == {"size": 7, "text": "a"}
    assert params("label a b no", registry) == {"text": "a", "second_text": "b", "boxed": False}


def test_flags(registry: Registry) -> None:
    assert params("style:monet keep-colour", registry) == {"keep_colour": True}
    assert params("style:monet keep_colour=off", registry) == {"keep_colour": False}
    assert params("label bold x", registry) == {"bold": True, "text": "x"}
    assert params("label 'bold'", registry) == {"text": "bold"}
    assert params("label text=bold", registry) == {"text": "bold"}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("'two words'", "two words"),
        ('"it\'s"', "it's"),
        ("'say \"hi\"'", 'say "hi"'),
        ('it"\'"s', "it's"),
        ("''", ""),
        ("'a|b;(c)'", "a|b;(c)"),
        ("'@in'", "@in"),
        ("'as'", "as"),
        ("'a=b'", "a=b"),
        ("text=a=b,c", "a=b,c"),
        ("text=as", "as"),
        ("./a=b", "./a=b"),
        ("a,b", "a,b"),
        ("user@host", "user@host"),
        ("a#b", "a#b"),
        ("#ff8800", "#ff8800"),
        ("C:\\dir\\$x!%", "C:\\dir\\$x!%"),
        ("'two\nlines'", "two\nlines"),
        ("日本", "日本"),
    ],
)
def test_quoting(word: str, value: str, registry: Registry) -> None:
    assert params(f"label {word}", registry) == {"text": value}


# Each: a text with the wrong part between « and », the message, and a part of the hint.
ERRORS = [
    ("«»", "the pipeline is empty", "upscale:bicubic x2"),
    ("«»  # only a comment", "the pipeline is empty", ""),
    ("«upscale:bicubc» x4", "unknown operator 'upscale:bicubc'", "Did you mean upscale:bicubic"),
    ("«upscale» x4", "'upscale' needs a method", "upscale:bicubic, upscale:esrgan"),
    ("style:monet | «bicubic» x4", "unknown operator 'bicubic'", "upscale:bicubic"),
    ("style:monet «strenght=»1", "style:monet has no argument 'strenght'", "Did you mean strength=?"),
    ("style:monet «qqq=»1", "style:monet has no argument 'qqq'", "It takes strength, keep-colour."),
    ("style:monet strength=1 «strength=»1", "style:monet: strength is given twice", ""),
    ("style:monet keep-colour «keep-colour»", "style:monet: keep-colour is given twice", ""),
    ("upscale:bicubic x2 «scale=»2", "upscale:bicubic: scale is given twice", ""),
    ("blend @in «image=»@in", "blend: image is given twice", ""),
    ("style:monet strength=«2»", "strength: expected a number from 0 to 1, got '2'", "imgtk help style:monet"),
    ("style:monet strength=«''»", "expected a number from 0 to 1, got ''", ""),
    ("upscale:bicubic «x99»", "expected a scale such as x4 or x2.5, from x1 to x64, got 'x99'", ""),
    ("upscale:bicubic «big»", "expected a scale such as x4", ""),
    ("style:monet «0.5»", "style:monet does not know what to do with '0.5'", "imgtk help style:monet"),
    ("style:monet «strength» 0.5", "does not know what to do with 'strength'", "Did you mean strength=?"),
    ("style:monet «keep-color»", "does not know what to do with 'keep-color'", "Did you mean keep-colour?"),
    ("upscale:bicubic 2 «3»", "does not know what to do with '3'", ""),
    ("style:monet «strength=» 0.5", "strength= has no value", "a number from 0 to 1"),
    ("style:monet «strength=»", "strength= has no value", ""),
    ("style:monet strength=«@in»", "strength: expected a number from 0 to 1, got @in", ""),
    ("style:monet strength=«(»style:monet)", "strength: expected a number from 0 to 1, got (", ""),
    ("style:monet «@in»", "does not know what to do with @in", ""),
    ("blend «photo.jpg»", "image: expected an image: @name or ( chain ), got 'photo.jpg'", ""),
    ("blend image=«photo.jpg»", "image: expected an image: @name or ( chain ), got 'photo.jpg'", ""),
    ("«upscale:bicubic»", "upscale:bicubic needs scale=", "a scale such as x4"),
    ("«blend» alpha=1", "blend needs image=", "an image"),
    ("«save»", "save needs file=", ""),
    ("label «'never»", "this ' is never closed", "quotes of the other kind"),
    ('label x«"y | style:monet»', 'this " is never closed', ""),
    ("blend «(» style:monet", "this ( is never closed", ""),
    ("style:monet «)»", "this ) closes nothing", ""),
    ("«)»", "expected an operator, got )", ""),
    ("blend («)»", "expected an operator, got )", ""),
    ("blend ( style:monet «;» style:monet )", "expected ), got ;", "one chain"),
    ("style:monet | «|» style:monet", "expected an operator, got |", ""),
    ("«|» style:monet", "expected an operator, got |", ""),
    ("style:monet |«»", "expected an operator, got the end", ""),
    ("style:monet ;«»", "expected an operator, got the end", ""),
    ("style:monet ; «;» style:monet", "expected an operator, got ;", ""),
    ("«a=»b", "expected an operator, got a=", ""),
    ("«(» style:monet )", "a chain in parentheses is a value", ""),
    ("blend «@later» ; style:monet as later", "@later is named only later", "only point back"),
    ("blend ( «@me» | style:monet ) as me", "@me is named only later", ""),
    ("style:monet as up ; blend «@upp»", "no stage is named 'upp'", "Did you mean @up?"),
    ("blend «@nobody»", "no stage is named 'nobody'", ""),
    ("blend «@»", "expected a name after @", ""),
    ("style:monet | «@in»", "@in can only start a chain", ""),
    ("@in «as» x", "`as` names the result of an operator", ""),
    ("@in «style:monet»", "expected |, ; or the end, got 'style:monet'", ""),
    ("style:monet as x ; upscale:esrgan as «x»", "the name 'x' is taken", ""),
    ("style:monet as «in»", "the name 'in' is taken", ""),
    ("style:monet as «4x»", "'4x' is no name", ""),
    ("style:monet «as»", "expected a name after `as`", ""),
    ("style:monet as «|» style:monet", "expected a name after `as`", ""),
    ("style:monet as x «y»", "expected |, ; or the end, got 'y'", ""),
    ("style:monet as x «as» y", "expected |, ; or the end, got 'as'", ""),
    ("«as» x", "`as` without a stage before it", ""),
]


@pytest.mark.parametrize(("marked", "message", "hint"), ERRORS)
def test_errors_point(marked: str, message: str, hint: str, registry: Registry) -> None:
    text = marked.replace("«", "").replace("»", "")
    start = marked.index("«")
    end = marked.index("»") - 1
    with pytest.raises(PipelineError) as caught:
        parse(text, registry)
    error = caught.value
    assert message in error.message
    assert hint in (error.hint or "")
    assert error.source == text
    assert text[error.start : error.end] == text[start:end]
    assert error.start == start
    assert error.exit_code == 2


def test_the_caret_is_under_the_word_of_the_right_line(registry: Registry) -> None:
    with pytest.raises(PipelineError) as caught:
        parse("upscale:esrgan\n| style:monet strenght=1\n", registry)
    assert str(caught.value).splitlines() == [
        "style:monet has no argument 'strenght'",
        "  line 2: | style:monet strenght=1",
        "                        ^^^^^^^^^",
        "  Did you mean strength=?",
    ]


def test_deep_parentheses_are_an_error_not_a_crash(registry: Registry) -> None:
    assert parse("blend ( " * 50 + "style:monet" + " )" * 50, registry).output == 51
    with pytest.raises(PipelineError, match="nest deeper than 50"):
        parse("blend ( " * 5000, registry)


def test_a_long_chain(registry: Registry) -> None:
    assert parse(" | ".join(["style:monet"] * 3000), registry).output == 3000


@given(st.text("ax4@|;()'\"=# \n\0é日", max_size=40))
def test_any_text_is_a_graph_or_a_pipeline_error(registry: Registry, text: str) -> None:
    for source in (text, f"label {text}", f"style:monet as a | blend {text}"):
        with suppress(PipelineError):
            graph = parse(source, registry)
            assert 0 <= graph.output < len(graph.nodes)
