"""Reading of tables: encodings, delimiters, and the values of ambiguous amounts and dates."""

import threading
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.importing.batches import read_batches
from gateway.cli.importing.entries import Conventions
from gateway.cli.importing.files import InputFile
from gateway.cli.importing.tables.amounts import read_amount
from gateway.cli.importing.tables.dates import read_date

Result = tuple[dict[str, dict[str, Any]], dict[int, str], list[str]]


def read(
    folder: Path,
    text: str | bytes,
    conventions: Conventions = Conventions(),  # noqa: B008
) -> Result:
    """Read a table: its records by id, its refusals by line, and the notes about it."""
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    stop = threading.Event()
    with InputFile(path, stop) as file:
        batches = list(read_batches([file], [], False, stop, conventions))
    return (
        {each.prepared.id: each.prepared.values for batch in batches for each in batch.records},
        {each.location.line: each.reason for batch in batches for each in batch.refused},
        [note.text for batch in batches for _, note in batch.notes],
    )


def column(name: str, *values: str, delimiter: str = ",") -> str:
    """A table of deals with the ids d1, d2 and so on, and one column of values."""
    rows = [f'd{number}{delimiter}"{value}"' for number, value in enumerate(values, start=1)]
    return "\n".join([f"Deal ID{delimiter}{name}", *rows, ""])


# --- ambiguous values -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delimiter", "values", "decimal", "amounts"),
    [
        # One clear value decides for its column, wherever it is.
        (";", ["1.234", "12,50", "1.234.567"], None, [1234, 12.5, 1234567]),
        (",", ["1.234", "1,234", "12.50"], None, [1.234, 1234, 12.5]),
        ("\t", ["1,234", "9.876", "1,50,000"], None, [1234, 9.876, 150000]),
        ("\t", ["1.234", "5,5"], None, [1234, 5.5]),
        # Clear values are read by themselves, whatever the others show.
        (",", ["1,234", "5.5", "5,5"], None, [None, 5.5, 5.5]),
        # The delimiter suggests whole numbers only.
        (";", ["1.234", "1,234", "500"], None, [1234, None, 500]),
        (",", ["1.234", "1,234", "1,000"], None, [None, 1234, 1000]),
        ("\t", ["1.234", "1,234", "1 234"], None, [None, None, 1234]),
        # An option decides ambiguous values, and no others.
        (",", ["1.234", "1,234", "12.50"], "comma", [1234, 1.234, 12.5]),
        (";", ["1.234", "1,234"], "point", [1.234, 1234]),
    ],
)
def test_ambiguous_amounts(
    tmp_path: Path, delimiter: str, values: list[str], decimal: Any, amounts: list[float | None]
) -> None:
    text = column("Amount", *values, delimiter=delimiter)
    records, refusals, _ = read(tmp_path, text, Conventions(decimal=decimal))
    stored = {each: values["amount"] for each, values in records.items()}
    assert [stored.get(f"d{number}") for number in range(1, len(values) + 1)] == amounts
    for line, reason in refusals.items():
        assert reason == (
            f"Amount: {values[line - 2]!r} is ambiguous (thousands or decimals)."
            " Use --decimal point or --decimal comma"
        )


@pytest.mark.parametrize(
    ("values", "dates", "days"),
    [
        (["04/03/2026", "25/03/2026"], None, ["2026-03-04", "2026-03-25"]),
        (["04/03/2026", "03/25/2026"], None, ["2026-04-03", "2026-03-25"]),
        (["04/03/2026", "05/05/2026"], None, [None, "2026-05-05"]),
        (["4-3-2026", "2026-12-31"], "dmy", ["2026-03-04", "2026-12-31"]),
        (["04/03/2026", "25/03/2026"], "mdy", ["2026-04-03", "2026-03-25"]),
        (["04/03/2026", "25/03/2026", "03/25/2026"], None, [None, "2026-03-25", "2026-03-25"]),
    ],
)
def test_ambiguous_dates(
    tmp_path: Path, values: list[str], dates: Any, days: list[str | None]
) -> None:
    records, refusals, _ = read(tmp_path, column("Close Date", *values), Conventions(dates=dates))
    stored = {each: str(values["close_date"].date()) for each, values in records.items()}
    assert [stored.get(f"d{number}") for number in range(1, len(values) + 1)] == days
    for line, reason in refusals.items():
        assert reason == (
            f"Close Date: {values[line - 2]!r} is ambiguous (day or month first)."
            " Use --dates mdy or --dates dmy"
        )


