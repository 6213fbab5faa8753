"""Write docs/api.md, the reference of the public Python names, from their docstrings: python scripts/api_page.py

`page()` returns the text; a test compares it with the file. `PUBLIC` lists the public modules: the names in their
`__all__` are what users and plugins may rely on. Nothing is imported; signatures and docstrings come from the source.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).parents[1]
INTRODUCTION = """\
# Python API

The names on this page are public: [stability](plugins.md#stability) says what that promises. All others may change in
any release. Of methods the page has the first paragraph; `help()` in Python prints all.

`python scripts/api_page.py` makes this page from the docstrings.
"""
PUBLIC = {
    "Pipelines and images": (
        *(
            "imgtk",
            "imgtk.pipeline",
            "imgtk.engine",
            "imgtk.engine.backend",
            "imgtk.image",
            "imgtk.io",
            "imgtk.errors",
            "imgtk.batch",
        ),
        *("imgtk.batch.ray", "imgtk.video.formats", "imgtk.config", "imgtk.metrics", "imgtk.client"),
    ),
    "Operators": (
        *(
            "imgtk.hookspecs",
            "imgtk.op",
            "imgtk.params",
            "imgtk.dimensions",
            "imgtk.geometry",
            "imgtk.context",
            "imgtk.device",
        ),
        *(
            "imgtk.network_op",
            "imgtk.adaptive_op",
            "imgtk.frame",
            "imgtk.steps",
            "imgtk.preset",
            "imgtk.file_format",
            "imgtk.io.foreign",
            "imgtk.command",
            "imgtk.backend_spec",
            "imgtk.functional",
            "imgtk.registry",
        ),
        "imgtk.testing",
    ),
    "Weights": (
        *("imgtk.weights", "imgtk.weights.architecture", "imgtk.weights.import_weights", "imgtk.weights.ncnn"),
        "imgtk.weights.public",
    ),
    "Parts of networks": (
        *("imgtk.nn.alpha", "imgtk.nn.arrays", "imgtk.nn.bands", "imgtk.nn.blend", "imgtk.nn.blur"),
        *("imgtk.nn.border", "imgtk.nn.colour"),
        *("imgtk.nn.degradation", "imgtk.nn.discriminators"),
        *(
            "imgtk.nn.features",
            "imgtk.nn.guided",
            "imgtk.nn.initialise",
            "imgtk.nn.interpolation",
            "imgtk.nn.jpeg",
            "imgtk.nn.lab",
            "imgtk.nn.losses",
        ),
        *("imgtk.nn.noise", "imgtk.nn.normalise", "imgtk.nn.regularity", "imgtk.nn.resample"),
    ),
    "Training": (
        *("imgtk.training", "imgtk.training.run", "imgtk.training.trainer", "imgtk.training.recipe"),
        *("imgtk.training.images", "imgtk.training.domains", "imgtk.training.pool", "imgtk.training.adversary"),
        *("imgtk.training.processes", "imgtk.training.sheets", "imgtk.training.weights"),
    ),
    "Kits": (
        *("imgtk.upscaling", "imgtk.upscaling.network", "imgtk.upscaling.op", "imgtk.upscaling.trainer"),
        *("imgtk.upscaling.consistency", "imgtk.upscaling.degradation"),
        *("imgtk.painting", "imgtk.painting.op", "imgtk.painting.strokes", "imgtk.painting.mask"),
        *(
            "imgtk.painting.blend",
            "imgtk.painting.network",
            "imgtk.painting.palette",
            "imgtk.painting.objective",
            "imgtk.painting.base_trainer",
            "imgtk.painting.trainer",
        ),
    ),
}
"""The public modules, by the heading under which they stand."""

Definition = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign

SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields|Shape):(.*)$")


def page() -> str:
    """Return the Markdown of the page."""
    parts, first = [INTRODUCTION], dict[tuple[str, str], str]()
    for heading, modules in PUBLIC.items():
        parts.append(f"\n## {heading}\n")
        for module in modules:
            parts += section(module, first)
    return "".join(parts)


def public_names(module: str) -> list[str]:
    """Return the names in the `__all__` of a module, or none if it has no `__all__`."""
    for node in tree(module).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return sorted(names, key=str.lower)
    return []


def section(module: str, first: dict[tuple[str, str], str]) -> Iterator[str]:
    """Yield what the page says about a module. `first` collects where each definition was described."""
    yield f"\n### {module}\n\n{markdown(ast.get_docstring(tree(module)) or '')}\n"
    for name in public_names(module):
        home, node, note = definition(module, name)
        if (home, name) in first:
            yield f"\n#### {name}\n\nThe same as in `{first[home, name]}`.\n"
            continue
        first[home, name] = module
        yield f"\n#### {name}\n\n" + described(node, name, note)


def definition(module: str, name: str) -> tuple[str, Definition, str]:
    """Find where `name` of a module is defined: the module, the node, and the docstring of a constant."""
    nodes = [node for outer in tree(module).body for node in (outer.body if isinstance(outer, ast.If) else [outer])]
    for node, after in zip(nodes, [*nodes[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            return definition(str(node.module), name)
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return module, node, ""
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if name in {ast.unparse(target) for target in targets}:
                text = ast.literal_eval(after.value) if is_text(after) else ""
                return module, node, inspect.cleandoc(text)
    raise SystemExit(f"{module} does not define {name}")


def is_text(node: ast.stmt | None) -> TypeGuard[ast.Expr]:
    """Return whether a statement is a text, as it stands below a constant that it describes."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def described(node: Definition, name: str, note: str) -> str:
    """Return the signature and the docstring of a definition; of a class also those of its public members."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return code(value_of(node, name)) + (f"\n{note}\n" if note else "")
    text = markdown(ast.get_docstring(node) or "")
    if isinstance(node, ast.FunctionDef):
        return code(block(signature(node), node)) + (f"\n{text}\n" if text else "")
    members = [
        f"- `{signature(member)}`: {' '.join((ast.get_docstring(member) or '').split(chr(10) * 2)[0].split())}"
        for member in node.body
        if isinstance(member, ast.FunctionDef) and member.name[0] != "_" and ast.get_docstring(member)
    ]
    return (
        code(class_line(node))
        + (f"\n{text}\n" if text else "")
        + ("\nMethods and properties:\n\n" + "\n".join(members) + "\n" if members else "")
    )


def class_line(node: ast.ClassDef) -> str:
    """Return the class with its bases, and with the arguments of its constructor."""
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    line = f"class {node.name}({bases})" if bases else f"class {node.name}"
    made = next((m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"), None)
    if made:
        call = f"{node.name}({', '.join(arguments(made))})"
        return f"{line}\n{block(call, made)}"
    fields = [ast.unparse(m) for m in node.body if isinstance(m, ast.AnnAssign) and "ClassVar" not in ast.unparse(m)]
    decorated = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
    if fields and (decorated or "NamedTuple" in bases):
        return line + "\n" + "\n".join(f"    {one}" for one in fields)
    return line


def signature(node: ast.FunctionDef) -> str:
    """Return a function as it is called; of a property, its name."""
    if any("property" in ast.unparse(decorator) for decorator in node.decorator_list):
        return node.name
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({', '.join(arguments(node))}){returned}"


def block(call: str, node: ast.FunctionDef) -> str:
    """Return a call of a function, with one argument per line where one line is not enough."""
    if len(call) <= 100:
        return call
    lines = "".join(f"    {one},\n" for one in arguments(node))
    returned = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    return f"{call.partition('(')[0]}(\n{lines}){returned}"


def arguments(node: ast.FunctionDef) -> list[str]:
    """Return the arguments of a function, without `self` and `cls`."""
    given = node.args
    plain = [*given.posonlyargs, *given.args]
    defaults = [*[None] * (len(plain) - len(given.defaults)), *given.defaults]
    found = [argument(*pair) for pair in zip(plain, defaults, strict=True)]
    if given.posonlyargs:
        found.insert(len(given.posonlyargs), "/")
    if given.vararg:
        found.append(f"*{ast.unparse(given.vararg)}")
    elif given.kwonlyargs:
        found.append("*")
    found += [argument(*pair) for pair in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    if given.kwarg:
        found.append(f"**{ast.unparse(given.kwarg)}")
    if found and found[0] in ("self", "cls"):
        del found[: 2 if found[1:2] == ["/"] else 1]
    return found


def argument(name: ast.arg, default: ast.expr | None) -> str:
    """Return an argument with its type and its default."""
    equals = " = " if name.annotation else "="
    return ast.unparse(name) + (f"{equals}{ast.unparse(default)}" if default else "")


def value_of(node: ast.Assign | ast.AnnAssign, name: str) -> str:
    """Return a constant and its value, or its type if the value takes more than a line."""
    text = ast.unparse(node)
    if len(text) <= 100:
        return text
    return f"{name}: {ast.unparse(node.annotation)}" if isinstance(node, ast.AnnAssign) else name


def markdown(docstring: str) -> str:
    """Return a docstring with its sections as lists and its examples as code."""
    docstring = re.sub(r"^>>> .*(?:\n.+)*", lambda found: f"```pycon\n{found[0]}\n```", docstring, flags=re.M)
    lines: list[str] = []
    inside = False
    for line in docstring.splitlines():
        if found := SECTION.match(line):
            inside = True
            lines.append(f"{found[1]}:{found[2]}" if found[2] else f"{found[1]}:\n")
        elif inside and re.match(r"^ {4}\S", line):
            lines.append(f"- {line.strip()}")
        elif inside and re.match(r"^ {8}", line):
            lines.append(f"  {line.strip()}")
        else:
            inside = inside and not line.strip()
            lines.append(line)
    return "\n".join(lines)


def code(text: str) -> str:
    """Return a code block."""
    return f"```python\n{text}\n```\n"


@cache
def tree(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    place = ROOT / module.replace(".", "/")
    path = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    (ROOT / "docs" / "api.md").write_text(page(), encoding="utf-8")
