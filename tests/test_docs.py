"""What the documents say is true: tables, links, pipelines, options and code."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest

from imgtk.cli import COMMANDS, main
from imgtk.language import parse
from imgtk.registry import default

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MARKDOWN = sorted(
    page
    for folder in ("*.md", ".github/**/*.md", "docs/**/*.md", "plugins/*/*.md", "examples/*/*.md")
    for page in ROOT.glob(folder)
)


def test_reference_of_operators() -> None:
    """If this fails, run scripts/operator_reference.py."""
    page = runpy.run_path(str(ROOT / "scripts" / "operator_reference.py"))["page"]()
    assert (ROOT / "docs" / "reference.md").read_text("utf-8") == page


def test_every_operator_has_an_example() -> None:
    """If this fails, run scripts/operator_images.py NAME."""
    sections = re.split(r"^### ", (ROOT / "docs" / "reference.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    without = [section.partition("\n")[0] for section in sections if "](images/ops/" not in section]
    assert without == ["style:fast", "translate:cyclegan", "translate:pix2pix"], "which need a network of the user's"


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_scripts_say_what_they_do(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if '__name__ == "__main__"' not in script.read_text("utf-8"):
        assert script.stem in ("drawing", "site_hooks"), "which are imported"
        return
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    assert end.value.code == 0
    assert "usage: " in capsys.readouterr().out.lower()


def test_reference_of_python_names() -> None:
    """If this fails, run scripts/api_page.py. What disappears from the page breaks users: see docs/plugins.md."""
    page = runpy.run_path(str(ROOT / "scripts" / "api_page.py"))["page"]()
    assert (ROOT / "docs" / "api.md").read_text("utf-8") == page


def commands_of(page: Path) -> list[tuple[str, str]]:
    return re.findall(r'^\s*imgtk (run|plan) "([^"]+)"', page.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("page", "pipeline"), [(p, text) for p in PAGES for _, text in commands_of(p)])
def test_pipelines_parse(page: Path, pipeline: str) -> None:
    parse(pipeline, default())


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    seen: dict[str, int] = {}
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", prose, re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if anchor in seen else anchor)
        seen[anchor] = seen.get(anchor, 0) + 1
    return found


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        if not target.startswith(("https://", "http://")):
            other = page.parent / path if path else page
            assert other.exists(), target
            assert not anchor or anchor in anchors(other), target


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# On: `--resume`, again\n```sh\n# no heading\n```\n## See [cli](cli.md)\n## Same\n## Same\n")
    assert anchors(page) == {"on---resume-again", "see-cli", "same", "same-1"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_described(name: str) -> None:
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    with click.Context(main) as ctx:
        command = main.get_command(ctx, name)  # type: ignore[attr-defined]
    assert command
    for leaf in [command, *getattr(command, "commands", {}).values()]:
        for param in leaf.params:
            if isinstance(param, click.Option):
                assert f"`{max(param.opts, key=len)}`" in page, param.opts
    assert re.search(rf"^## imgtk .*\b{name}\b", page, re.MULTILINE)


def test_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skimage import data, io

    io.imsave(tmp_path / "in.jpg", data.astronaut()[::16, ::16])
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"```python\n(.*?)```", PAGES[0].read_text("utf-8"), re.DOTALL):
        exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "out.png").exists()


def test_figures_of_the_benchmarks_are_the_committed_ones() -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "summary.py"], check=True, capture_output=True, encoding="utf-8"
    ).stdout
    assert f"<!-- benchmarks -->\n{printed}<!-- /benchmarks -->" in (ROOT / "docs" / "benchmarks.md").read_text("utf-8")


def test_every_benchmark_is_described() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    names = {path.name for path in (ROOT / "benchmarks").glob("*.py")} - {"common.py", "summary.py"}
    assert names == set(re.findall(r"^\| `python benchmarks/(\w+\.py)", page, re.MULTILINE))


def test_every_page_is_in_the_navigation() -> None:
    """Of the site (mkdocs.yml), and of docs/index.md for readers of the repository."""
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert pages <= set(re.findall(r"[\w-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert pages - {"index.md"} <= set(re.findall(r"\(([\w-]+\.md)\)", (ROOT / "docs" / "index.md").read_text("utf-8")))


def test_every_image_is_shown() -> None:
    """An image in docs/ that no page shows is deleted."""
    text = "".join(page.read_text("utf-8") for page in MARKDOWN)
    files = [path for path in (ROOT / "docs" / "images").rglob("*") if path.is_file()]
    assert [path.name for path in files if path.name not in text] == []
    assert {path.suffix for path in files} <= {".webp", ".png"}


def test_table_of_recipes() -> None:
    """If this fails, put the output of scripts/recipe_table.py between the marks."""
    lines = runpy.run_path(str(ROOT / "scripts" / "recipe_table.py"))["table"]()
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert "\n".join(["<!-- recipes -->", *lines, "<!-- /recipes -->"]) in page
    assert len(lines) - 2 == len(list(ROOT.glob("plugins/*/recipes/*.toml")))
