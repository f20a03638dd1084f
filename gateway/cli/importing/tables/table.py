"""Read CSV exports of Salesforce and HubSpot.

A table is read twice: first to find its encoding, its header and how its amounts and dates are to
be read, then for its records. Only a piece of it is in memory.
"""

import io
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from domains.kernel.core.problems import Invalid, invalid
from gateway.cli.importing.entries import (
    Conventions,
    Entries,
    Entry,
    Header,
    Note,
    Refusal,
    not_imported,
)
from gateway.cli.importing.tables import encoding, stages
from gateway.cli.importing.tables.amounts import read_amount
from gateway.cli.importing.tables.columns import Layout
from gateway.cli.importing.tables.conventions import (
    Decision,
    Evidence,
    decide_amounts,
    decide_dates,
)
from gateway.cli.importing.tables.dates import read_date
from gateway.cli.importing.tables.ids import read_id
from gateway.cli.importing.tables.rows import BrokenLines, Row, RowReader
from gateway.cli.importing.tables.split_rows import SplitRows
from gateway.cli.importing.tables.vocabulary import words

_AMOUNT_FIELDS: Final = ("amount",)
_DATE_FIELDS: Final = ("closeDate", "createdDate", "lastActivityDate")

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_BUFFER_SIZE: Final = 256 * 1024
# Rows among which the header is looked for.
_MAX_HEADER_ROW: Final = 50

# A first line by which Excel finds the delimiter.
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_TOTALS: Final = words(
    "total totals grandtotal subtotal sum summe zwischensumme gesamt gesamtsumme gesamtergebnis"
    " totalgeneral totalgénéral soustotal somme totale totalegenerale suma totalgeral totaal"
    " eindtotaal"
)
# A number as text, as programs write it for Excel.
_EXCEL_TEXT: Final = re.compile(r'^="([^"]*)"$')
# Values that a spreadsheet could not compute.
_SPREADSHEET_ERRORS: Final = frozenset(
    ("#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!")
)
_ID_FIELDS: Final = ("dealId", "accountId", "contactId")
_NOT_LETTERS: Final = re.compile(r"[\W\d_]+")
_BOOLEANS: Final = {
    **dict.fromkeys(
        words(
            "true yes 1 t y x checked wahr ja vrai oui verdadero verdadeiro vero si sí sì sim waar"
        ),
        True,
    ),
    **dict.fromkeys(
        words("false no 0 f n unchecked falsch nein faux non falso não nee onwaar"), False
    ),
}
_EMAIL: Final = re.compile(r"[^\s@<>(),;]+@[^\s@<>(),;]+\.[^\s@<>(),;]+")
# As in Jane Doe <jane@acme.com>, or with parentheses.
_NAME_AND_EMAIL: Final = re.compile(rf"([^<>()]*?)\s*[<(]({_EMAIL.pattern})[>)]")

_AMBIGUOUS_AMOUNT: Final = (
    "is ambiguous (thousands or decimals). Use --decimal point or --decimal comma"
)
_AMBIGUOUS_DATE: Final = "is ambiguous (day or month first). Use --dates mdy or --dates dmy"
_INCOMPLETE: Final = "Complete the row, and quote a cell that contains a line end"
_NOT_AMOUNT: Final = "is not an amount such as 50,000.00"
_NOT_DATE: Final = "is not a date such as 2026-12-31 or 12/31/2026"


def read_table(file: io.RawIOBase, conventions: Conventions) -> Entries:
    """Iterate over the records of a table, whose file can seek. The first note has its header."""
    data = io.BufferedReader(file, _BUFFER_SIZE)
    data.seek(0)
    name = encoding.encoding_of(data)
    if name is None:
        yield Refusal(1, "the file is not text. Save a workbook as CSV")
        return
    data.seek(0)
    text = io.TextIOWrapper(data, name, encoding.ERRORS, newline="")
    found = _find_header(text)
    if found is None:
        return
    if found.layout.error:
        yield Refusal(found.line, found.layout.error)
        return
    label = encoding.label(name)
    if reason := _undecoded("".join(found.layout.header), label):
        yield Refusal(found.line, f"the header {reason}")
        return
    table = _Table(found, label, *_first_pass(text, found, conventions))
    yield table.note()
    yield from table.entries(_rows_after(text, found))


