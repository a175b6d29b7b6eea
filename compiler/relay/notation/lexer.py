"""Tokens of Relay's text, with line and column; comments are left out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import NoReturn

from compiler.relay.language.expr import Span


class ParseError(ValueError):
    """A text is not a program of the language; the message names the line and the column."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token.

    Parameters
    ----------
    kind : str
        ``"name"``, ``"local"`` (``%x``), ``"graph"`` (``%0``), ``"global"`` (``@f``), ``"number"``,
        ``"string"``, ``"version"``, ``"metadata"``, ``"symbol"`` or ``"end"``.
    text : str
        Without sigil and quotes; of a version and of metadata the content.
    line, column : int
        From 1.
    """

    kind: str
    text: str
    line: int
    column: int


_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n]+|//[^\n]*)
  | (?P<comment>/\*)
  | (?P<metadata>\#\[metadata\])
  | (?P<version>\#\[version\s*=\s*"(?P<v>[^"\n]*)"\])
  | (?P<graph>%[0-9]+)
  | (?P<local>%(?:[A-Za-z_][A-Za-z0-9_]*|"(?:[^"\\\n]|\\.)*"))
  | (?P<global>@(?:[A-Za-z_][A-Za-z0-9_]*|"(?:[^"\\\n]|\\.)*"))
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?:bf16|f16|f64|f|[iu](?:8|16|64)|u32)?(?![A-Za-z0-9_]))
  | (?P<name>match\?|[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<symbol>->|=>|==|!=|<=|>=|;;|[()\[\]{},;:.=+\-*/<>?&])
    """,
    re.VERBOSE,
)

_COMMENT = re.compile(r"/\*|\*/")


class Lexer:
    """The tokens of a text, and the errors at them."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self._starts = [0]
        self._starts += [m.end() for m in re.finditer("\n", text)]
        self.tokens = self._scan(text)

    def _scan(self, text: str) -> list[Token]:
        found: list[Token] = []
        at, line = 0, 1
        while at < len(text):
            while line < len(self._starts) and self._starts[line] <= at:
                line += 1
            column = at - self._starts[line - 1] + 1
            match = _TOKEN.match(text, at)
            if match is None:
                self.fail(Token("symbol", text[at], line, column), f"{text[at]!r} begins no token")
            kind = str(match.lastgroup)
            at = match.end()
            if kind == "space":
                continue
            if kind == "comment":
                at = self._comment_end(text, at, Token(kind, "/*", line, column))
                continue
            if kind == "metadata":  # the rest of the text
                found.append(Token(kind, text[at:], line, column))
                break
            content = match.group("v") if kind in ("version", "v") else match.group()
            kind = "version" if kind == "v" else kind
            token = Token(kind, content, line, column)
            found.append(self._unquoted(token) if kind in ("local", "global", "graph", "string") else token)
        end = len(text)
        while line < len(self._starts) and self._starts[line] <= end:
            line += 1
        found.append(Token("end", "the end of the text", line, end - self._starts[line - 1] + 1))
        return found

    def _comment_end(self, text: str, at: int, start: Token) -> int:
        depth = 1
        while depth:
            match = _COMMENT.search(text, at)
            if match is None:
                self.fail(start, "the comment does not end")
            depth += 1 if match.group() == "/*" else -1
            at = match.end()
        return at

    def _unquoted(self, token: Token) -> Token:
        content = token.text if token.kind == "string" else token.text[1:]
        if content.startswith('"'):
            try:
                content = json.loads(content)
            except ValueError:
                self.fail(token, "the string is not well formed")
        return Token(token.kind, content, token.line, token.column)

    def span(self, token: Token) -> Span:
        """The place of a token."""
        return Span(self.source, token.line, token.column)

    def fail(self, token: Token, message: str) -> NoReturn:
        """Raise the error of a token."""
        raise ParseError(f"{self.source}:{token.line}:{token.column}: {message}")