# --- every spelling is read as its value, or refused ------------------------------------------


def _group(digits: str, sign: str, indian: bool) -> str:
    """Group digits in threes from the right, or in India's way."""
    groups, rest = [digits[-3:]], digits[:-3]
    size = 2 if indian else 3
    while rest:
        groups.insert(0, rest[-size:])
        rest = rest[:-size]
    return sign.join(groups)


@st.composite
def spelled_amounts(draw: st.DrawFn) -> tuple[str, float, str]:
    """A spelling of an amount, its value, and its decimal sign."""
    decimal = draw(st.sampled_from(".,"))
    indian = decimal == "." and draw(st.booleans())
    other = "," if indian else draw(st.sampled_from(["", ",."[decimal == ","], " ", "\xa0", "’"]))
    whole = str(draw(st.integers(0, 10**11)))
    cents = draw(st.text("0123456789", max_size=4))
    text = _group(whole, other, indian) + (decimal + cents if cents else "")
    value = float(f"{whole}.{cents or 0}")
    forms = ["{}", "$ {}", "{} EUR", "CHF {}", "{}€", "+{}"]
    negative = ["-{}", "\u2212{}", "({})", "{}-", "$-{}", "-R$ {}", "($ {})"]
    if draw(st.booleans()):
        return draw(st.sampled_from(negative)).format(text), -value, decimal
    return draw(st.sampled_from(forms)).format(text), value, decimal


@given(spelled_amounts())
def test_an_amount_is_read_as_its_value(spelled: tuple[str, float, str]) -> None:
    text, value, decimal = spelled
    readings = read_amount(text)
    assert readings[".,".index(decimal)] == value
    # The other reading is the same, or none, or the text is ambiguous: it has one sign only.
    other = readings[",.".index(decimal)]
    if other not in (None, value):
        assert sum(text.count(sign) for sign in ".,") == 1
        assert other in (value * 1000, value / 1000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5.0E7", 5e7),
        ("5,0E+07", 5e7),
        ("1.234E3", 1234),
        ("5,-", 5),
        ("1.234,-- kr", 1234),
        ("￥1,234,567", 1234567),
    ],
)
def test_exponents_and_dashes(text: str, value: float) -> None:
    assert value in read_amount(text)