class _TableHeader(NamedTuple):
    """The header of a table: the numbers of its line and row, its columns, and the delimiter."""

    line: int
    row_number: int
    layout: Layout
    delimiter: str


def _find_header(text: io.TextIOWrapper) -> _TableHeader | None:
    """Find the header, which rows about the report may precede. Returns None for an empty table.

    It is the first row that has the id and another column of a kind; else the first row. The
    delimiter is the one with which most columns are known.
    """
    text.seek(0)
    declared = _SEPARATOR_LINE.fullmatch(text.readline(16))
    delimiters = (declared[1],) if declared else tuple(_DELIMITERS)
    candidates = [
        found
        for delimiter in delimiters
        if (found := _header_with(text, delimiter, skip=1 if declared else 0)) is not None
    ]
    return max(
        candidates,
        key=lambda found: (not found.layout.error, found.layout.mapped, len(found.layout.header)),
        default=None,
    )


def _header_with(text: io.TextIOWrapper, delimiter: str, skip: int) -> _TableHeader | None:
    text.seek(0)
    first = None
    rows = itertools.islice(RowReader(text, delimiter), skip, _MAX_HEADER_ROW)
    for number, row in enumerate(rows, start=skip):
        if isinstance(row, BrokenLines) or not any(map(str.strip, row.cells)):
            continue
        layout = Layout([cell.strip() for cell in row.cells])
        found = _TableHeader(row.line, number, layout, delimiter)
        if not layout.error and layout.mapped > 1:
            return found
        first = first or found
    return first


def _rows_after(text: io.TextIOWrapper, found: _TableHeader) -> Iterator[Row | BrokenLines]:
    """Iterate over the rows after the header."""
    text.seek(0)
    reader = RowReader(text, found.delimiter)
    for number, row in enumerate(reader):
        if number == found.row_number:
            reader.width = len(found.layout.header)
        elif number > found.row_number:
            yield row


def _first_pass(
    text: io.TextIOWrapper, found: _TableHeader, conventions: Conventions
) -> tuple[Mapping[int, Decision], frozenset[int]]:
    """Read the whole table. Decide how the columns of amounts and dates are read.

    Returns the decisions by column, and the lines of the parts of split rows.
    """
    amounts = {
        position: Evidence(read_amount) for position in found.layout.positions_of(_AMOUNT_FIELDS)
    }
    dates = {position: Evidence(read_date) for position in found.layout.positions_of(_DATE_FIELDS)}
    evidence = list({**amounts, **dates}.items())
    split_rows = SplitRows(len(found.layout.header))
    for row in _rows_after(text, found):
        if isinstance(row, BrokenLines):
            continue
        line, cells = row
        count = len(cells)
        split_rows.add(line, count)
        for position, seen in evidence:
            if position < count and (cell := cells[position]):
                seen.add(line, cell.strip())
    others = list(dates.values())
    decisions = {
        **{
            position: decide_amounts(seen, conventions, found.delimiter)
            for position, seen in amounts.items()
        },
        **{position: decide_dates(seen, others, conventions) for position, seen in dates.items()},
    }
    return decisions, split_rows.lines


