"""Text of RTF, OpenDocument, EPUB, calendars and the XML and HTML files that Office opens."""

import io

import pytest

from domains.kernel.untrusted.documents.file_kinds import detect_open_file
from domains.kernel.untrusted.documents.office.book import read_book
from domains.kernel.untrusted.documents.office.calendar import read_calendar
from domains.kernel.untrusted.documents.office.open_document import read_open_document
from domains.kernel.untrusted.documents.office.rich_text import read_rich_text
from domains.kernel.untrusted.documents.office.word import read_word_xml
from domains.kernel.untrusted.documents.office.xml_workbook import read_xml_workbook
from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError, encode_clean
from tests.fakes import files

# ---- RTF


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (rb"Caf\'e9 {\b one}\par two\line three\tab four", "Café one\ntwo\nthree\tfour"),
        # Code pages of the file and of fonts; a character may be half escaped, half plain.
        (rb"\ansicpg1251 \'ff\'e7\'fb\'ea", "язык"),
        (
            rb"{\fonttbl{\f0\fcharset128 M;}{\f1\fcharset161 A;}}\f0\'83e\'83X\'83g \f1\'e1",
            "テスト α",
        ),
        (b"\\ansicpg1250 p\xf8\xedtel", "přítel"),
        # Unicode with the characters that old programs show instead.
        (rb"\u8364?5 {\uc2\u263\'c4\'87}x\uc0\u-10179\u-8704 y", "€5 ćx😀y"),
        # Field codes, pictures, hidden and deleted text are left out; results of fields are not.
        (rb'{\field{\*\fldinst{HYPERLINK "http://x.example"}}{\fldrslt our site}}', "our site"),
        (rb"{\field{\*\fldinst EQ \\o\\ad(\\s\\up 9(kana),base)}{\fldrslt }}", "base"),
        (rb"a{\pict\wmetafile8 0123abcd\bin4 }}}}ff} b{\v secret}{\deleted old} c", "a b c"),
        (rb"{\*\unknown{x}y}{\info{\title t}}{\stylesheet{\s0 Normal;}}{\colortbl;}z", "z"),
        (rb"{\object{\*\objdata 0102}{\result shown}}", "shown"),
        # Tables by row, lists with their numbers; bullets become dashes.
        (
            rb"\trowd\intbl Plan\cell Price\cell\row\trowd\intbl Pro\par plus\cell 4\cell\row"
            rb"\pard end",
            "Plan | Price\nPro plus | 4\nend",
        ),
        (rb"{\listtext 1.\tab}one\par{\listtext\f3\'b7\tab}two", "1. one\n- two"),
        # Headers, footers, notes, comments and text boxes, once each.
        (
            rb"{\header Acme\par}{\headerf Acme\par}"
            rb"{\footer Page {\field{\*\fldinst PAGE}{\fldrslt 3}}}Text{\footnote\chftn As of May}"
            rb"{\*\atnauthor Ana}{\*\annotation Too dear?}.",
            "Acme\n\nText.\n\nPage\n\nAs of May\n\nComment by Ana: Too dear?",
        ),
        (rb"{\shp{\*\shpinst{\sp{\sn a}{\sv 1}}{\shptxt box}}{\shprslt box}}", "box"),
        (rb"{\upr{old}{\*\ud{new}}}", "new"),
        (rb"\{ \} \\ a\~b\_c\-d", "{ } \\ a\xa0b-cd"),
    ],
)  # fmt: skip
def test_rich_text(source: bytes, text: str) -> None:
    read = read_rich_text(b"{\\rtf1\\ansi " + source + b"}", None)
    assert encode_clean(read).decode() == text


def test_rich_text_that_is_cut_off_is_read_to_its_end() -> None:
    assert read_rich_text(b"{\\rtf1 one{\\footnote two}\\par th{\\b re", None) == "one\nthre\n\ntwo"


# ---- OpenDocument

MIMETYPE = "application/vnd.oasis.opendocument."


def open_document(body: str, styles: str = "", **parts: str) -> str:
    """The text of an OpenDocument text with this content."""
    entries = {
        "mimetype": f"{MIMETYPE}text",
        "content.xml": f"<office:document-content><office:body>{body}</office:body>"
        "</office:document-content>",
        "styles.xml": f"<office:document-styles>{styles}</office:document-styles>",
        **{name.replace("__", "/") + ".xml": content for name, content in parts.items()},
    }
    return read_open_document(files.zipped(entries), None)


