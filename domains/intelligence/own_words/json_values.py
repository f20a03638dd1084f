"""JSON values with the places of their strings in the text."""

import re
from typing import Any, Final

import msgspec

from domains.kernel.core.mapped_text import MappedText, MappedTextBuilder

_TOKEN: Final = re.compile(r'[ \t\r\n]*([][{},:]|"(?:[^"\\]++|\\.)*+"|[^][{},:"\s]+)', re.DOTALL)
# A string without an end, up to a cut escape.
_CUT_STRING: Final = re.compile(r'[ \t\r\n]*("(?:[^"\\]++|\\.)*+)\\?\Z', re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\."
)
_MAX_DEPTH: Final = 200


class String(msgspec.Struct, frozen=True):
    """A string in a JSON text. `start` and `end` are the offsets between its quotes."""

    value: str
    start: int
    end: int

    def mapped(self, source: str) -> MappedText:
        """The string as a text derived from the JSON text. Escapes are decoded."""
        builder = MappedTextBuilder(source)
        position = self.start
        if "\\" in source[self.start : self.end]:
            for escape in _ESCAPE.finditer(source, self.start, self.end):
                builder.copy(position, escape.start())
                builder.replace(_unescaped(escape[0]), *escape.span())
                position = escape.end()
        builder.copy(position, self.end)
        return builder.build()


def _unescaped(escape: str) -> str:
    try:
        return msgspec.json.decode(f'"{escape}"', type=str)
    except (msgspec.DecodeError, UnicodeError):
        return "\ufffd"


class NotJson(ValueError):
    """The text is not valid JSON, or nested too deeply."""


def parse(source: str) -> Any:
    """Parse a JSON text into dictionaries, lists, numbers, constants and `String`s.

    Raises NotJson. JSON Lines give the list of their values. A text that was cut off gives the
    values up to there. Linear in the text.
    """
    parser = _Parser()
    position, length = 0, len(source.rstrip())
    while position < length:
        token = _TOKEN.match(source, position)
        if token is None:
            parser.add_cut_string(source, position)
            break
        position = token.end()
        parser.add(token[1], token.start(1), token.end(1))
    return parser.result()


class _Parser:
    """Builds a value from tokens. Checks brackets and keys, and tolerates a missing comma."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        # The open containers, and the key of each that awaits its value.
        self._stack: list[Any] = [self._values]
        self._keys: list[str | None] = [None]
        self._is_key_next = False

    def add(self, lexeme: str, start: int, end: int) -> None:
        if lexeme in "}]":
            self._close(lexeme)
        elif lexeme == ",":
            if len(self._stack) == 1:
                raise NotJson
            self._is_key_next = isinstance(self._stack[-1], dict)
        elif lexeme == ":":
            if self._keys[-1] is None:
                raise NotJson
        elif self._is_key_next:
            if not lexeme.startswith('"'):
                raise NotJson
            self._keys[-1] = _decoded(lexeme)
            self._is_key_next = False
        else:
            self._add_value(_value(lexeme, start, end))

    def add_cut_string(self, source: str, position: int) -> None:
        """Add the last string, which has no end."""
        cut = _CUT_STRING.match(source, position)
        if cut is None:
            raise NotJson
        self.add(f'{cut[1]}"', cut.start(1), cut.end(1) + 1)

    def result(self) -> Any:
        if not self._values:
            raise NotJson
        return self._values[0] if len(self._values) == 1 else self._values

    def _close(self, lexeme: str) -> None:
        if len(self._stack) == 1 or isinstance(self._stack[-1], dict) != (lexeme == "}"):
            raise NotJson
        self._stack.pop()
        self._keys.pop()
        self._is_key_next = False

    def _add_value(self, value: Any) -> None:
        container = self._stack[-1]
        if isinstance(container, list):
            container.append(value)
        else:
            key = self._keys[-1]
            if key is None:
                raise NotJson
            container[key] = value
            self._keys[-1] = None
        if isinstance(value, dict | list):
            if len(self._stack) > _MAX_DEPTH:
                raise NotJson
            self._stack.append(value)
            self._keys.append(None)
            self._is_key_next = isinstance(value, dict)


def _value(mark: str, start: int, end: int) -> Any:
    if mark == "{":
        return {}
    if mark == "[":
        return []
    if mark.startswith('"'):
        return String(_decoded(mark), start + 1, end - 1)
    if mark in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[mark]
    try:
        return float(mark)
    except ValueError:
        raise NotJson from None


def _decoded(literal: str) -> str:
    if "\\" not in literal:
        return literal[1:-1]
    return _ESCAPE.sub(lambda escape: _unescaped(escape[0]), literal[1:-1])