class _Table:
    """Converts the rows of a table to entries."""

    def __init__(
        self,
        found: _TableHeader,
        label: str,
        decisions: Mapping[int, Decision],
        split_lines: frozenset[int],
    ) -> None:
        self._found = found
        self._layout = found.layout
        self._label = label
        self._decisions = decisions
        self._split_lines = split_lines
        self._skipped: Counter[str] = Counter()
        # Columns of texts, of which most fields have one, and of values that are parsed.
        parsed = {*_AMOUNT_FIELDS, *_DATE_FIELDS, "closed"}
        positions = dict(self._layout.positions)
        self._deleted = positions.pop("deleted")
        self._parsed = [item for item in positions.items() if item[0] in parsed]
        self._texts = [item for item in positions.items() if item[0] not in parsed]

    def note(self) -> Note:
        """State how the table is read."""
        layout, delimiter = self._layout, self._found.delimiter
        separated = _DELIMITERS.get(delimiter, repr(delimiter))
        parts = [f"{layout.kind} in {self._label}, separated by {separated}"]
        if self._found.line > 1:
            parts.append(f"the header is in line {self._found.line}")
        parts += [
            f"{layout.header[position]}: {decision.text}"
            for position, decision in self._decisions.items()
            if decision.text
        ]
        unused = [layout.header[position] for position in layout.others if layout.header[position]]
        if unused and layout.kind != "accounts":
            parts.append(not_imported(unused))
        header = Header(layout.header, delimiter)
        return Note("; ".join(parts), kind=layout.kind, header=header)

    def entries(self, rows: Iterator[Row | BrokenLines]) -> Entries:
        """Iterate over the records, and end with a note about the rows that were skipped."""
        width = len(self._layout.header)
        after_blank = False
        for row in rows:
            if isinstance(row, BrokenLines):
                yield Refusal(row.line, row.reason, (row.text,))
                continue
            cells = [cell.strip() for cell in row.cells]
            if len(cells) > width and not any(cells[width:]):
                del cells[width:]
            joined = "".join(cells)
            if '="' in joined:
                cells = [_EXCEL_TEXT.sub(r"\1", cell) for cell in cells]
            if not joined:
                after_blank = True
            elif row.line in self._split_lines:
                yield Refusal(row.line, f"{self._wrong_width(cells)}. {_INCOMPLETE}", cells)
            elif after_blank and _is_footer(cells, width):
                self._skipped["below the table"] += 1
            elif cells == self._layout.header:
                self._skipped["repeated headers"] += 1
            elif reason := self._unstorable(cells, joined):
                yield Refusal(row.line, reason, cells)
            else:
                entry = self._entry(row.line, cells)
                if entry is not None:
                    yield entry
        if total := self._skipped.total():
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in self._skipped.items())
            yield Note(f"rows skipped: {kinds}", total)

    def _wrong_width(self, cells: Sequence[str]) -> str:
        count = f"{len(cells)} cell{'s' if len(cells) > 1 else ''}"
        return f"has {count}, the header {len(self._layout.header)}"

    def _unstorable(self, cells: Sequence[str], joined: str) -> str:
        """Return why no record can be made of a row; empty if one can."""
        if reason := _undecoded(joined, self._label):
            return reason
        if len(cells) > len(self._layout.header):
            return self._wrong_width(cells)
        named = self._layout.named_width
        if any(cells[named:]):
            return f"has a value in column {named + 1} or later, which the header does not name"
        return ""

    def _entry(self, line: int, row: list[str]) -> Entry | Refusal | None:
        """Return the record of a row, or why it is refused. None: the row is skipped."""
        layout = self._layout
        cells = [*row, *[""] * (len(layout.header) - len(row))]
        if _is_total(cells, layout.positions[layout.id_field]):
            self._skipped["totals"] += 1
            return None
        if len(row) == 1 < len(layout.header):
            return Refusal(line, f"{self._wrong_width(row)}. {_INCOMPLETE}", row)
        try:
            if self._value("deleted", self._deleted, cells):
                self._skipped["deleted"] += 1
                return None
            record: dict[str, Any] = {
                field: cells[positions[0]] or None
                if len(positions) == 1
                else next((cells[position] for position in positions if cells[position]), None)
                for field, positions in self._texts
            }
            for field, positions in self._parsed:
                record[field] = self._value(field, positions, cells)
            _check_texts(record, layout)
            _complete(record, layout)
        except Invalid as problem:
            return Refusal(line, problem.message, row)
        if layout.kind == "accounts":
            others = {
                name: cells[position] for position, name in layout.other_names if cells[position]
            }
            record["syncedCrmFields"] = others or None
        return Entry(line, layout.kind, record, row, layout.names)

    def _value(self, field: str, positions: Sequence[int], cells: Sequence[str]) -> Any:
        """Return the value of a field: of the first column that has one that can be read.

        Raises Invalid with the name of the column.
        """
        problem = None
        for position in positions:
            if text := cells[position]:
                try:
                    return self._parse(field, position, text)
                except Invalid as error:
                    problem = problem or error
        if problem is not None:
            raise problem
        return None

    def _parse(self, field: str, position: int, text: str) -> Any:
        """Parse a cell. Raises Invalid with the name of the column."""
        read: Callable[[str], tuple[Any, Any]]
        if field in _AMOUNT_FIELDS:
            read, wrong, ambiguous = read_amount, _NOT_AMOUNT, _AMBIGUOUS_AMOUNT
        elif field in _DATE_FIELDS:
            read, wrong, ambiguous = read_date, _NOT_DATE, _AMBIGUOUS_DATE
        elif (flag := _BOOLEANS.get(text.lower())) is not None:
            return flag
        else:
            raise self._invalid(position, text, "is neither true nor false")
        try:
            value = self._decisions[position].value_of(read(text))
        except (ValueError, OverflowError):
            raise self._invalid(position, text, wrong) from None
        if value is None:
            raise self._invalid(position, text, ambiguous)
        return value

    def _invalid(self, position: int, text: str, message: str) -> Invalid:
        return invalid(self._layout.header[position], f"{text[:64]!r} {message}")


