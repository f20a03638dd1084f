"""Files of records as streams: JSON Lines, one JSON object, CSV of Salesforce and HubSpot.

Whatever the size of a file, no more of it is in memory than a piece and the record being read.
"""

import csv
import io
import os
import re
import select
import stat
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from domains.kernel.core.problems import Invalid, invalid

# Bytes of a record; no API takes a larger one.
LONGEST: Final = 16 * 1024 * 1024
# JSON deeper than this is refused.
DEEPEST: Final = 100

_PIECE: Final = 256 * 1024
# Characters of a cell of a table.
_LONGEST_CELL: Final = 1024 * 1024

KINDS: Final = ("products", "deals", "accounts", "conversations", "messages", "documents")
# As they may be called.
_KIND_OF: Final = {name: kind for kind in KINDS for name in (kind, kind[:-1])}


class Entry(NamedTuple):
    """A record in a file: where it begins, its kind, and its JSON text or its fields."""

    line: int
    kind: str
    given: bytes | dict[str, Any]


class Refusal(NamedTuple):
    """What is no record, and why."""

    line: int
    reason: str


Found = Iterator[Entry | Refusal]


class Interrupted(Exception):
    """Somebody wants no more of a file."""


class File(io.RawIOBase):
    """A file, or standard input for `-`, that counts what was read of it.

    Reading waits no longer when `stop` is set: Interrupted.
    """

    def __init__(self, path: Path, stop: threading.Event) -> None:
        super().__init__()
        standard = str(path) == "-"
        self.name: Final = str(path)
        self.passed = 0
        self._stop = stop
        self._raw = io.FileIO(sys.stdin.fileno() if standard else path, closefd=not standard)
        regular = stat.S_ISREG(os.fstat(self._raw.fileno()).st_mode)
        # Bytes, where that is known.
        self.size: Final = os.fstat(self._raw.fileno()).st_size if regular else None
        self._waits = not regular and sys.platform != "win32"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, unless the file ends before."""
        view = memoryview(buffer)
        filled = 0
        while filled < len(view):
            while self._waits and not select.select([self._raw], [], [], 0.1)[0]:
                if self._stop.is_set():
                    raise Interrupted
            count = self._raw.readinto(view[filled:])
            if not count:
                break
            filled += count
        self.passed += filled
        return filled

    def close(self) -> None:
        self._raw.close()
        super().close()


def read(file: File) -> Found:
    """What is in a file, in whichever format that is."""
    text = io.BufferedReader(file, _PIECE)
    head = text.peek(_PIECE)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield Refusal(1, "the file is in UTF-16: save it as UTF-8")
        return
    suffix = Path(file.name).suffix.lower()
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if suffix in (".csv", ".tsv") or (suffix not in _JSON and not begin.startswith(b"{")):
        yield from _table(text, head)
    else:
        if head.startswith(b"\xef\xbb\xbf"):
            text.read(3)
        yield from _object(text) if _is_object(begin, suffix) else _lines(text)


_JSON: Final = (".json", ".jsonl", ".ndjson")


# --- JSON Lines -------------------------------------------------------------------------------


class _Kind(msgspec.Struct):
    kind: str


_KIND: Final = msgspec.json.Decoder(_Kind)
_NO_JSON: Final = "is not valid JSON in UTF-8"
_TOO_LONG: Final = f"is longer than {LONGEST // 1024 // 1024} MB"


def _lines(file: io.BufferedIOBase) -> Found:
    line = 0
    while text := file.readline(LONGEST + 1):
        line += 1
        if len(text) > LONGEST:
            while not text.endswith(b"\n") and (text := file.readline(LONGEST)):
                pass
            yield Refusal(line, _TOO_LONG)
        elif not text.isspace():
            yield _line(line, text)


def _line(line: int, text: bytes) -> Entry | Refusal:
    try:
        given = decoded(_KIND, text).kind
    except Invalid as problem:
        return Refusal(line, problem.message)
    if (kind := _KIND_OF.get(given)) is None:
        return Refusal(line, f"kind: must be one of {', '.join(KINDS)}")
    return _entry(line, kind, text)


def _entry(line: int, kind: str, text: bytes | None) -> Entry | Refusal:
    """A record by its text; None stands for one that is too long."""
    if text is None:
        return Refusal(line, _TOO_LONG)
    try:
        _refuse_hostile(text)
    except Invalid as problem:
        return Refusal(line, problem.message)
    except UnicodeDecodeError:
        return Refusal(line, _NO_JSON)
    return Entry(line, kind, text)


def decoded(decoder: msgspec.json.Decoder[Any], text: bytes) -> Any:
    """What a JSON text says; Invalid names what is wrong."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise invalid_of(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(_NO_JSON) from None


