"""Read CSV exports of deals and accounts from Salesforce and HubSpot."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from domains.kernel.core.problems import Invalid, invalid
from gateway.cli.importing.entries import Entries, Entry, Refusal

_MAX_CELL_LENGTH: Final = 1024 * 1024

# Field -> names of its columns, normalised. The first column with a value is used.
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
# The first of these sets that shares a column with the header determines the kind of the table.
_KIND_COLUMNS: Final = (
    ("deals", {"opportunityid", "opportunityname", "dealid", "dealname"}),
    ("deals", {"stagename", "dealstage", "opportunityowner", "dealowner"}),
    ("accounts", {"companyid", "companyname", "companydomainname", "companyowner"}),
    ("accounts", {"accountowner", "website", "websiteurl"}),
    ("deals", {"stage", "closedate", "amount", "isclosed"}),
    ("accounts", {"accountid", "accountname"}),
)
_DATE_FIELDS: Final = ("closeDate", "createdDate", "lastActivityDate")
# Bytes that are not UTF-8, as `surrogateescape` decodes them.
_INVALID_UTF8: Final = re.compile("[\udc80-\udcff]")
_PUNCTUATION: Final = re.compile(r"[\W_]+")
_AMOUNT: Final = re.compile(
    r"(-?)[^\W\d]{0,3}\s?[$€£¥]?\s?(-?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(\.[0-9]*)?"
)
# The date format of Salesforce in the United States.
_US_DATE: Final = re.compile(
    r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})"
    r"(?:,?\s+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\s*([ap])m)?)?",
    re.IGNORECASE,
)
_BOOLEANS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_CLOSED_STAGES: Final = ("closedwon", "closedlost")


class _Row(NamedTuple):
    line: int
    cells: list[str]


def read_table(file: Any, head: bytes) -> Entries:
    """Iterate over the records of a table. `head`: the start of the file, not yet consumed."""
    text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
    csv.field_size_limit(_MAX_CELL_LENGTH)
    rows = _read_rows(text, _delimiter(head))
    header = next(rows, None)
    if header is None:
        return
    if isinstance(header, Refusal):
        yield header
        return
    columns = _Columns.from_header(header.cells)
    if isinstance(columns, str):
        yield Refusal(header.line, columns)
        return
    after_blank = False
    for row in rows:
        if isinstance(row, Refusal):
            yield row
        elif not any(row.cells):
            after_blank = True
        # A Salesforce report ends with a blank line and lines about the report.
        elif not (after_blank and len(row.cells) == 1):
            yield columns.entry(row)


def _read_rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[_Row | Refusal]:
    """Iterate over the rows of a table. Skips blank rows at the start."""
    lines = iter(lambda: text.readline(_MAX_CELL_LENGTH), "")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begun = False
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield Refusal(line, f"not a valid CSV row: {error}")
            continue
        joined = "".join(cells)
        if not (begun or joined):
            continue
        begun = True
        if "\0" in joined:
            yield Refusal(line, "contains the character U+0000, which cannot be stored")
        elif _INVALID_UTF8.search(joined):
            yield Refusal(line, "is not in UTF-8")
        else:
            yield _Row(line, cells)


def _delimiter(head: bytes) -> str:
    first_line = head.lstrip().partition(b"\n")[0]
    return max(",;\t", key=lambda delimiter: first_line.count(delimiter.encode()))


def _normalise(name: str) -> str:
    """Fold case, and remove spaces and punctuation."""
    return _PUNCTUATION.sub("", name.casefold())


class _Columns:
    """Positions of the fields of deals or accounts in the rows of a table."""

    def __init__(self, kind: str, header: Sequence[str], columns: Mapping[str, Sequence[str]]):
        self._kind = kind
        self._header = header
        names = [_normalise(cell) for cell in header]
        self._positions = {
            field: [names.index(column) for column in candidates if column in names]
            for field, candidates in columns.items()
        }
        mapped = {place for places in self._positions.values() for place in places}
        self._unmapped = [place for place in range(len(header)) if place not in mapped]

    @classmethod
    def from_header(cls, header: Sequence[str]) -> "_Columns | str":
        """Map the columns of a table. Returns an error message if kind or id column is missing."""
        names = {_normalise(cell) for cell in header}
        kind = next((kind for kind, columns in _KIND_COLUMNS if columns & names), None)
        if kind is None:
            return (
                "the header has columns of neither deals (Opportunity ID, Deal Name, ...) nor"
                " accounts (Account ID, Company name, ...)"
            )
        table = cls(kind, header, _DEAL_COLUMNS if kind == "deals" else _ACCOUNT_COLUMNS)
        if not table._positions["dealId" if kind == "deals" else "accountId"]:
            examples = "Opportunity ID, Deal ID" if kind == "deals" else "Account ID, Company ID"
            return f"these are {kind}, but no column has their id: {examples}, Record ID or Id"
        return table

    def entry(self, row: _Row) -> Entry | Refusal:
        """Return the record of a row, or the reason why it is refused."""
        if len(row.cells) > len(self._header):
            return Refusal(row.line, f"has {len(row.cells)} cells, the header {len(self._header)}")
        cells = [*row.cells, *[""] * (len(self._header) - len(row.cells))]
        record: dict[str, Any] = {
            field: next((cells[place] for place in places if cells[place]), None)
            for field, places in self._positions.items()
        }
        try:
            self._convert_cells(record)
        except Invalid as problem:
            return Refusal(row.line, problem.message)
        if self._kind == "accounts":
            others = {self._header[place]: cells[place] for place in self._unmapped if cells[place]}
            record["syncedCrmFields"] = others or None
        return Entry(row.line, self._kind, record)

    def _convert_cells(self, record: dict[str, Any]) -> None:
        name, email = record.pop("owner"), record.pop("ownerEmail")
        has_owner = name is not None or email is not None
        record["owner"] = {"name": name, "email": email} if has_owner else None
        for field in _DATE_FIELDS:
            record[field] = self._convert(record, field, _date)
        id_field = "dealId" if self._kind == "deals" else "accountId"
        record[id_field] = record[id_field] or ""
        if self._kind == "deals":
            record["amount"] = self._convert(record, "amount", _amount)
            record["closed"] = self._convert(record, "closed", _boolean)
            if record["closed"] is None and _normalise(record["stage"] or "") in _CLOSED_STAGES:
                record["closed"] = True
            # HubSpot lists several companies, the primary one first.
            account = (record["accountId"] or "").partition(";")[0].strip()
            record["accountId"] = account or None

    def _convert(self, record: Mapping[str, Any], field: str, parse: Callable[[str], Any]) -> Any:
        """Return the parsed value of a field. Raises Invalid with the name of its column."""
        value = record.get(field)
        if value is None:
            return None
        try:
            return parse(value)
        except ValueError as error:
            column = self._header[self._positions[field][0]]
            raise invalid(column, f"{value[:64]!r} is {error}") from None


def _amount(text: str) -> float:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError("not an amount such as 50,000.00")
    amount = float(match[3].replace(",", "") + (match[4] or ""))
    return -amount if match[1] or match[2] else amount


def _boolean(text: str) -> bool:
    if (value := _BOOLEANS.get(text.lower())) is None:
        raise ValueError("neither true nor false")
    return value


def _date(text: str) -> str:
    """Convert a US date (month/day/year) to ISO 8601. Returns any other text unchanged."""
    match = _US_DATE.fullmatch(text)
    if match is None:
        return text
    month, day, year, hour, minute, second, half = match.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        raise ValueError("not a date such as 12/31/2026 or 2026-12-31")
    hours = int(hour or 0)
    if half is not None:
        hours = hours % 12 + (12 if half.lower() == "p" else 0)
    time = f"T{hours:02}:{minute}:{second or '00'}Z" if hour else ""
    return f"{year}-{int(month):02}-{int(day):02}{time}"
