"""Makes the package of a plugin from the template in `imgtk/template`. Copier can use it as well, by copier.yml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from imgtk import __version__
from imgtk.errors import UsageError, WriteError

__all__ = ["KINDS", "make_package"]

KINDS = ("operator", "network", "format")
"""What a plugin made from the template brings."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SOURCE = "gh:imgtk/imgtk"
"""Where Copier finds the template."""
_SUFFIX = ".jinja"


def make_package(kind: str, name: str, parent: Path, *, author: str = "The authors") -> Path:
    """Make the package of a plugin, with tests, licence and continuous integration.

    Args:
        kind: one of `KINDS`.
        name: of the operator or format: lower case letters, digits and single hyphens.
        parent: the folder in which the folder `imgtk-NAME` is made.
        author: for the licence and the metadata.

    Returns:
        The folder that was made.

    Raises:
        UsageError: for a name that cannot be one.
        WriteError: if the folder is there already, or cannot be written.
    """
    if not _NAME.fullmatch(name) or name.startswith("imgtk"):
        raise UsageError(
            f"{name!r} cannot be the name of a plugin",
            hint="Use lower case letters, digits and hyphens: soft-glow becomes the package imgtk-soft-glow.",
        )
    answers = {
        "kind": kind,
        "name": name,
        "author": " ".join(author.replace('"', "").split()) or "The authors",
        "distribution": f"imgtk-{name}",
        "package": f"imgtk_{name.replace('-', '_')}",
        "title": "".join(part.capitalize() for part in name.split("-")),
        "imgtk_version": __version__,
    }
    target = parent / answers["distribution"]
    files = _rendered(answers)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        target.mkdir()
        for path, text in files.items():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, encoding="utf-8", newline="\n")
    except FileExistsError:
        raise WriteError(f"{target} exists", hint="Choose another name, or another folder with --dir.") from None
    except OSError as error:
        raise WriteError(f"cannot write {target}: {error.strerror}") from None
    return target


def _rendered(answers: dict[str, Any]) -> dict[str, str]:
    """Return the files by path. Names are templates, too: a file whose name is empty is left out."""
    template = Path(__file__).parent / "template" / "project"
    jinja = Environment(keep_trailing_newline=True, undefined=StrictUndefined, autoescape=False)
    jinja.filters["to_nice_yaml"] = yaml.safe_dump  # as Copier has it
    asked = {key: answers[key] for key in ("author", "imgtk_version", "kind", "name")}
    answers = {**answers, "_copier_answers": {"_commit": f"v{__version__}", "_src_path": SOURCE, **asked}}
    found: dict[str, str] = {}
    for path in sorted(template.rglob("*")):
        parts = [
            jinja.from_string(part.removesuffix(_SUFFIX)).render(answers) for part in path.relative_to(template).parts
        ]
        if path.is_file() and all(parts):
            text = path.read_text(encoding="utf-8")
            found["/".join(parts)] = jinja.from_string(text).render(answers) if path.suffix == _SUFFIX else text
    return found