def _undecoded(text: str, label: str) -> str:
    """Return why a text cannot be stored; empty if it can."""
    if "\0" in text:
        return "contains the character U+0000, which cannot be stored"
    return f"is not in {label}" if encoding.UNDECODABLE in text else ""


def _check_texts(record: Mapping[str, Any], layout: Layout) -> None:
    """Check the texts of a record. Raises Invalid with the name of the column."""
    for field, value in record.items():
        if value in _SPREADSHEET_ERRORS:
            raise invalid(layout.names[field], f"{value!r} is an error of a spreadsheet")


def _complete(record: dict[str, Any], layout: Layout) -> None:
    """Derive the fields of a record that no single column has, and check ids and addresses.

    Raises Invalid with the name of the column.
    """
    record[layout.id_field] = record[layout.id_field] or ""
    if layout.kind == "contacts":
        first, last = record.pop("firstName"), record.pop("lastName")
        record["name"] = record["name"] or " ".join(filter(None, (first, last))) or None
        record["email"] = _email(record["email"], layout)
    else:
        record["owner"] = _owner(record.pop("owner.name"), record.pop("owner.email"))
    if layout.kind == "deals" and record["closed"] is None and record["stage"] is not None:
        record["closed"] = stages.is_closed(record["stage"])
    if layout.kind != "accounts":
        # HubSpot lists several companies, the primary one first.
        account = (record["accountId"] or "").partition(";")[0].strip()
        record["accountId"] = account or None
    for field in _ID_FIELDS:
        if value := record.get(field):
            try:
                record[field] = read_id(field, value)
            except ValueError as reason:
                raise invalid(layout.names[field], f"{value[:64]!r} {reason}") from None


def _email(text: str | None, layout: Layout) -> str | None:
    """E-mail address of a contact, which may follow a name. Raises Invalid."""
    if text is None:
        return None
    address = re.sub("^mailto:", "", text, flags=re.IGNORECASE)
    if match := _NAME_AND_EMAIL.fullmatch(address):
        address = match[2]
    if not _EMAIL.fullmatch(address):
        raise invalid(layout.names["email"], f"{text[:64]!r} is not an e-mail address")
    return address


def _owner(name: str | None, email: str | None) -> dict[str, str | None] | None:
    """Owner by name and e-mail address. The name may be, or contain, the address."""
    if name is not None and email is None:
        if _EMAIL.fullmatch(name):
            name, email = None, name
        elif match := _NAME_AND_EMAIL.fullmatch(name):
            name, email = match[1] or None, match[2]
    return None if name is None and email is None else {"name": name, "email": email}


def _is_total(cells: Sequence[str], id_places: Sequence[int]) -> bool:
    """Return True for a row of sums: its first cell says so, and no other cell is an id."""
    first = next(position for position, cell in enumerate(cells) if cell)
    word = _NOT_LETTERS.sub("", cells[first].partition("(")[0].partition(":")[0].casefold())
    return word in _TOTALS and not any(
        cells[position] for position in id_places if position != first
    )


def _is_footer(cells: Sequence[str], width: int) -> bool:
    """Return True for a row after a blank one that says something about the report."""
    values = [cell for cell in cells if cell]
    return len(values) == 1 and width > 1 and (len(cells) == 1 or " " in values[0])
