"""One word per thing: the old words of CONTRIBUTING's glossary are gone from code, help and documentation.

Tests are not searched: they quote what users may write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SEARCHED = (
    *("*.md", "Makefile", "setup.py", ".github/**/*.yml", "docs/*.md", "imgtk/**/*.py", "plugins/**/*.py"),
    *("plugins/**/*.md", "plugins/*/recipes/*.toml", "benchmarks/*.py", "scripts/*.py", "examples/**/*.py"),
    *("examples/**/*.md",),
)
GLOSSARY = re.compile(r"<!-- glossary -->\n(.*)<!-- /glossary -->\n", re.DOTALL)
OTHER_SENSES = re.compile(r"windowed sinc")
"""Old words that mean something else here."""
PENDING: dict[str, set[str]] = {
    "picture": {
        "imgtk/bench/page.py",
    },
    "worn": {
        "README.md",
        "benchmarks/quality.py",
        "benchmarks/summary.py",
        "docs/benchmarks.md",
        "docs/cli.md",
        "docs/upscaling.md",
        "imgtk/bench/data.py",
        "imgtk/bench/report.py",
        "imgtk/bench/tables.py",
        "imgtk/cli/bench.py",
        "plugins/imgtk_transfer/quilting.py",
    },
    "wear": {
        "imgtk/bench/data.py",
        "imgtk/bench/protocol.py",
        "plugins/imgtk_transfer/README.md",
    },
    "judge": {
        "benchmarks/joint.py",
        "docs/benchmarks.md",
        "docs/gan.md",
        "docs/style.md",
        "docs/translation.md",
        "imgtk/nn/discriminators.py",
        "imgtk/painting/trainer.py",
        "imgtk/training/adversary.py",
        "plugins/imgtk_cyclegan/README.md",
        "plugins/imgtk_cyclegan/trainer.py",
        "plugins/imgtk_stylizesr/trainer.py",
        "plugins/imgtk_unit/README.md",
        "plugins/imgtk_unit/trainer.py",
    },
    "products with papers": {
        "docs/architecture.md",
    },
    "rooms": {
        "docs/architecture.md",
        "imgtk/io/carried.py",
    },
    "networks of others": {
        "docs/style.md",
    },
    "class Order": {
        "imgtk/upscaling/degradation.py",
    },
    "mistake in imgtk": {
        "docs/cli.md",
        "imgtk/cli/report.py",
    },
    "Known are": {
        "imgtk/painting/trainer.py",
        "imgtk/training/adversary.py",
        "plugins/imgtk_cyclegan/trainer.py",
    },
    "there is no GAN": {
        "imgtk/training/adversary.py",
    },
    "there is no backend": {
        "imgtk/engine/backend.py",
    },
    "there is no judge": {
        "imgtk/painting/trainer.py",
    },
    "is no address": {
        "imgtk/weights/download.py",
    },
}
"""Files that still have an old word, by word. Entries go, none come."""


def table() -> str:
    found = GLOSSARY.search((ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert found
    return found[1]


def old_words() -> list[str]:
    return [word for row in table().splitlines()[2:] for word in re.findall(r"`([^`]+)`", row.split(" | ")[-1])]


def matcher(word: str) -> re.Pattern[str]:
    """A pattern for `word` and its plural; a word in lower case also matches at the start of a sentence."""
    flags = re.IGNORECASE if word.islower() and "_" not in word else 0
    return re.compile(rf"(?<!\w){re.escape(word)}s?(?!\w)".replace(r"\ ", r"\s+"), flags)


def uses(word: str) -> Iterator[str]:
    pattern = matcher(word)
    for path in sorted({path for glob in SEARCHED for path in ROOT.glob(glob)}):
        text = OTHER_SENSES.sub("", GLOSSARY.sub("", path.read_text("utf-8")))
        if pattern.search(text):
            yield path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("word", old_words())
def test_old_words_are_gone(word: str) -> None:
    assert set(uses(word)) - PENDING.get(word, set()) == set(), f"see the glossary in CONTRIBUTING.md for {word!r}"


def test_glossary_is_read() -> None:
    words = old_words()
    assert {"picture", "judge", "class Order", "Known are"} <= set(words)
    assert len(words) == len(set(words))
    assert set(PENDING) <= set(words)


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("picture", "Two Pictures.", True),
        ("picture", "pictured", False),
        ("known are", "Known\n    are a, b", True),
        ("class Order", "class Ordering", False),
        ("is_first", "self.is_first:", True),
        ("rooms", "headrooms", False),
    ],
)
def test_what_matches(word: str, text: str, found: bool) -> None:
    assert bool(matcher(word).search(text)) == found
