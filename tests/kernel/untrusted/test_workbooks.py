"""Text of workbooks: formats of files, number formats, hidden sheets, errors, comments."""

import datetime as dt
import struct
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError, encode_clean
from domains.kernel.untrusted.documents.workbook.number_formats import Value, format_value
from domains.kernel.untrusted.documents.workbook.reader import read_workbook
from tests.fakes import files, workbooks

SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def text_of(content: bytes) -> str:
    return read_workbook(content, None)


def workbook(
    rows: Sequence[str],
    codes: Sequence[str] = (),
    sheet_parts: Mapping[str, tuple[str, str]] | None = None,
    parts: Mapping[str, str] | None = None,
) -> bytes:
    """An XLSX file whose sheet has these rows of XML, and whose cell styles have these formats."""
    formats = "".join(
        f'<numFmt numFmtId="{number}" formatCode="{code.replace(chr(34), "&quot;")}"/>'
        for number, code in enumerate(codes, 164)
    )
    styles = "".join(f'<xf numFmtId="{number}"/>' for number, _ in enumerate(codes, 164))
    content = "".join(f"<row>{row}</row>" for row in rows)
    targets = {
        "rId1": ("worksheet", "worksheets/sheet1.xml"),
        "rId2": ("styles", "styles.xml"),
        "rId3": ("person", "persons/person.xml"),
    }
    return files.with_entries(
        files.xlsx({"Deals": []}),
        {
            "xl/_rels/workbook.xml.rels": files.relationships(targets),
            "xl/worksheets/_rels/sheet1.xml.rels": files.relationships(sheet_parts or {}),
            "xl/styles.xml": f'<styleSheet xmlns="{SHEET}"><numFmts>{formats}</numFmts>'
            f'<cellStyleXfs><xf numFmtId="9"/></cellStyleXfs>'
            f'<cellXfs><xf numFmtId="0"/>{styles}</cellXfs></styleSheet>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{SHEET}"><sheetData>{content}'
            "</sheetData></worksheet>",
            **(parts or {}),
        },
    )


# ---- formats of files

ROWS: list[list[str | float]] = [["Name", "Seats"], ["Müller €", 1200], ["", 0.5, "a\nb"]]


@pytest.mark.parametrize(
    ("content", "half"),
    [
        (files.xlsx({"Deals": ROWS, "Empty": [], "More": [["x"]]}), "0.5"),
        (workbooks.xlsb({"Deals": ROWS, "Empty": [], "More": [["x"]]}), "0.5"),
        (workbooks.xls({"Deals": ROWS, "Empty": [], "More": [["x"]]}), "12:00"),
    ],
    ids=["xlsx", "xlsb", "xls"],
)
def test_sheets_are_given_by_row(content: bytes, half: str) -> None:
    assert text_of(content) == (f"Deals\nName | Seats\nMüller € | 1200\n | {half} | a b\n\nMore\nx")


def test_formats_and_errors_of_xls_files() -> None:
    half, hour = struct.pack("<d", 0.5), struct.pack("<I", 1 << 2 | 2)
    no_value = struct.pack("<BxBxxxHxxxxxxHH", 2, 0x2A, 0xFFFF, 2, 0x2A1C)
    numbers = struct.pack("<IHIH", 25 << 2 | 3, 4, 12 << 2 | 2, 1)
    rows: workbooks.Rows = [
        [workbooks.Cell(0x203, 3, half), workbooks.Cell(0x27E, 4, hour)],
        [workbooks.Cell(0x205, 0, b"\x07\x01"), workbooks.Cell(0x205, 0, b"\x01\0"), "x"],
        [workbooks.Cell(0xBD, 3, numbers)],
        ["a", workbooks.Cell(0x06, 0, no_value)],
    ]
    assert text_of(workbooks.xls({"Deals": rows})) == (
        "Deals\n50% | 1 kg\n#DIV/0! | TRUE | x\n25% | 12 kg\na | #N/A"
    )