def invalid_of(error: msgspec.ValidationError) -> Invalid:
    """A msgspec message with the field's path in front."""
    text, _, at = str(error).rpartition(" - at `$")
    if not text:
        return Invalid(_lower(at))
    path = at.rstrip("`").removeprefix(".")
    return invalid(path, _lower(text)) if path else Invalid(_lower(text))


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


# \u0000 as an escape, i.e. behind an even number of backslashes.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
# Possessive, so that no input makes it look twice.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


def _refuse_hostile(text: bytes) -> None:
    # The texts of unknown fields are passed over without being read.
    text.decode()
    if b"\\u0000" in text and _NUL.search(text):
        raise Invalid("holds the character U+0000, which no text may contain")
    if text.count(b"{") + text.count(b"[") > DEEPEST:
        depth = 0
        for bracket in _STRING.sub(b"", text).translate(None, _NO_BRACKETS):
            depth += 1 if bracket in b"[{" else -1
            if depth > DEEPEST:
                raise Invalid(f"is nested deeper than {DEEPEST} levels")


# --- one JSON object --------------------------------------------------------------------------

_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_SCALAR: Final = re.compile(rb"[^,\]}\s]*")
# Up to a bracket, or a string that is not whole.
_FLAT: Final = re.compile(rb'(?:[^][{}"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_IN_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_NAME: Final = msgspec.json.Decoder(str)


class _Broken(Exception):
    """A JSON text is none."""


class _Text:
    """A JSON text that is read in pieces, and what stands at the place that was reached in it."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self.line = 1
        self._file = file
        self._buffer = b""
        self._at = 0
        # Bytes of the last piece.
        self._added = 0

    def next(self) -> bytes:
        """The next character that is no space; none at the end."""
        while True:
            self._pass(self._end(_SPACE, self._at))
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._read():
                return b""

    def take(self, wanted: bytes) -> None:
        """Pass this character, or the end where it is none; raise _Broken if another is next."""
        if self.next() != wanted:
            raise _Broken
        self._pass(self._at + len(wanted))

    def takes(self, wanted: bytes) -> bool:
        """Pass this character if it is the next."""
        if self.next() != wanted:
            return False
        self._pass(self._at + 1)
        return True

    def name(self) -> str:
        """Pass the name of a field and its colon."""
        if self.next() != b'"':
            raise _Broken
        try:
            name: str = _NAME.decode(self.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _Broken from None
        self.take(b":")
        return name

    def value(self) -> bytes | None:
        """Pass a value: its text, which may still be no JSON; None for one that is too long."""
        first = self.next()
        if first not in (b"{", b"[", b'"'):
            return self._scalar()
        depth, inside, kept = 0, False, True
        here = self._at
        while True:
            here = self._end(_IN_STRING if inside else _FLAT, here) if depth or inside else here
            if here - self._at > LONGEST:
                kept = False
            if not kept:
                self._pass(here)
            # A backslash needs what it escapes.
            if here == len(self._buffer) or self._buffer[here] == _BACKSLASH:
                behind = len(self._buffer) - here
                if not self._read():
                    raise _Broken
                # What is passed was left out.
                here = len(self._buffer) - self._added - behind
                continue
            found = self._buffer[here]
            here += 1
            if found == _QUOTE:
                inside = not inside
            else:
                depth += 1 if found in b"[{" else -1
            if not inside and depth <= 0:
                break
        text = self._buffer[self._at : here]
        self._pass(here)
        return text if kept else None

    def _scalar(self) -> bytes | None:
        here = self._at
        kept = True
        while (here := self._end(_SCALAR, here)) == len(self._buffer):
            if here - self._at > LONGEST:
                kept = False
            if not kept:
                self._pass(here)
            if not self._read():
                raise _Broken
            here = len(self._buffer) - self._added
        text = self._buffer[self._at : here]
        self._pass(here)
        return text if kept else None

    def _end(self, pattern: re.Pattern[bytes], here: int) -> int:
        match = pattern.match(self._buffer, here)
        return here if match is None else match.end()

    def _pass(self, here: int) -> None:
        self.line += self._buffer.count(b"\n", self._at, here)
        self._at = here

    def _read(self) -> bool:
        """Another piece behind what is not passed yet; False at the end."""
        piece = self._file.read(_PIECE)
        self._added = len(piece)
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        return bool(piece)


_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")


def _is_object(head: bytes, suffix: str) -> bool:
    """Whether a JSON file, by its beginning, is one object of all records; else it is lines."""
    if suffix in (".jsonl", ".ndjson"):
        return False
    text = _Text(io.BytesIO(head))
    try:
        text.take(b"{")
        while text.next() == b'"':
            name = text.name()
            if name == "kind":
                return False
            if name in KINDS and text.next() in (b"[", b"n"):
                return True
            text.value()
            text.takes(b",")
        return text.next() == b"}" and suffix == ".json"
    except _Broken:
        return suffix == ".json"


def _object(file: io.BufferedIOBase) -> Found:
    text = _Text(file)
    try:
        text.take(b"{")
        known = False
        while not text.takes(b"}"):
            name = text.name()
            known = known or name in KINDS
            yield from _section(text, name)
            if text.next() != b"}":
                text.take(b",")
        text.take(b"")
        if not known:
            yield Refusal(1, f"the object has none of the fields {', '.join(KINDS)}")
    except _Broken:
        yield Refusal(text.line, "the file is no JSON from here on, and was read no further")


def _section(text: _Text, name: str) -> Found:
    """The records of a field of the object."""
    known = name in KINDS
    first, line = text.next(), text.line
    if first != b"[":
        if text.value() != b"null" and known:
            yield Refusal(line, f"{name}: must be an array")
        return
    if not known:
        yield Refusal(line, f"there is no kind of records {name[:64]!r}")
    text.take(b"[")
    while not text.takes(b"]"):
        line = text.line
        value = text.value()
        if known:
            yield _entry(line, name, value)
        if text.next() != b"]":
            text.take(b",")


# --- tables of other systems ------------------------------------------------------------------

# Columns by their names without case, spaces and signs; the first one with a value is taken.
_DEAL_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "dealId": ("opportunityid", "dealid", "recordid", "id"),
    "name": ("opportunityname", "dealname", "name"),
    "accountId": (
        *("accountid", "associatedcompanyidsprimary", "primaryassociatedcompanyid"),
        *("associatedcompanyids", "associatedcompanyid"),
    ),
    "accountName": ("accountname", "associatedcompany", "associatedcompanyprimary"),
    "stage": ("stage", "stagename", "dealstage"),
    "pipeline": ("pipeline", "dealpipeline", "type", "opportunitytype"),
    "amount": ("amount",),
    "closed": ("closed", "isclosed", "isdealclosed"),
    "closeDate": ("closedate",),
    "createdDate": ("createddate", "createdate"),
    "lastActivityDate": ("lastactivity", "lastactivitydate"),
    "owner": ("opportunityowner", "dealowner", "ownername", "ownerfullname", "owner"),
    "ownerEmail": ("opportunityowneremail", "dealowneremail", "owneremail"),
}
_ACCOUNT_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "accountId": ("accountid", "companyid", "recordid", "id"),
    "name": ("accountname", "companyname", "name"),
    "website": ("website", "websiteurl", "companydomainname"),
    "domain": ("companydomainname",),
    "createdDate": ("createddate", "createdate"),
    "lastActivityDate": ("lastactivity", "lastactivitydate"),
    "owner": ("accountowner", "companyowner", "ownername", "ownerfullname", "owner"),
    "ownerEmail": ("accountowneremail", "companyowneremail", "owneremail"),
}
# Of which kind a table is, the first of these that has a column of it tells.
_SIGNS: Final = (
    ("deals", {"opportunityid", "opportunityname", "dealid", "dealname"}),
    ("deals", {"stagename", "dealstage", "opportunityowner", "dealowner"}),
    ("accounts", {"companyid", "companyname", "companydomainname", "companyowner"}),
    ("accounts", {"accountowner", "website", "websiteurl"}),
    ("deals", {"stage", "closedate", "amount", "isclosed"}),
    ("accounts", {"accountid", "accountname"}),
)
_DATES: Final = ("closeDate", "createdDate", "lastActivityDate")
_NOT_A_SIGN: Final = re.compile(r"[\W_]+")
_AMOUNT: Final = re.compile(
    r"(-?)[^\W\d]{0,3}\s?[$€£¥]?\s?(-?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]*)?"
)
# As Salesforce writes them in the United States.
_US_DATE: Final = re.compile(
    r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})"
    r"(?:,?\s+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\s*([ap])m)?)?",
    re.IGNORECASE,
)
_TRUTH: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_CLOSED: Final = ("closedwon", "closedlost")


def _plain(name: str) -> str:
    return _NOT_A_SIGN.sub("", name.casefold())


def _table(file: Any, head: bytes) -> Found:
    text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
    csv.field_size_limit(_LONGEST_CELL)
    rows = _rows(text, _separator(head))
    header = next(rows, None)
    if header is None:
        return
    if isinstance(header, Refusal):
        yield header
        return
    columns = _Columns.of(header.cells)
    if isinstance(columns, str):
        yield Refusal(header.line, columns)
        return
    ended = False
    for each in rows:
        if isinstance(each, Refusal):
            yield each
        elif not any(each.cells):
            ended = True
        # Behind the rows of a report Salesforce says what it was and whose.
        elif not (ended and len(each.cells) == 1):
            yield columns.entry(each)


class _Row(NamedTuple):
    line: int
    cells: list[str]


def _rows(text: io.TextIOWrapper, separator: str) -> Iterator[_Row | Refusal]:
    pieces = iter(lambda: text.readline(_LONGEST_CELL), "")
    reader = csv.reader(pieces, delimiter=separator, strict=True)
    begun = False
    while True:
        line = reader.line_num + 1
        try:
            cells = [each.strip() for each in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield Refusal(line, f"is no row of a CSV file: {error}")
            continue
        together = "".join(cells)
        if not (begun or together):
            continue
        begun = True
        if "\0" in together:
            yield Refusal(line, "holds the character U+0000, which no text may contain")
        elif not _is_utf8(together):
            yield Refusal(line, "is not in UTF-8")
        else:
            yield _Row(line, cells)


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _separator(head: bytes) -> str:
    first = head.lstrip().partition(b"\n")[0]
    return max(",;\t", key=lambda each: first.count(each.encode()))


class _Columns:
    """Where the fields of deals or accounts are in the rows of a table."""

    def __init__(self, kind: str, header: Sequence[str], wanted: Mapping[str, Sequence[str]]):
        self._kind = kind
        self._header = header
        plain = [_plain(each) for each in header]
        self._at = {
            field: [plain.index(name) for name in names if name in plain]
            for field, names in wanted.items()
        }
        mapped = {place for places in self._at.values() for place in places}
        self._others = [place for place in range(len(header)) if place not in mapped]

    @classmethod
    def of(cls, header: Sequence[str]) -> "_Columns | str":
        """Of a table with this header; a sentence where that does not tell what the rows are."""
        plain = {_plain(each) for each in header}
        kind = next((kind for kind, signs in _SIGNS if signs & plain), None)
        if kind is None:
            return (
                "the header tells neither deals (Opportunity ID, Deal Name, ...) nor accounts "
                "(Account ID, Company name, ...)"
            )
        wanted = _DEAL_COLUMNS if kind == "deals" else _ACCOUNT_COLUMNS
        found = cls(kind, header, wanted)
        if not found._at["dealId" if kind == "deals" else "accountId"]:
            names = "Opportunity ID, Deal ID" if kind == "deals" else "Account ID, Company ID"
            return f"these are {kind}, but no column has their id: {names}, Record ID or Id"
        return found

    def entry(self, row: _Row) -> Entry | Refusal:
        """The record of a row."""
        if len(row.cells) > len(self._header):
            return Refusal(row.line, f"has {len(row.cells)} cells, the header {len(self._header)}")
        cells = [*row.cells, *[""] * (len(self._header) - len(row.cells))]
        given: dict[str, Any] = {
            field: next((cells[place] for place in places if cells[place]), None)
            for field, places in self._at.items()
        }
        try:
            self._make_ready(given)
        except Invalid as problem:
            return Refusal(row.line, problem.message)
        if self._kind == "accounts":
            others = {self._header[place]: cells[place] for place in self._others if cells[place]}
            given["syncedCrmFields"] = others or None
        return Entry(row.line, self._kind, given)

    def _make_ready(self, given: dict[str, Any]) -> None:
        name, email = given.pop("owner"), given.pop("ownerEmail")
        given["owner"] = None if name is None and email is None else {"name": name, "email": email}
        for field in _DATES:
            given[field] = self._read(given, field, _date)
        id_field = "dealId" if self._kind == "deals" else "accountId"
        given[id_field] = given[id_field] or ""
        if self._kind == "deals":
            given["amount"] = self._read(given, "amount", _amount)
            given["closed"] = self._read(given, "closed", _truth)
            if given["closed"] is None and _plain(given["stage"] or "") in _CLOSED:
                given["closed"] = True
            # Several, the first one being the primary one.
            account = (given["accountId"] or "").partition(";")[0].strip()
            given["accountId"] = account or None

    def _read(self, given: Mapping[str, Any], field: str, reader: Callable[[str], Any]) -> Any:
        value = given.get(field)
        if value is None:
            return None
        try:
            return reader(value)
        except ValueError as error:
            column = self._header[self._at[field][0]]
            raise invalid(column, f"{value[:64]!r} is {error}") from None


def _amount(text: str) -> float:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError("no amount such as 50,000.00")
    amount = float(match[3].replace(",", "") + (match[4] or ""))
    return -amount if match[1] or match[2] else amount


def _truth(text: str) -> bool:
    if (found := _TRUTH.get(text.lower())) is None:
        raise ValueError("neither true nor false")
    return found


def _date(text: str) -> str:
    """As it is, or in ISO 8601 where it is written as in the United States."""
    match = _US_DATE.fullmatch(text)
    if match is None:
        return text
    month, day, year, hour, minute, second, half = match.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        raise ValueError("no date such as 12/31/2026 or 2026-12-31")
    hours = int(hour or 0)
    if half is not None:
        hours = hours % 12 + (12 if half.lower() == "p" else 0)
    time = f"T{hours:02}:{minute}:{second or '00'}Z" if hour else ""
    return f"{year}-{int(month):02}-{int(day):02}{time}"