def test_open_document_text() -> None:
    assert open_document(
        "<text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion>"
        "</text:tracked-changes><text:h>Offer\n  for <text:span>Acme</text:span></text:h>"
        '<text:p>a<text:s text:c="2"/>b<text:tab/>c<text:line-break/>d<text:note>'
        "<text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>As of May</text:p></text:note-body>"
        "</text:note> e<office:annotation><dc:creator>Ana</dc:creator>"
        "<dc:date>2026-01-02</dc:date><text:p>Too dear?</text:p></office:annotation></text:p>"
        "<text:p><draw:frame><draw:text-box><text:p>In a box</text:p></draw:text-box>"
        "<svg:desc>picture</svg:desc></draw:frame></text:p>"
        "<table:table><table:table-row><table:table-cell><text:p>Plan</text:p><text:p>name</text:p>"
        '</table:table-cell><table:table-cell table:number-columns-repeated="2"/><table:table-cell>'
        "<text:p>Price</text:p></table:table-cell></table:table-row></table:table>",
        "<style:master-page><style:header><text:p>Order "
        "<text:page-number>1</text:page-number></text:p></style:header>"
        "<draw:frame><text:p>Click to add</text:p></draw:frame></style:master-page>"
        "<style:master-page><style:header><text:p>Order </text:p></style:header>"
        "<style:footer><text:p>Valid</text:p></style:footer></style:master-page>",
    ) == (
        "Order\n\nOffer for Acme\n\na  b\tc\nd e\n\nIn a box\n\nPlan name |  |  | Price\n\n"
        "Valid\n\nAs of May\n\nComment by Ana: Too dear?"
    )


def test_open_document_lists() -> None:
    styles = (
        '<text:list-style style:name="N"><text:list-level-style-number text:level="1" '
        'style:num-format="1" style:num-suffix="."/><text:list-level-style-number text:level="2" '
        'style:num-format="a" text:display-levels="2" style:num-suffix=")"/></text:list-style>'
        '<text:list-style style:name="B"><text:list-level-style-bullet text:level="1"/>'
        "</text:list-style>"
    )
    body = (
        '<text:list text:style-name="N"><text:list-item><text:p>a</text:p><text:p>a2</text:p>'
        "</text:list-item><text:list-item><text:p>b</text:p><text:list><text:list-item>"
        "<text:p>c</text:p></text:list-item></text:list></text:list-item></text:list>"
        '<text:p>between</text:p><text:list text:style-name="N" text:continue-numbering="true">'
        "<text:list-item><text:p>d</text:p></text:list-item></text:list>"
        '<text:list text:style-name="B"><text:list-item><text:p>e</text:p></text:list-item>'
        "</text:list>"
    )
    assert open_document(body, styles).split("\n\n") == [
        "1. a", "a2", "2. b", "2.a) c", "between", "3. d", "- e",
    ]  # fmt: skip


def test_open_document_cells_stay_in_their_columns() -> None:
    covered = "<table:covered-table-cell/>"
    cells = [f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in "abcd"]
    rows = (cells[0] + covered + cells[1], covered * 2 + cells[2], cells[3])
    table = "".join(f"<table:table-row>{row}</table:table-row>" for row in rows)
    assert open_document(f"<table:table>{table}</table:table>") == "a |  | b\n |  | c\nd"


def test_hidden_text_of_open_documents_is_left_out() -> None:
    style = '<style:style style:name="{}"><style:text-properties text:display="{}"/></style:style>'
    assert (
        open_document(
            '<text:p>Price<text:span text:style-name="h"> 9</text:span>: '
            '<text:span text:style-name="s">12</text:span></text:p>'
            '<text:p text:style-name="h">x</text:p><text:section text:display="none">'
            "<text:p>old</text:p></text:section><text:p>end</text:p>",
            style.format("h", "none") + style.format("s", "true"),
        )
        == "Price: 12\n\nend"
    )


def test_open_document_slides_with_notes_and_charts() -> None:
    body = (
        "<office:presentation><draw:page><draw:frame><draw:text-box><text:p>Results</text:p>"
        '</draw:text-box></draw:frame><draw:object xlink:href="./Object 1"/>'
        "<presentation:notes><draw:frame><draw:text-box><text:p>Say it</text:p></draw:text-box>"
        "</draw:frame></presentation:notes><officeooo:annotation><dc:creator>Ann</dc:creator>"
        "<text:p>Why?</text:p></officeooo:annotation></draw:page></office:presentation>"
    )
    chart = (
        "<office:document-content><chart:chart><chart:title><text:p>Seats</text:p></chart:title>"
        "<table:table><table:table-row><table:table-cell><text:p>East</text:p></table:table-cell>"
        "<table:table-cell><text:p>4</text:p></table:table-cell></table:table-row></table:table>"
        '<draw:object xlink:href="./Object 1"/></chart:chart></office:document-content>'
    )
    text = open_document(body, **{"Object 1__content": chart})
    assert text == "Results\n\nSeats\n\nEast | 4\n\nNotes: Say it\n\nComment by Ann: Why?"