def test_open_document_formats_and_comments() -> None:
    percent = 'office:value-type="percentage" office:value="0.25"'
    money = 'office:value-type="currency" office:currency="EUR" office:value="1234.5"'
    note = (
        "<office:annotation><dc:creator>Ann</dc:creator><dc:date>2026</dc:date>"
        "<text:p>Call</text:p><text:p>them</text:p></office:annotation>"
    )
    content = workbooks.ods(
        '<table:table-row table:number-rows-repeated="2"><table:table-cell/>'
        f'<table:table-cell table:number-columns-repeated="2" {percent}/></table:table-row>'
        f"<table:table-row><table:table-cell {money}>{note}<text:p>1.234,50 €</text:p>"
        '</table:table-cell><table:table-cell office:value-type="string" office:string-value="" '
        'calcext:value-type="error"><text:p>#REF!</text:p></table:table-cell><table:table-cell '
        'office:value-type="float" office:value="67"><text:p>0067</text:p></table:table-cell>'
        '<table:table-cell office:value-type="float" office:value="1"><text:p>TRUE</text:p>'
        "</table:table-cell></table:table-row>"
    )
    assert text_of(content) == (
        "Plan\n | 25% | 25%\n | 25% | 25%\n1234.50 EUR | #REF! | 0067 | TRUE\n"
        "Comment by Ann on A3: Call them"
    )


def test_open_document_values() -> None:
    cells = [
        ('office:value-type="string"', "Name"),
        ('office:value-type="float" office:value="1200"', "1.200,00"),
        ('office:value-type="time" office:time-value="PT30H05M00S"', "30:05"),
        ('office:value-type="date" office:date-value="2026-03-04"', "04.03.26"),
        ('office:value-type="boolean" office:boolean-value="true"', "WAHR"),
    ]
    row = "".join(
        f"<table:table-cell {type_}><text:p>{text}</text:p></table:table-cell>"
        for type_, text in cells
    )
    content = workbooks.ods(f"<table:table-row>{row}</table:table-row>")
    assert text_of(content) == "Plan\nName | 1200 | 30:05 | 2026-03-04 | TRUE"


@pytest.mark.parametrize("make", [workbooks.xls, workbooks.xlsb])
def test_hidden_sheets_are_named_as_such(make: Callable[..., bytes]) -> None:
    content = make({"Deals": [["a"]], "#Margins": [["b"]]})
    assert text_of(content) == "Deals\na\n\nMargins (hidden)\nb"


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_hidden_sheet_of_xlsx(state: str) -> None:
    content = files.repacked(
        files.xlsx({"Deals": [["a"]]}),
        "xl/workbook.xml",
        lambda part: part.replace('name="Deals"', f'name="Deals" state="{state}"'),
    )
    assert text_of(content) == "Deals (hidden)\na"


def test_encrypted_files_are_reported() -> None:
    manifest = {"META-INF/manifest.xml": "<encryption-data/>", "content.xml": "\0"}
    with_keys = files.with_entries(workbooks.ods(""), manifest)
    for content in (workbooks.xls({"Deals": ROWS}, encrypted=True), with_keys):
        with pytest.raises(ReadError) as raised:
            text_of(content)
        assert raised.value.code == ExitCode.ENCRYPTED


# ---- cells of XLSX files


def test_cells_follow_their_number_formats() -> None:
    codes = ["hh:mm", "[h]:mm", "0%", '"€"#,##0.00', "dd.mm.yyyy"]
    values = ["0.3784722222", "1.25", "0.25", "1234.5", "46085"]
    row = "".join(f'<c s="{at}"><v>{value}</v></c>' for at, value in enumerate(values, 1))
    # Cells may say where they are.
    placed = '<c r="D3" s="3"><v>0.5</v></c><c r="AA3" s="3" t="str"><v>x</v></c>'
    text = "Deals\n09:05 | 30:00 | 25% | €1234.50 | 2026-03-04\n | " + " | " * 2 + "50%"
    assert text_of(workbook([row, "", placed], codes)) == text + " | " * 23 + "x"


