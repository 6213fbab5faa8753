"""The code keeps to its structure: kits stay out of the core, no import circles, short modules, public names only."""

import ast
import re
import runpy
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 400
KITS = ("imgtk.upscaling", "imgtk.painting")
PUBLIC = {name for names in runpy.run_path(str(ROOT / "scripts" / "api_page.py"))["PUBLIC"].values() for name in names}
"""The modules of docs/api.md, whose `__all__` has the public names."""


def modules_below(folders: list[Path]) -> dict[str, Path]:
    found = {}
    for folder in folders:
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules_below([ROOT / "imgtk", *ROOT.glob("plugins/imgtk_*")])


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


def tree(path: Path) -> ast.Module:
    return parsed(path.read_text("utf-8"))


def at_runtime(body: list[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that run when a module is imported: those in functions and for type checking do not."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from at_runtime(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from at_runtime(getattr(node, field, []))


def imported(node: ast.Import | ast.ImportFrom, modules: dict[str, Path]) -> set[str]:
    """The modules of ours that an import names."""
    if isinstance(node, ast.Import):
        names = {alias.name for alias in node.names}
    else:
        assert node.level == 0, "imports are absolute"
        inner = {f"{node.module}.{alias.name}" for alias in node.names}
        names = {name if name in modules else str(node.module) for name in inner}
    return names & modules.keys()


def graph(modules: dict[str, Path]) -> dict[str, set[str]]:
    return {
        name: {other for node in at_runtime(tree(path).body) for other in imported(node, modules)} - {name}
        for name, path in modules.items()
    }


def all_imports(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def declared(path: Path) -> list[str] | None:
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
LAYERS = [re.findall(r"`imgtk/(\w+)", row) for row in re.findall(r"^\| (`imgtk/.*?) \|", PAGE, re.MULTILINE)]
"""The layers of docs/architecture.md, from above to below: one package or module each, or several side by side."""


def test_layers_are_complete() -> None:
    found = {path.stem for path in (ROOT / "imgtk").iterdir() if path.name[0] != "_" and path.suffix in ("", ".py")}
    named = [name for layer in LAYERS for name in layer]
    assert set(named) == found
    assert len(named) == len(found)


def test_imports_go_down_the_layers() -> None:
    height = {name: -index for index, layer in enumerate(LAYERS) for name in layer}
    up = {
        f"{name} imports {other}"
        for name, path in MODULES.items()
        if (here := height.get(name.split(".")[1] if name.startswith("imgtk.") else "")) is not None
        for node in all_imports(path)
        for other in imported(node, MODULES)
        if height.get(other.partition(".")[2].split(".")[0], here) > here
        if not (name == "imgtk.image" and other.startswith("imgtk.io"))
        and not (name == "imgtk.io.foreign" and other == "imgtk.registry")  # which has the plugins
    }
    assert up == set()


def test_names_in_the_description_exist() -> None:
    """Classes, and names with a dot: `batch.Job` is `imgtk.batch.Job`."""
    packages = {name for layer in LAYERS for name in layer}
    known = {"ImageOp": "imgtk.op", "Image": "imgtk", "Pipeline": "imgtk", "FileResult": "imgtk.pipeline"}
    known["Session"] = "imgtk.engine.session"
    names = [name for name in re.findall(r"`([A-Za-z_]\w*(?:\.\w+)+)`", PAGE) if not name.endswith((".py", ".toml"))]
    assert len(names) > 10
    bodies = [tree(path).body for name, path in MODULES.items() if name.startswith("imgtk.")]
    classes = {node.name for body in bodies for node in body if isinstance(node, ast.ClassDef)}
    assert set(re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`", PAGE)) <= classes
    for name in names:
        first = name.split(".")[0]
        assert first in packages or first in known or first == "imgtk", name
        place = "imgtk" if first in packages else known.get(first, "")
        assert found_in(f"{place}.{name}".lstrip(".")), name


def found_in(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of something in one."""
    parts = name.split(".")
    count = next(count for count in range(len(parts), 0, -1) if ".".join(parts[:count]) in MODULES)
    thing: Any = import_module(".".join(parts[:count]))
    for part in parts[count:]:
        own = {**getattr(thing, "__dataclass_fields__", {}), **getattr(thing, "__annotations__", {})}
        if not (hasattr(thing, part) or part in own or f"self.{part}" in getsource(thing)):
            return False
        thing = getattr(thing, part, None)
    return True


def test_kits_are_for_plugins() -> None:
    found = {
        (name, other)
        for name, path in MODULES.items()
        if name.startswith("imgtk.") and not name.startswith(KITS)
        for node in all_imports(path)
        for other in imported(node, MODULES)
        if other.startswith(KITS)
    }
    assert found == set()


def test_nothing_below_a_pipeline_knows_the_installed_plugins() -> None:
    """Kits and plugins are given what they need (`BuildContext`); only entry points call `registry.default`."""
    found = {
        name
        for name, path in MODULES.items()
        if name.startswith(KITS) or not name.startswith("imgtk.")
        for node in all_imports(path)
        if "imgtk.registry" in imported(node, MODULES)
    }
    assert found == set()


TWICE = {"Job", "Result", "Task", "Worker"}
"""Names of classes in the core that mean another thing in `imgtk.serve` or `imgtk.client`. Only shorten this."""


def test_a_class_name_means_one_thing() -> None:
    names = [
        node.name
        for name, path in MODULES.items()
        if name.startswith("imgtk.")
        for node in tree(path).body
        if isinstance(node, ast.ClassDef) and node.name[0] != "_"
    ]
    assert {name for name in names if names.count(name) > 1} == TWICE


def test_no_import_circles() -> None:
    TopologicalSorter(graph(MODULES)).prepare()


def test_circles_inside_a_package_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "a.py").write_text("try:\n    from p import b\nexcept ImportError:\n    pass\n")
    (folder / "b.py").write_text("class B:\n    from p.a import x\n")
    with pytest.raises(CycleError):
        TopologicalSorter(graph(modules_below([folder]))).prepare()
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.a\ndef f():\n    import p.a\n"
    (folder / "b.py").write_text(lazy)
    TopologicalSorter(graph(modules_below([folder]))).prepare()


PROGRAMS = ("imgtk.cli", "imgtk.__main__", "imgtk.serve.worker")
"""Modules that are programs, or what a process does that is only there for them."""
ENDS = {("imgtk.training.spawn", "_end_with_parent"), ("imgtk.batch.ray.connection", "_end")}
"""Functions that end a process which is only there for the library, or which Ray would crash at its end."""


def ending_and_filtering(path: Path, name: str) -> Iterator[str]:
    """Where a module ends the process, or filters warnings for all of it."""

    def visit(node: ast.AST, where: str, kept: bool) -> Iterator[str]:
        if isinstance(node, ast.FunctionDef):
            where = node.name
        if isinstance(node, ast.With):
            kept = kept or any("catch_warnings" in ast.unparse(item) for item in node.items)
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            ends = called in ("os._exit", "sys.exit", "exit", "os.abort") and (name, where) not in ENDS
            if ends or (called in ("warnings.filterwarnings", "warnings.simplefilter") and not kept):
                yield f"{name}.{where} calls {called}"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, where, kept)

    yield from visit(tree(path), "", False)


def test_libraries_neither_end_the_process_nor_filter_all_warnings() -> None:
    found = [
        call
        for name, path in MODULES.items()
        if not name.startswith(PROGRAMS)
        for call in ending_and_filtering(path, name)
    ]
    assert found == []


def test_ends_and_filters_are_found(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(
        "def f():\n    with warnings.catch_warnings():\n        warnings.simplefilter('ignore')\n"
        "def g():\n    warnings.simplefilter('ignore')\n    sys.exit(1)\n"
    )
    assert list(ending_and_filtering(path, "m")) == ["m.g calls warnings.simplefilter", "m.g calls sys.exit"]


def test_modules_are_short() -> None:
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}
    assert lines["imgtk.pipeline"] < 300
    assert lines["imgtk.batch.runner"] < 250


def private_imports(path: Path) -> set[str]:
    """What a file imports of imgtk that is not public."""
    wrong = set()
    for node in all_imports(path):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.Import):
            wrong |= {name for name in names if name.split(".")[0] == "imgtk" and name not in PUBLIC}
        elif str(node.module).split(".")[0] == "imgtk":
            public = declared(MODULES[str(node.module)]) if node.module in PUBLIC else None
            wrong |= {f"{node.module}.{name}" for name in names if name not in (public or [])}
    return wrong - PUBLIC  # modules


@pytest.mark.parametrize(
    "folder", [*ROOT.glob("plugins/imgtk_*"), *ROOT.glob("examples/*")], ids=lambda folder: str(folder.name)
)
def test_plugins_import_public_names_only(folder: Path) -> None:
    found = {path.name: wrong for path in folder.rglob("*.py") if (wrong := private_imports(path))}
    assert found == {}


def test_private_imports_are_found(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text(
        "import imgtk.engine.plan\nimport imgtk.op\nimport imgtkother\nfrom imgtk import metrics, hookimpl\n"
        "from imgtk.op import ImageOp, CONTEXT\n"
        "def f():\n    from imgtk.engine.region import cut\n    from imgtk.engine import Settings, memory\n"
    )
    assert private_imports(path) == {
        *("imgtk.engine.plan", "imgtk.op.CONTEXT", "imgtk.engine.region.cut", "imgtk.engine.memory")
    }
