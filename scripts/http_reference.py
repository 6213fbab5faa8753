"""Write the reference of the HTTP API into docs/serve.md: python scripts/http_reference.py"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgtk.serve.openapi import document
from imgtk.serve.options import Limits

PAGE = Path(__file__).parents[1] / "docs" / "serve.md"
BLOCK = re.compile(r"(<!-- api -->\n).*(<!-- /api -->)", re.DOTALL)


def reference() -> str:
    """The reference as Markdown."""
    described = document(Limits())
    lines: list[str] = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            lines += _operation(f"{method.upper()} {described['servers'][0]['url']}{path}", operation)
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page, with the reference in it."""
    return BLOCK.sub(lambda match: match[1] + "\n" + reference() + "\n" + match[2], PAGE.read_text("utf-8"))


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"#### {title}"
    yield ""
    yield " ".join(filter(None, (operation["summary"], operation.get("description"))))
    yield ""
    fields = list(_fields(operation))
    if fields:
        yield "| takes | in | |"
        yield "|---|---|---|"
        yield from (f"| `{name}` | {place} | {told} |" for name, place, told in fields)
        yield ""
    yield "| answers | |"
    yield "|---|---|"
    for status, response in sorted(operation["responses"].items()):
        schema = next((body.get("schema", {}) for body in response.get("content", {}).values()), {})
        name = schema.get("$ref", schema.get("items", {}).get("$ref", "")).rpartition("/")[2]
        told = (
            f"{response['description']} `{name}`"
            if name and name != response["description"]
            else response["description"]
        )
        yield f"| {status} | {told} |"
    yield ""


def _fields(operation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for parameter in operation.get("parameters", ()):
        yield parameter["name"], parameter["in"], parameter["description"]
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        schema = body["schema"]
        for name, field in schema.get("properties", {}).items():
            choices = f" One of {', '.join(map(str, field['enum']))}." if "enum" in field else ""
            needed = " Required." if name in schema.get("required", ()) else ""
            yield name, "form" if "form" in kind else "JSON", f"{field.get('description', '')}{choices}{needed}".strip()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(page(), encoding="utf-8")