def test_errors_formulas_and_merged_cells() -> None:
    row = (
        '<c t="e"><f>1/0</f><v>#DIV/0!</v></c><c><f>A1+1</f><v>7</v></c>'
        '<c t="b"><v>1</v></c><c t="inlineStr"><is><r><t>a</t></r><r><t>b</t></r></is></c>'
    )
    content = files.repacked(
        workbook([row, '<c r="D2"/>']),
        "xl/worksheets/sheet1.xml",
        lambda part: part.replace(
            "</sheetData>", '</sheetData><mergeCells><mergeCell ref="D1:D2"/></mergeCells>'
        ),
    )
    assert text_of(content) == "Deals\n#DIV/0! | 7 | TRUE | ab"


def test_comments_follow_their_sheet() -> None:
    old = (
        f'<comments xmlns="{SHEET}"><authors><author>Ann</author></authors><commentList>'
        '<comment ref="B2" authorId="0"><text><r><t>Ann:</t></r><r><t>\nCall them</t></r></text>'
        '</comment><comment ref="C1" authorId="9"><text><t>?</t></text><anchor><from>4</from>'
        "</anchor></comment></commentList>"
        "</comments>"
    )
    content = workbook(
        ["<c><v>1</v></c>"],
        sheet_parts={"rId1": ("comments", "../comments1.xml")},
        parts={"xl/comments1.xml": old},
    )
    assert text_of(content) == "Deals\n1\nComment by Ann on B2: Call them\nComment on C1: ?"
    threaded = workbook(
        ["<c><v>1</v></c>"],
        sheet_parts={
            "rId1": ("comments", "../comments1.xml"),
            "rId2": ("threadedComment", "../threads.xml"),
        },
        parts={
            "xl/comments1.xml": old,
            "xl/threads.xml": '<ThreadedComments><threadedComment ref="A1" personId="{1}">'
            "<text>Which plan?</text></threadedComment></ThreadedComments>",
            "xl/persons/person.xml": '<personList><person id="{1}" displayName="Bo"/></personList>',
        },
    )
    assert text_of(threaded) == "Deals\n1\nComment by Bo on A1: Which plan?"


def test_unreadable_styles_cost_only_the_formats() -> None:
    content = files.with_entries(workbook(['<c s="1"><v>0.5</v></c>'], ["0%"]), {})
    damaged = files.repacked(content, "xl/_rels/workbook.xml.rels", lambda part: part)
    assert text_of(damaged) == "Deals\n50%"
    with_entity = files.repacked(
        content, "xl/worksheets/sheet1.xml", lambda part: f"<!DOCTYPE worksheet>{part}"
    )
    assert text_of(with_entity) == "Deals\n0.5"


def test_padded_values_are_read() -> None:
    rows = ['<c t="n"><v> 41</v></c><c><v>7.5\n</v></c>', '<c t="str"><v> late </v></c>']
    assert text_of(workbook(rows)) == "Deals\n41 | 7.5\nlate"


@pytest.mark.parametrize(("text", "is_readable"), [("plan", True), ("計画", False)])
def test_text_in_two_bytes_of_excel_95_is_refused(text: str, is_readable: bool) -> None:
    content = workbooks.excel_95("S", text.encode("cp932"), code_page=932)
    if is_readable:
        assert encode_clean(text_of(content)).decode() == f"S\n{text}"
        return
    with pytest.raises(ReadError) as raised:
        text_of(content)
    assert raised.value.code == ExitCode.OLD_FORMAT


# ---- number formats