def test_flat_and_encrypted_open_documents() -> None:
    flat = b"<office:document office:version='1.3'><text:p>a</text:p></office:document>"
    assert read_open_document(flat, None) == "a"
    with pytest.raises(ReadError) as refused:
        open_document("", **{"META-INF__manifest": "<manifest:encryption-data/>"})
    assert refused.value.code == ExitCode.ENCRYPTED


# ---- EPUB

CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/a.opf"/></rootfiles></container>'
PACKAGE = (
    "<package><metadata><dc:title>Guide</dc:title><dc:creator>Ana</dc:creator></metadata><manifest>"
    '<item id="b" href="two%20b.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>'
    '<item id="p" href="cover.png" media-type="image/png"/></manifest>'
    '<spine><itemref idref="p"/><itemref idref="a"/><itemref idref="b"/><itemref idref="a"/>'
    "</spine></package>"
)
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/a.opf": PACKAGE,
    "OEBPS/two b.xhtml": "<html><body><p>Second</p></body></html>",
    "OEBPS/text/one.xhtml": '<?xml version="1.0" encoding="utf-8"?><html><p>Fïrst</p></html>',
}


def test_book_pages_in_reading_order() -> None:
    assert read_book(files.zipped(BOOK), None) == "Guide\nAna\n\nFïrst\n\nSecond"


def test_book_with_encrypted_pages() -> None:
    def encrypted(path: str) -> bytes:
        reference = f'<encryption><enc:CipherReference URI="{path}"/></encryption>'
        return files.zipped({**BOOK, "META-INF/encryption.xml": reference})

    assert read_book(encrypted("OEBPS/font.otf"), None).startswith("Guide")
    with pytest.raises(ReadError) as refused:
        read_book(encrypted("OEBPS/two%20b.xhtml"), None)
    assert refused.value.code == ExitCode.ENCRYPTED


# ---- calendars


def test_calendar_events() -> None:
    lines = [
        "BEGIN:VCALENDAR", "X-WR-CALNAME:Sales", "BEGIN:VTIMEZONE", "TZID:Europe/Berlin",
        "DTSTART:19700101T000000", "END:VTIMEZONE", "BEGIN:VEVENT", "UID:1",
        "SUMMARY:Renewal\\, Acme", "DTSTART;TZID=Europe/Berlin:20260304T100000",
        "DTEND;TZID=Europe/Berlin:20260304T113000", "LOCATION:Room 1\\; Berlin",
        'ORGANIZER;CN="Ana: Sales":mailto:ana@a.example',
        "ATTENDEE;CN=Bo;ROLE=X:MAILTO:bo@b.example",
        "ATTENDEE:mailto:c@c.example", "STATUS:CANCELLED",
        "DESCRIPTION:First line\\nSecond li", " ne\\, folded", "BEGIN:VALARM",
        "DESCRIPTION:Reminder", "END:VALARM", "END:VEVENT", "BEGIN:VEVENT", "SUMMARY:Holiday",
        "DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227", "END:VEVENT", "BEGIN:VTODO",
        "SUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:Caf=C3=A9 =", "visit",
        "DUE:20260305T120000Z",
        "END:VTODO", "END:VCALENDAR",
    ]  # fmt: skip
    assert read_calendar("\r\n".join(lines).encode(), None) == (
        "Sales\n\nRenewal, Acme\nTime: 2026-03-04 10:00 to 11:30 (Europe/Berlin)\n"
        "Location: Room 1; Berlin\nOrganizer: Ana: Sales <ana@a.example>\n"
        "Attendees: Bo <bo@b.example>, c@c.example\nStatus: cancelled\n\nFirst line\n"
        "Second line, folded\n\nHoliday\nTime: 2026-12-24 to 2026-12-27\n\n"
        "Café visit\nTime: 2026-03-05 12:00 (UTC)"
    )


# ---- XML files of Office 2003


