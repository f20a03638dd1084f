"""Read JSON Lines, and a single JSON object with an array for each kind of record."""

import io
import re
from typing import Any, Final

import msgspec

from domains.kernel.core.problems import Invalid, invalid
from domains.kernel.untrusted import json_guard
from gateway.cli.importing.entries import KINDS, MAX_RECORD_BYTES, Entries, Entry, Refusal

_BUFFER_SIZE: Final = 256 * 1024
_TOO_LONG: Final = f"is longer than {MAX_RECORD_BYTES // 1024 // 1024} MB"


class _Kind(msgspec.Struct):
    kind: str


_KIND: Final = msgspec.json.Decoder(_Kind)
# A line may name its kind in the singular, too.
_KIND_NAMES: Final = {name: kind for kind in KINDS for name in (kind, kind[:-1])}


def read_lines(file: io.BufferedIOBase) -> Entries:
    """Read JSON Lines: records with a field `kind`. Only a line feed ends a line."""
    line = 0
    while text := file.readline(MAX_RECORD_BYTES + 1):
        line += 1
        if len(text) > MAX_RECORD_BYTES:
            while not text.endswith(b"\n") and (text := file.readline(MAX_RECORD_BYTES)):
                pass
            yield Refusal(line, _TOO_LONG)
        elif not text.isspace():
            yield _line_entry(line, text)


def _line_entry(line: int, text: bytes) -> Entry | Refusal:
    try:
        name = decode(_KIND, text).kind
    except Invalid as problem:
        return Refusal(line, problem.message)
    if (kind := _KIND_NAMES.get(name)) is None:
        return Refusal(line, f"kind: must be one of {', '.join(KINDS)}")
    return _entry(line, kind, text)


def _entry(line: int, kind: str, text: bytes | None) -> Entry | Refusal:
    """Create the entry of a record. `text`: its JSON text, None if that is too long."""
    if text is None:
        return Refusal(line, _TOO_LONG)
    if fault := json_guard.find_json_error(text):
        return Refusal(line, fault)
    return Entry(line, kind, text)