moment = dt.datetime.fromisoformat


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (1200.0, None, "1200"),
        (0.1 + 0.2, None, "0.3"),
        (12345678901234567890.0, "0", "12345678901234567168"),
        (1e300, None, "1e+300"),
        (1200, "General", "1200"),
        (1234567.891, "#,##0.00", "1234567.891"),
        (1234.5, "#,##0.00\\ [$€-407]", "1234.50 €"),
        (-1234.5, '"$"#,##0.00_);[Red]\\("$"#,##0.00\\)', "-$1234.50"),
        (5000, '_("$"* #,##0.00_);_(@_)', "$5000.00"),
        (0.256, "0%", "25.6%"),
        (1.1, "0.0%", "110.0%"),
        (1234, "00000", "01234"),
        (12, '0 "seats"', "12 seats"),
        (3, 'General" kg"', "3 kg"),
        (0.5, "# ?/?", "0.5"),
        (50_000_000.0, "0.00E+00", "50000000"),
        (0.5, '"', "0.5"),
        (True, "0", "TRUE"),
        (0, '"TRUE";"TRUE";"FALSE"', "FALSE"),
        (float("nan"), "0.00", "nan"),
        (dt.time(9, 5), "h:mm", "9:05"),
        (dt.time(9, 5), "hh:mm:ss", "09:05:00"),
        (dt.time(15, 5), "h:mm AM/PM", "3:05 PM"),
        (dt.time(0, 5), "[$-409]h:mm\\ AM/PM;@", "12:05 AM"),
        (dt.time(0, 12, 45, 500_000), "mm:ss.0", "12:45.5"),
        (dt.time(9, 4, 59, 999_999), None, "09:05"),
        (dt.time(9, 5, 3), "General", "09:05:03"),
        (dt.time(9, 5), "dd.mm.yyyy hh:mm", "09:05"),
        (dt.timedelta(hours=30), "[h]:mm", "30:00"),
        (dt.timedelta(minutes=45), "[h]:mm", "0:45"),
        (dt.timedelta(minutes=95), "[mm]:ss", "95:00"),
        (-dt.timedelta(minutes=90), "[h]:mm", "-1:30"),
        (dt.timedelta(hours=30, seconds=5), None, "30:00:05"),
        (dt.date(2026, 3, 4), "m/d/yy", "2026-03-04"),
        (dt.date(2026, 3, 4), "[$-F800]dddd, mmmm dd, yyyy", "2026-03-04"),
        (dt.date(2026, 3, 4), 'yyyy"年"m"月"d"日"', "2026-03-04"),
        (dt.date(2026, 3, 4), "d-mmm", "2026-03-04"),
        (dt.date(2026, 3, 1), "mmm yyyy", "Mar 2026"),
        (dt.date(2026, 3, 4), "dddd", "Wednesday"),
        (moment("2026-03-04T14:30"), "d.m.yyyy h:mm", "2026-03-04 14:30"),
        (moment("2026-03-04T14:30"), "hh:mm dd/mm/yyyy", "14:30 2026-03-04"),
        (moment("2026-03-04T14:30"), "d hh mmm", "2026-03-04 14:30"),
        (moment("2026-03-04"), None, "2026-03-04"),
        (moment("2026-12-31T23:59:59.999999"), "d.m.yy hh:mm", "2027-01-01 00:00"),
    ],
)
def test_value_in_its_format(value: Value, code: str | None, text: str) -> None:
    assert format_value(value, code) == text


@given(
    st.one_of(st.floats(), st.integers(), st.times(), st.dates(), st.datetimes(), st.timedeltas()),
    st.text('0#?.,%;"\\_*[]$hmsdyAP/M€ E', max_size=30),
)
def test_every_value_and_format_give_a_text(value: Value, code: str) -> None:
    assert format_value(value, code)


# ---- damaged files


def test_panic_of_the_library_means_a_damaged_file(capfd: pytest.CaptureFixture[str]) -> None:
    # Numbers become lists of merged cells that are too short.
    content = workbooks.xls({"Deals": ROWS}).replace(b"\x03\x02\x0e\0", b"\xe5\x00\x0e\0")
    with pytest.raises(ReadError) as raised:
        text_of(content)
    assert raised.value.code == ExitCode.DAMAGED
    assert "panicked" in capfd.readouterr().err
