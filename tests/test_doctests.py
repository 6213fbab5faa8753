"""The examples in the docstrings of public names, which docs/api.md shows, give what they say."""

import doctest
import runpy
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from imgtk.registry import default

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "api_page.py"))
PUBLIC = [name for names in SCRIPT["PUBLIC"].values() for name in names]
OPTIONS = doctest.ELLIPSIS


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """The examples of a module, and of the classes and functions in its `__all__`."""
    things = [getattr(module, name) for name in module.__all__]
    found = doctest.DocTestFinder(recurse=False).find(module, module.__name__)
    for thing in things:
        if callable(thing) and hasattr(thing, "__qualname__"):
            found += doctest.DocTestFinder().find(thing, f"{thing.__module__}.{thing.__qualname__}")
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", PUBLIC)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default(), "_specs", dict(default()._specs))  # an example registers an operator
    for test in examples(import_module(name)):
        said: list[str] = []
        doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=said.append)
        assert not said, "".join(said)


def test_the_most_used_names_have_examples() -> None:
    tests = {test.name for name in PUBLIC for test in examples(import_module(name))}
    assert tests >= {
        "imgtk",
        "imgtk.pipeline.Pipeline",
        "imgtk.image.Image",
        "imgtk.functional.operator",
        "imgtk.registry.Registry",
        "imgtk.params.Number",
        "imgtk.metrics.psnr",
        "imgtk.testing.operator.check_op",
    }
    page = (Path(__file__).parents[1] / "docs" / "api.md").read_text("utf-8")
    assert page.count("```pycon") >= len(tests)