@pytest.mark.parametrize(
    "text",
    [
        *("5K", "5 Mio", "$5M", "5%", "(-5)", "--5", "-5-", "1.23.456", "1,23.456", "1 2", "1e999"),
        *("", "-", "USD", "0.123.456", "12:30", "5 apples", "0x10", "١٢", "9" * 65),
    ],
)
def test_other_texts_are_no_amounts(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        read_amount(text)


_MONTH_NAMES = ("Jan", "Februar", "März", "abril", "May", "juin", "Juli", "Aug.", "Sept", "Oct")
_DATE_FORMS = (
    *("{0:%Y-%m-%d}", "{0:%Y/%m/%d}", "{0:%Y%m%d}", "{0:%d.%m.%Y}", "{0.day}.{0.month}.{0.year}"),
    *(
        "{0.day} {1} {0.year}",
        "{1} {0.day}, {0.year}",
        "{0.day}-{1}-{0.year}",
        "{0.day}. {1} {0.year}",
    ),
    *("{2}", "{0.day} de {1} de {0.year}", "{0:%a}, {0.day} {1} {0.year}"),
)
_TIME_FORMS = (
    *(" {0:%H:%M}", " {0:%H:%M:%S}", ", {0:%I:%M:%S %p}", " {0:%I:%M%p}", " {0:%H:%M:%S} UTC"),
    *(" at {0:%I:%M %p}", ", {0:%H:%M} Uhr", " {0:%H:%M}Z", " {0:%H:%M} GMT+00:00"),
)
_naive = datetime.fromisoformat
_moments = st.datetimes(_naive("1930-01-01"), _naive("2150-01-01")).filter(lambda at: at.month < 11)


def _spell(form: str, at: datetime) -> str:
    serial = (at.date() - date(1899, 12, 30)).days
    return form.format(at, _MONTH_NAMES[at.month - 1], serial)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


@given(_moments, st.sampled_from(_DATE_FORMS))
def test_a_date_is_read_as_its_day(at: datetime, form: str) -> None:
    day = at.date().isoformat()
    assert read_date(_spell(form, at)) == (day, day)


@given(_moments, st.sampled_from([f for f in _DATE_FORMS if f not in ("{2}", "{0:%Y%m%d}")]),
       st.sampled_from(_TIME_FORMS))  # fmt: skip
def test_a_time_is_read_to_its_precision(at: datetime, form: str, time_form: str) -> None:
    at = at.replace(microsecond=0, second=at.second if "%S" in time_form else 0)
    first, second = read_date(_spell(form, at) + time_form.format(at))
    assert first is not None
    assert first == second
    assert _moment(first) == at


@given(_moments, st.sampled_from("/-"))
def test_a_day_up_to_12_is_ambiguous(at: datetime, sign: str) -> None:
    texts = [sign.join(parts) for parts in (
        (f"{at.month:02}", f"{at.day:02}", str(at.year)), (str(at.day), str(at.month), str(at.year))
    )]  # fmt: skip
    day = at.date().isoformat()
    american, european = map(read_date, texts)
    assert american.month_first == day
    assert european.day_first == day
    if at.day > 12:
        assert american.day_first is None
        assert european.month_first is None


@given(_moments)
def test_serial_numbers_and_unix_times(at: datetime) -> None:
    at = at.replace(microsecond=0)
    days = (at - _naive("1899-12-30")).total_seconds() / 86_400
    assert _moment(str(read_date(f"{days:.9f}")[0])) == at
    seconds = str(int((at - _naive("1970-01-01")).total_seconds()))
    if len(seconds) == 10 and seconds.isdigit():
        for text in (seconds, seconds + "000"):
            assert _moment(str(read_date(text)[1])) == at


@pytest.mark.parametrize(
    "text",
    [
        *("2026", "123456", "1234567", "123456789", "1.5", "-46085", "3/4/26", "13/13/2026"),
        *("31.02.2026", "2026-13-01", "20261301", "0000-00-00", "March 2026", "12:30", "soon"),
        *("3/4/2026 25:00", "3/4/2026 13:00 PM", "2026-03-04 10:00 EST", "", "May", "x" * 1000),
        "4 March 2026 or later",
    ],
)
def test_other_texts_are_no_dates(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        read_date(text)


@given(st.text(max_size=20) | st.text("0123456789.,-/: EPMT'$€()", max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read_value in (read_amount, read_date):
        try:
            readings = read_value(text)
        except (ValueError, OverflowError):
            continue
        assert readings != (None, None)


# --- the file ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "label"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("cp1252", "Windows-1252"),
        ("iso-8859-1", "Windows-1252"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, label: str) -> None:
    name = "Größe & Söhne, Café Zürich"
    # The first piece of the file does not show the encoding.
    rows = [f"d{number}\tplain name {'x' * 500}" for number in range(700)]
    text = "\n".join(["Deal ID\tDeal Name", *rows, f"last\t{name}", ""])
    records, refusals, notes = read(tmp_path, text.encode(encoding))
    assert (len(records), refusals) == (701, {})
    assert notes == [f"deals in {label}, separated by tabs"]
    assert records["last"]["name"] == name


def test_a_mark_within_a_file_is_no_byte_order_mark(tmp_path: Path) -> None:
    records, _, notes = read(tmp_path, b"Deal ID,Deal Name\n\xff\xfe1,a\n2,b\n")
    assert "2" in records
    assert "UTF-16" not in notes[0]


def test_a_header_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    text = "Company ID,Größe,Straße\n1,é,é\n2,é,é\n".encode().replace("ß".encode(), b"\xff")
    assert read(tmp_path, text)[:2] == ({}, {1: "the header is not in UTF-8"})


def test_traces_of_spreadsheets(tmp_path: Path) -> None:
    rows = [
        "Deal ID,Deal Name,Associated Company IDs,,",
        '="001",="two" words,9001,,,,',
        "Deal ID,Deal Name,Associated Company IDs,,",
        "1.23457E+10,rounded,,,",
        "2,rounded,9.0E+9,,",
        "3,E,,",
        "4,Total,,,",
        "5.0,decimals,,,",
        "NULL,missing,,,",
        "6,#NAME?,,,",
        "7,Steel, Inc,9,",
    ]
    records, refusals, notes = read(tmp_path, "\n".join(rows))
    assert {each: values["name"] for each, values in records.items()} == {
        "001": '="two" words',
        "3": "E",
        "4": "Total",
    }
    assert refusals == {
        4: "Deal ID: '1.23457E+10' was rewritten as a number. Export the ids as text",
        5: "Associated Company IDs: '9.0E+9' was rewritten as a number. Export the ids as text",
        8: "Deal ID: '5.0' was rewritten as a number. Export the ids as text",
        9: "Deal ID: 'NULL' is not an id",
        10: "Deal Name: '#NAME?' is an error of a spreadsheet",
        11: "has a value in column 4 or later, which the header does not name",
    }
    assert notes[1] == "rows skipped: 1 repeated headers"


def test_ids_of_salesforce_have_18_characters(tmp_path: Path) -> None:
    rows = [
        "Opportunity ID,Account ID,Amount,Betrag,Phase",
        "006D000000IRt53,001D000000IRt53IAD,1,5,a",
        "0060000000abcde,,2,5,b",
        "006000000000015,,2,5,c",
        "00QD000000IRt53,,3,5,d",
    ]
    records, refusals, notes = read(tmp_path, "\n".join(rows))
    assert {each: values["account_id"] for each, values in records.items()} == {
        "006D000000IRt53IAD": "001D000000IRt53IAD",
        "0060000000abcdeAAA": None,
        "006000000000015": None,
    }
    reason = "Opportunity ID: '00QD000000IRt53' is the id of a lead in Salesforce"
    assert refusals == {5: reason}
    assert notes[0].endswith("; not imported: Betrag, Phase")


@pytest.mark.parametrize(
    ("rows", "refused"),
    [
        (["1,a,5,x", "2,b", "and b,6,y", "3,c,7,z", "Total: 3"], [3, 4]),
        (["1,a", "and", "", "again,5,x", "2,b,6,", "", "Made by me"], [2, 3, 5]),
        # The file was cut off.
        (["1,a,5,x", "2,b,6,", "3,c"], [4]),
        # A cell of its own is no record.
        (["1,a,5,one", "two", "2,b,6,x"], [3]),
        # Programs may omit empty cells.
        (["1,a,5,x", "2,b", "3,c,6", "4,d", "5,e,7,y"], []),
        (["1,a", "2,b,6"], []),
        (["1,a,5,x", "2,b", "3,c", "4,d"], []),
    ],
)
def test_parts_of_rows_are_no_records(tmp_path: Path, rows: list[str], refused: list[int]) -> None:
    records, refusals, _ = read(tmp_path, "\n".join(["Company ID,Name,Size,Notes", *rows]))
    assert list(refusals) == refused
    complete = [row for line, row in enumerate(rows, start=2) if line not in refused]
    assert list(records) == [row[0] for row in complete if row[:1].isdigit()]
    assert all("quote" in reason for reason in refusals.values())


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        # Line items, roles, assets, leads and activities name deals, contacts and accounts.
        ("Id,OpportunityId,Name,Quantity", "the rows are not deals"),
        ("Id,ContactId,AccountId,Role", "the rows are not contacts"),
        ("Id,AccountId,Name,SerialNumber", "the rows are not accounts"),
        ("Id,LastName,FirstName,Company,IsConverted", "the header has columns of neither"),
        ("Id,WhoId,AccountId,Subject", "the header has columns of neither"),
        ("Id,Amount,Currency,Customer", "the header has columns of neither"),
    ],
)
def test_tables_of_other_kinds_are_refused(tmp_path: Path, header: str, reason: str) -> None:
    records, refusals, _ = read(tmp_path, f"{header}\n1,2,3,4\n")
    assert records == {}
    assert refusals[1].startswith(reason)


@settings(max_examples=30)
@given(
    st.sampled_from(",;\t|"),
    st.lists(st.text("aé\"'\n,;\t|", max_size=8).map(str.strip), min_size=1, max_size=6),
)
def test_cells_come_back_as_they_were_quoted(
    tmp_path_factory: pytest.TempPathFactory, delimiter: str, names: list[str]
) -> None:
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    rows = [f"d{number}{delimiter}{name}" for number, name in enumerate(quoted)]
    text = "\n".join([f"Deal ID{delimiter}Deal Name", *rows, ""])
    records, refusals, _ = read(tmp_path_factory.mktemp("table"), text)
    assert refusals == {}
    assert [each["name"] for each in records.values()] == [name or None for name in names]


@pytest.mark.parametrize(
    "line", ['x",y,"z\n', '"a\n', '"""x\n', '""",x\n', 'a,"b\n', '"x""y\n', "=\x00\n", "\r"]
)
def test_hostile_quotes_are_read_in_linear_time(tmp_path: Path, line: str) -> None:
    began = time.monotonic()
    text = "Deal ID,Deal Name,Amount,Stage\n" + line * (300_000 // len(line))
    read(tmp_path, text)
    assert time.monotonic() - began < 10


_cells = st.text('ab "', max_size=6).map(str.strip)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(_cells, st.booleans()), min_size=3, max_size=12),
    st.integers(0, 11),
    st.integers(0, 8),
)
def test_rows_beside_a_stray_quote_are_stored_or_named(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, bool]],
    broken: int,
    place: int,
) -> None:
    lines = []
    for number, (name, quoted) in enumerate(rows):
        cell = '"' + name.replace('"', '""') + '"' if quoted or '"' in name else name
        lines.append(f"d{number},{cell},{number}")
    broken %= len(lines)
    lines[broken] = f'{lines[broken][:place]}"{lines[broken][place:]}'
    text = "\n".join(["Deal ID,Deal Name,Amount", *lines, ""])
    records, refusals, _ = read(tmp_path_factory.mktemp("table"), text)
    named = set(refusals)
    for line, reason in refusals.items():
        if reason.endswith("are not read"):
            named |= set(range(line, int(reason.split()[-4]) + 1))
    for number, (name, _) in enumerate(rows):
        if number != broken and number + 2 not in named:
            stored = records[f"d{number}"]
            assert (stored["name"], stored["amount"]) == (name or None, number)


@settings(max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 20))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, inserted: bytes, place: int, cut: int
) -> None:
    table = b'Deal ID,Deal Name,Amount,Close Date\n1,"a ""b""",1.234,03/04/2026\n2,b,3,46085\n'
    read(tmp_path_factory.mktemp("table"), table[:place] + inserted + table[place + cut :])
