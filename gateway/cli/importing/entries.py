"""Entries of a file in any format, before they are checked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

# Bytes of the longest record; no API accepts a larger one.
MAX_RECORD_BYTES: Final = 16 * 1024 * 1024

KINDS: Final = (
    "products",
    "deals",
    "accounts",
    "contacts",
    "conversations",
    "messages",
    "documents",
)

# Columns or fields that a note names.
_MAX_NAMED: Final = 10


class Conventions(NamedTuple):
    """How to read ambiguous values of tables: the options --decimal and --dates."""

    decimal: Literal["point", "comma"] | None = None
    dates: Literal["mdy", "dmy"] | None = None


class Header(NamedTuple):
    """The header of a table and its delimiter."""

    cells: Sequence[str]
    delimiter: str


class Entry(NamedTuple):
    """A record in a file: its first line, its kind, and its JSON text or its fields.

    A row of a table also has its cells, and the names of the columns by field.
    """

    line: int
    kind: str
    content: bytes | dict[str, Any]
    cells: Sequence[str] = ()
    columns: Mapping[str, str] = {}


class Refusal(NamedTuple):
    """A part of a file that cannot be imported, and the reason."""

    line: int
    reason: str
    cells: Sequence[str] = ()


class Note(NamedTuple):
    """A fact about a file for the report, such as its encoding.

    The first note about a table has its header and kind. `skipped`: number of rows left out.
    """

    text: str
    skipped: int = 0
    kind: str = ""
    header: Header | None = None


Entries = Iterator[Entry | Refusal | Note]


def not_imported(names: Sequence[str]) -> str:
    """Text of a note about columns or fields of a file that an import ignores."""
    named = ", ".join(name[:64] for name in names[:_MAX_NAMED])
    more = len(names) - _MAX_NAMED
    return f"not imported: {named}" + (f" and {more:,} more" if more > 0 else "")