def test_xml_spreadsheet() -> None:
    workbook = (
        b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
        b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"><Styles>'
        b'<Style ss:ID="p"><NumberFormat ss:Format="Percent"/></Style>'
        b'<Style ss:ID="t"><NumberFormat ss:Format="h:mm"/></Style></Styles><Worksheet '
        b'ss:Name="Deals"><Table><Row><Cell><Data ss:Type="String">Name</Data></Cell>'
        b'<Cell ss:Index="3">'
        b'<Data ss:Type="String">Closed</Data><Comment><Data>why?</Data></Comment></Cell></Row>'
        b'<Row/><Row><Cell><Data>A &amp; B</Data></Cell><Cell/><Cell><Data ss:Type="DateTime">'
        b"2026-03-04T00:00:00.000</Data></Cell></Row></Table></Worksheet>"
        b'<Worksheet ss:Name="Empty"><Table/></Worksheet><Worksheet ss:Name="Rates"><Table><Row>'
        b'<Cell ss:StyleID="p"><Data ss:Type="Number">0.125</Data></Cell><Cell ss:StyleID="t">'
        b'<Data ss:Type="DateTime">1899-12-31T13:05:00.000</Data></Cell><Cell>'
        b'<Data ss:Type="Boolean">1</Data></Cell></Row></Table><WorksheetOptions>'
        b"<Visible>SheetHidden</Visible></WorksheetOptions></Worksheet></Workbook>"
    )
    assert read_xml_workbook(workbook, None) == (
        "Deals\nName |  | Closed\nA & B |  | 2026-03-04\n\nRates (hidden)\n12.50% | 13:05 | TRUE"
    )


def test_word_2003_xml() -> None:
    document = (
        '<?mso-application progid="Word.Document"?><w:wordDocument><o:DocumentProperties><o:Title>x'
        "</o:Title></o:DocumentProperties><w:body><w:p><w:r><w:t>Hello</w:t></w:r></w:p><w:p><w:r>"
        "<w:pict><w:binData>AAAA</w:binData></w:pict></w:r></w:p></w:body></w:wordDocument>"
    )
    assert read_word_xml(document.encode(), None) == "Hello"


# ---- detection

EXCEL = "application/vnd.ms-excel"
UNKNOWN = "application/octet-stream"
TABLE = b"<table><tr><td>Name</td></tr></table>"


@pytest.mark.parametrize(
    ("content", "content_type", "filename", "kind"),
    [
        # Other formats under the types and names of old Office files.
        (TABLE, EXCEL, None, "html"),
        (b'\xef\xbb\xbf<style>td {}</style>\n<div>', UNKNOWN, "report.XLS", "html"),
        (b"<!-- made by CRM --><TABLE>", EXCEL, "report.xls", "html"),
        (b"Name;Value\r\nAcme;1", EXCEL, "report.csv", "text"),
        ("Name\tValue".encode("utf-16"), EXCEL, "report.xls", "text"),
        (b"Date: Mon\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related", "application/msword",
         "page.doc", "mail"),
        (b"{\\rtf1 a}", "application/msword", "letter.doc", "rich_text"),
        (b'<ss:Workbook xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">',
         EXCEL, "report.xls", "xml_workbook"),
        # Clear contents under any type; text that only looks similar.
        (b"BEGIN:VCALENDAR\r\n", "text/plain", "invite.txt", "calendar"),
        (b"<html>", "application/pdf", "offer.pdf", "html"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC 'x'>", "text/xml", None, "html"),
        ("<html><p>a</p>".encode("utf-16"), UNKNOWN, None, "html"),
        (TABLE.decode().encode("utf-16"), EXCEL, None, "html"),
        (b"<!-- a -->", "text/xml", None, "text"),
        (TABLE, "text/plain", None, "text"),
        (b"HTTP junk\r\n%PDF-1.4\n1 0 obj", "text/plain", None, "pdf"),
        (b"A file starts with %PDF-1.4 and then 1 0 obj.", "text/plain", None, "text"),
        (files.zipped({"mimetype": f"{MIMETYPE}presentation"}, packed=False), UNKNOWN, None,
         "open_document"),
        (files.zipped({"mimetype": f"{MIMETYPE}spreadsheet"}, packed=False), UNKNOWN, None,
         "workbook"),
        (files.zipped(BOOK), UNKNOWN, None, "book"),
        (files.ole({"Workbook": b"", "ObjectPool/WordDocument": b""}), UNKNOWN, None, "workbook"),
        (files.ole({"__properties_version1.0": b"", "a/Workbook": b""}), UNKNOWN, None, "outlook"),
    ],
)  # fmt: skip
def test_content_shows_the_kind(
    content: bytes, content_type: str, filename: str | None, kind: str
) -> None:
    assert detect_open_file(io.BytesIO(content), content_type, filename) == kind
