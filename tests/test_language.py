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
    assert set(uses(word)) == set(), f"see the glossary in CONTRIBUTING.md for {word!r}"


def test_glossary_is_read() -> None:
    words = old_words()
    assert {"picture", "judge", "class Order", "Known are"} <= set(words)
    assert len(words) == len(set(words))


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
