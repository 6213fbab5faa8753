"""The page of the public Python names says something about each of them. tests/test_docs.py keeps it up to date."""

import ast
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "api_page.py"))
MODULES = [module for modules in SCRIPT["PUBLIC"].values() for module in modules]


@pytest.mark.parametrize("module", MODULES)
def test_public_names_are_described(module: str) -> None:
    assert ast.get_docstring(SCRIPT["tree"](module)), module
    names = SCRIPT["public_names"](module)
    assert names, f"{module} has no __all__"
    for name in names:
        _, node, note = SCRIPT["definition"](module, name)
        kind = isinstance(node, ast.ClassDef | ast.FunctionDef)
        described = ast.get_docstring(node) if kind else note or "= Param(" in ast.unparse(node)  # has a help text
        assert described or name == "__version__", f"{module}.{name}"


def test_modules_are_listed_once() -> None:
    assert len(MODULES) == len(set(MODULES))


def test_how_a_call_is_shown() -> None:
    def shown(text: str) -> str:
        call: str = SCRIPT["signature"](ast.parse(text).body[0])
        return call

    assert (
        shown("def f(self, a, /, b: int = 2, *c, d, e=None, **g) -> str: ...")
        == "f(a, /, b: int = 2, *c, d, e=None, **g) -> str"
    )
    assert shown("def f(cls, *, a: 'int'): ...") == "f(*, a: 'int')"
    assert shown("def f(self, /): ...") == "f()"
    assert shown("@property\ndef f(self) -> int: ...") == "f"
