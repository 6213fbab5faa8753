"""The words of a pipeline text.

A word ends at white space or at one of `| ; ( )`. Parts of it may be quoted, with ' or with ", and what is quoted
stands for itself; there are no escapes. A `#` that stands alone starts a comment, which ends with its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from imgtk.errors import PipelineError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
"""What may follow `as` and `@`."""

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*=")
_COMMENT = re.compile(r"#(\s|$)")
_PLAIN = re.compile(r"""(?!#$)[^\s|;()'"@][^\s|;()'"]*""")


class Kind(Enum):
    PIPE = "|"
    SEMICOLON = ";"
    OPEN = "("
    CLOSE = ")"
    KEY = "KEY="
    REFERENCE = "@NAME"
    WORD = "word"
    END = "end"


@dataclass(frozen=True)
class Token:
    """One word: its text without quotes, `=` or `@`, and the half-open range of the source that it covers."""

    kind: Kind
    text: str
    start: int
    end: int
    quoted: bool = False

    def is_as(self) -> bool:
        return self.kind is Kind.WORD and self.text == "as" and not self.quoted


def tokenize(source: str) -> list[Token]:
    """Return the words of `source`, with an END at the end. Raises PipelineError for a quote that is not closed."""
    tokens: list[Token] = []
    position = 0
    while position < len(source):
        character = source[position]
        if character.isspace():
            position += 1
        elif _COMMENT.match(source, position):
            line_end = source.find("\n", position)
            position = len(source) if line_end < 0 else line_end
        else:
            after_key = bool(tokens) and tokens[-1].kind is Kind.KEY and tokens[-1].end == position
            tokens.append(_token(source, position, after_key))
            position = tokens[-1].end
    end = tokens[-1].end if tokens else 0
    return [*tokens, Token(Kind.END, "", end, end)]


def _token(source: str, start: int, after_key: bool) -> Token:
    if source[start] in "|;()":
        return Token(Kind(source[start]), source[start], start, start + 1)
    key = _KEY.match(source, start)
    if key and not after_key:
        return Token(Kind.KEY, key[0][:-1], start, key.end())
    if source[start] == "@":
        name, end, _ = _word(source, start + 1)
        return Token(Kind.REFERENCE, name, start, end)
    text, end, quoted = _word(source, start)
    return Token(Kind.WORD, text, start, end, quoted)


def _word(source: str, start: int) -> tuple[str, int, bool]:
    """Return the text of the word at `start`, where it ends, and whether any of it is quoted."""
    parts: list[str] = []
    position, quoted = start, False
    while position < len(source) and source[position] not in "|;()" and not source[position].isspace():
        if source[position] in "'\"":
            close = source.find(source[position], position + 1)
            if close < 0:
                raise PipelineError(
                    f"this {source[position]} is never closed",
                    source=source,
                    start=position,
                    end=len(source),
                    hint="To use a quote in a value, put it between quotes of the other kind.",
                )
            parts.append(source[position + 1 : close])
            position, quoted = close + 1, True
        else:
            parts.append(source[position])
            position += 1
    return "".join(parts), position, quoted


def quote(text: str) -> str:
    """Return the word that stands for `text`, quoted if need be."""
    if _PLAIN.fullmatch(text) and not _KEY.match(text) and text != "as":
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + text.replace('"', '"\'"\'"') + '"'