def decode(decoder: msgspec.json.Decoder[Any], text: bytes) -> Any:
    """Decode a JSON text. Raises Invalid with the path of the wrong field."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise to_invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(json_guard.INVALID_JSON) from None


def to_invalid(error: msgspec.ValidationError) -> Invalid:
    """Convert to Invalid, with the path of the field before the message."""
    text, _, at = str(error).rpartition(" - at `$")
    if not text:
        return Invalid(_lower_first(at))
    path = at.rstrip("`").removeprefix(".")
    return invalid(path, _lower_first(text)) if path else Invalid(_lower_first(text))


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


# --- one JSON object --------------------------------------------------------------------------


def is_object(head: bytes, suffix: str) -> bool:
    """Return True if the file with this start is one JSON object, False if it is JSON Lines."""
    if suffix in (".jsonl", ".ndjson"):
        return False
    reader = _JsonReader(io.BytesIO(head))
    try:
        reader.expect(b"{")
        while reader.peek() == b'"':
            name = reader.read_name()
            if name == "kind":
                return False
            if name in KINDS and reader.peek() in (b"[", b"n"):
                return True
            reader.read_value()
            reader.skip(b",")
        return reader.peek() == b"}" and suffix == ".json"
    except _MalformedJson:
        return suffix == ".json"


def read_object(file: io.BufferedIOBase) -> Entries:
    """Iterate over the records of a JSON object such as {"deals": [...], "accounts": [...]}."""
    reader = _JsonReader(file)
    try:
        reader.expect(b"{")
        known = False
        while not reader.skip(b"}"):
            name = reader.read_name()
            known = known or name in KINDS
            yield from _read_array(reader, name)
            if reader.peek() != b"}":
                reader.expect(b",")
        reader.expect(b"")
        if not known:
            yield Refusal(1, f"the object has none of the fields {', '.join(KINDS)}")
    except _MalformedJson:
        yield Refusal(reader.line, "the file is not JSON from here on; the rest was not read")


def _read_array(reader: "_JsonReader", name: str) -> Entries:
    """Iterate over the records in a field of the object."""
    known = name in KINDS
    first, line = reader.peek(), reader.line
    if first != b"[":
        if reader.read_value() != b"null" and known:
            yield Refusal(line, f"{name}: must be an array")
        return
    if not known:
        yield Refusal(line, f"unknown kind of records {name[:64]!r}")
    reader.expect(b"[")
    while not reader.skip(b"]"):
        line = reader.line
        value = reader.read_value()
        if known:
            yield _entry(line, name, value)
        if reader.peek() != b"]":
            reader.expect(b",")


_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_SCALAR: Final = re.compile(rb"[^,\]}\s]*")
# Up to a bracket, or to a string that is incomplete in the buffer.
_OUTSIDE_BRACKETS: Final = re.compile(rb'(?:[^][{}"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_INSIDE_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_NAME: Final = msgspec.json.Decoder(str)
_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")


class _MalformedJson(Exception):
    """The text is not valid JSON."""


class _JsonReader:
    """Reads the values of a JSON text one by one, from a file that is read in pieces.

    `_buffer` holds the piece being read, `_position` is the first byte in it not yet consumed.
    """

    def __init__(self, file: io.BufferedIOBase) -> None:
        self.line = 1
        self._file = file
        self._buffer = b""
        self._position = 0
        # Bytes that the latest read added to the buffer.
        self._added = 0

    def peek(self) -> bytes:
        """Return the next character that is not white space; empty at the end of the text."""
        while True:
            self._consume(self._match_end(_SPACE, self._position))
            if self._position < len(self._buffer):
                return self._buffer[self._position : self._position + 1]
            if not self._fill():
                return b""

    def expect(self, character: bytes) -> None:
        """Consume this character. If empty, expect the end of the text. Raises _MalformedJson."""
        if self.peek() != character:
            raise _MalformedJson
        self._consume(self._position + len(character))

    def skip(self, character: bytes) -> bool:
        """Consume this character if it is next."""
        if self.peek() != character:
            return False
        self._consume(self._position + 1)
        return True

    def read_name(self) -> str:
        """Consume the name of a field and the colon after it."""
        if self.peek() != b'"':
            raise _MalformedJson
        try:
            name: str = _NAME.decode(self.read_value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _MalformedJson from None
        self.expect(b":")
        return name

    def read_value(self) -> bytes | None:
        """Consume a value and return its text, or None if it is too long.

        Checks only brackets and quotes: the text may still be invalid JSON.
        """
        first = self.peek()
        if first not in (b"{", b"[", b'"'):
            return self._read_scalar()
        depth, in_string, kept = 0, False, True
        end = self._position
        while True:
            if depth or in_string:
                end = self._match_end(_INSIDE_STRING if in_string else _OUTSIDE_BRACKETS, end)
            if end - self._position > MAX_RECORD_BYTES:
                kept = False
            if not kept:
                self._consume(end)
            # An escape needs the character after the backslash.
            if end == len(self._buffer) or self._buffer[end] == _BACKSLASH:
                remaining = len(self._buffer) - end
                if not self._fill():
                    raise _MalformedJson
                # The consumed part of the buffer is gone.
                end = len(self._buffer) - self._added - remaining
                continue
            character = self._buffer[end]
            end += 1
            if character == _QUOTE:
                in_string = not in_string
            else:
                depth += 1 if character in b"[{" else -1
            if not in_string and depth <= 0:
                break
        text = self._take(end)
        return text if kept else None

    def _read_scalar(self) -> bytes | None:
        end = self._position
        kept = True
        while (end := self._match_end(_SCALAR, end)) == len(self._buffer):
            if end - self._position > MAX_RECORD_BYTES:
                kept = False
            if not kept:
                self._consume(end)
            if not self._fill():
                raise _MalformedJson
            end = len(self._buffer) - self._added
        text = self._take(end)
        return text if kept else None

    def _take(self, end: int) -> bytes:
        text = self._buffer[self._position : end]
        self._consume(end)
        return text

    def _match_end(self, pattern: re.Pattern[bytes], start: int) -> int:
        match = pattern.match(self._buffer, start)
        return start if match is None else match.end()

    def _consume(self, end: int) -> None:
        self.line += self._buffer.count(b"\n", self._position, end)
        self._position = end

    def _fill(self) -> bool:
        """Drop the consumed part of the buffer and read another piece. Returns False at the end."""
        piece = self._file.read(_BUFFER_SIZE)
        self._added = len(piece)
        self._buffer = self._buffer[self._position :] + piece
        self._position = 0
        return bool(piece)
