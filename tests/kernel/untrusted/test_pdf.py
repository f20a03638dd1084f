"""Text of PDF files: reading order, glyph names, form fields, comments, damaged pages."""

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.kernel.untrusted.documents.pdf.glyph_names import glyph_text
from domains.kernel.untrusted.documents.pdf.reader import read_pdf
from domains.kernel.untrusted.documents.pdf.text_order import Glyph, read_line
from domains.kernel.untrusted.documents.reader_process import ReadError
from tests.fakes import files


def text_of(content: bytes) -> str:
    return read_pdf(content, None)


# ---- reading order


def line(visual: str) -> list[Glyph]:
    """The glyphs of a line as they stand on the page, from left to right."""
    return [Glyph(text, 6.0 * n, 6.0 * n + 6, 0, 12) for n, text in enumerate(visual)]


@pytest.mark.parametrize(
    ("visual", "logical"),
    [
        ("חודב אוציי", "ייצוא בדוח"),
        ("(ףוחד) Acme Corp, 12.5% תנמזה", "הזמנת Acme Corp, 12.5% (דחוף)"),
        ("04.03.2026 ךיראתב 1,250 ריחמ", "מחיר 1,250 בתאריך 04.03.2026"),
        ("20 10 ןיב", "בין 10 20"),
        ("They said: חקול שקבמ today", "They said: מבקש לוקח today"),
        ("Total 12 (חוד), 5 left", "Total 12 (דוח), 5 left"),
        ("!2026-ב", "ב-2026!"),
        ("50$ אוה ריחמה", "המחיר הוא 50$"),
        ("plain (text) 1, 2", "plain (text) 1, 2"),
    ],
)
def test_line_is_read_in_logical_order(visual: str, logical: str) -> None:
    # Brackets on the page are mirror images in right-to-left text.
    assert read_line(line(visual)) == logical


@given(st.lists(st.text("אבגדה", min_size=1, max_size=4), min_size=1, max_size=6))
def test_right_to_left_words_are_reversed_with_their_letters(words: list[str]) -> None:
    assert read_line(line(" ".join(words)[::-1])) == " ".join(words)


@given(st.text("aב1 (،.-%$ل", max_size=40), st.randoms(use_true_random=False))
def test_every_glyph_of_a_line_is_kept(visual: str, order: random.Random) -> None:
    glyphs = line(visual)
    order.shuffle(glyphs)
    assert sorted(read_line(glyphs).replace(")", "(")) == sorted(visual)


def test_marks_and_ligatures_stay_with_their_letter() -> None:
    # PDFium gives the two letters of a lam-alef in visual order, both at the glyph's position.
    arabic = [Glyph("ا", 6, 12, 0, 12), Glyph("ل", 6, 12, 0, 12), Glyph("س", 0, 6, 0, 12)]
    assert read_line(arabic) == "لاس"
    # The marks of a letter are in the order of Unicode, wherever they are listed.
    marks = [Glyph("\u05c1", 11, 11, 0, 12), Glyph("\u05b8", 8, 10, 0, 12)]
    hebrew = [*marks, Glyph("ש", 6, 12, 0, 12), Glyph("ם", 0, 6, 0, 12)]
    assert read_line(hebrew) == "ש\u05b8\u05c1ם"


def test_raised_characters_stay_on_their_line() -> None:
    content = (
        "BT /F1 12 Tf 1 0 0 1 50 700 Tm (Area 5 m) Tj 7 Ts /F1 7 Tf (2) Tj 0 Ts /F1 12 Tf "
        "( of b) Tj /F1 7 Tf -3 Ts (c) Tj /F1 12 Tf 0 Ts (.) Tj 1 0 0 1 50 685 Tm (Next) Tj ET"
    )
    assert text_of(files.pdf_page(content)) == "Area 5 m2 of bc.\nNext"
    # A page with form fields is read glyph by glyph.
    field = "/Subtype /Widget /FT /Tx /T (Name) /V (Ann) /Rect [50 600 100 620]"
    with_field = text_of(files.pdf_page(content, annotations=[field]))
    assert with_field == "Area 5 m2 of bc.\nNext\nName: Ann"


def test_words_without_space_characters_are_separated() -> None:
    glyphs = [Glyph("ב", 0, 6, 0, 12), Glyph("א", 9, 15, 0, 12)]
    assert read_line(glyphs) == "א ב"


def test_right_to_left_page() -> None:
    lines = ["הלקוח מבקש כפתור ייצוא בדוח", "الزبون يطلب زر التصدير"]
    content = files.visual_pdf([*(text[::-1] for text in lines), "Office, 2026"])
    assert text_of(content) == "\n".join([*lines, "Office, 2026"])


# ---- glyphs


def test_glyph_names_of_ligatures() -> None:
    names = "/Encoding << /Differences [ 2 /f_i 31 /f_f_i.alt /g7 65 /T_h ] >>"
    content = files.pdf_page(r"BT /F1 12 Tf 72 700 Td (o\002t o\037ce A\040e) Tj ET", font=names)
    assert text_of(content) == "ofit office The".replace("The", "Th e")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f_i", "fi"),
        ("f_f_l.liga", "ffl"),
        ("ff_i", "ffi"),
        ("uni00660069", "fi"),
        ("u0066_u1F600", "f😀"),
        ("u110000", None),
        ("f_", None),
        ("g12", None),
        ("", None),
    ],
)
def test_text_of_a_glyph_name(name: str, text: str | None) -> None:
    assert glyph_text(name) == text


def test_signs_of_symbol_fonts() -> None:
    cmap = "begincmap 2 beginbfchar <61> <f0b7> <62> <f0fc> endbfchar endcmap"
    content = files.pdf_page("BT /F1 12 Tf 72 700 Td (ab) Tj ET", cmap=cmap)
    assert text_of(content) == "•✓"


def test_ligature_characters_and_hyphenated_words() -> None:
    content = files.visual_pdf(["o\ufb03ces were inte-", "grated"])
    assert text_of(content).split() == ["offices", "were", "integrated"]


def test_glyph_numbers_are_no_text() -> None:
    font = (
        "/Subtype /Type0 /Encoding /Identity-H /DescendantFonts [<< /Type /Font /BaseFont /Times "
        "/Subtype /CIDFontType2 /FontDescriptor << /Type /FontDescriptor /Flags 4 >> "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>]"
    )
    content = files.pdf_page("BT /F1 12 Tf 72 700 Td <000300240025> Tj ET", font=font)
    assert text_of(content) == ""


# ---- form fields and comments


def widget(kind: str, name: str, left: int, bottom: int, more: str) -> str:
    box = f"/Rect [{left} {bottom} {left + 100} {bottom + 16}]"
    return f"/Subtype /Widget /FT /{kind} /T ({name}) {box} {more}"


def test_form_values_stand_behind_their_labels() -> None:
    content = files.pdf_page(
        "BT /F1 12 Tf 72 700 Td (Company:) Tj 0 -40 Td (Plan:) Tj 0 -40 Td (Urgent) Tj "
        "200 0 Td (Agreed) Tj ET",
        annotations=[
            widget("Tx", "company", 150, 696, r"/V (Northwind\rTraders)"),
            widget("Ch", "plan", 150, 656, "/Ff 131072 /Opt [[(p) (Pro)] [(b) (Basic)]] /V (p)"),
            widget("Btn", "urgent", 150, 616, "/V /Yes /AS /Yes /AP << /N << /Yes 4 0 R >> >>"),
            widget("Btn", "agreed", 320, 616, "/V /Off /AS /Off /AP << /N << /Yes 4 0 R >> >>"),
            widget("Tx", "city", 150, 300, "/TU (City of the office) /V (Oslo)"),
            widget("Tx", "pin", 150, 200, "/Ff 8192 /V (secret)"),
            widget("Tx", "hidden", 150, 100, "/F 2 /V (secret)"),
            widget("Tx", "empty", 150, 50, ""),
        ],
    )
    assert text_of(content) == (
        "Company: Northwind\nTraders\nPlan: Pro\nUrgent [x] Agreed [ ]\nCity of the office: Oslo"
    )


def test_form_values_of_two_columns_and_of_a_rotated_page() -> None:
    # The labels of a column are drawn together.
    labels = (
        "BT /F1 12 Tf 50 700 Td (Name:) Tj 0 -30 Td (City:) Tj "
        "250 30 Td (Date:) Tj 0 -30 Td (Seats:) Tj ET"
    )
    fields = [
        widget("Tx", "name", 100, 696, "/V (Ann)"),
        widget("Tx", "city", 100, 666, "/V (Oslo)"),
        widget("Tx", "date", 350, 696, "/V (Monday)"),
        widget("Tx", "seats", 350, 666, "/V (25)"),
    ]
    content = files.pdf_page(labels, annotations=fields)
    assert text_of(content) == "Name: Ann\nCity: Oslo\nDate: Monday\nSeats: 25"
    rotated = content.replace(b"/Type /Page /Parent", b"/Type /Page /Rotate 90 /Parent")
    assert text_of(rotated).endswith("\nname: Ann\ncity: Oslo\ndate: Monday\nseats: 25")


def test_form_value_replaces_the_line_that_it_stands_on() -> None:
    content = files.pdf_page(
        "BT /F1 12 Tf 72 700 Td (Signed ______ on 4. May) Tj ET",
        annotations=["/Subtype /Widget /FT /Tx /T (s) /Rect [110 696 148 712] /V (A. Li)"],
    )
    assert text_of(content) == "Signed A. Li on 4. May"


def test_number_of_form_fields_is_limited() -> None:
    fields = [widget("Tx", f"f{number}", 100, 100, "/V (a)") for number in range(5010)]
    text = text_of(files.pdf_page("BT /F1 12 Tf 72 700 Td (a) Tj ET", annotations=fields))
    assert text.count(": a") == 5000


@pytest.mark.parametrize("end", ["</d>", "<broken"])
def test_values_of_an_xfa_form_follow_the_pages(end: str) -> None:
    values = f"<d><form><company>A &amp; B</company><seats> 25 </seats><none/></form>{end}"
    packet = f"/XX >>\nstream\n{values}\nendstream\nendobj\n8 0 obj\n<<"
    content = files.pdf_page(
        "BT /F1 12 Tf 72 700 Td (Please wait) Tj ET",
        annotations=[f"/Length {len(values)} {packet}", "/Subtype /Widget"],
    ).replace(b"/AcroForm <<", b"/NeedsRendering true /AcroForm << /XFA [(datasets) 7 0 R]")
    assert text_of(content) == "Please wait\n\ncompany: A & B\nseats: 25"


def test_free_text_and_comments_follow_their_page() -> None:
    box = "/Rect [72 500 300 520]"
    content = files.pdf_page(
        "BT /F1 12 Tf 72 700 Td (Page) Tj ET",
        annotations=[
            f"/Subtype /FreeText {box} /Contents (Call them back) /DA (/Helv 12 Tf)",
            f"/Subtype /Text {box} /Contents <FEFF00DC00730065> /T (Ann)",
            f"/Subtype /Highlight {box} /Contents (check)",
            f"/Subtype /Text {box} /F 2 /Contents (hidden)",
            f"/Subtype /Link {box} /Contents (link)",
        ],
    )
    assert text_of(content) == "Page\n\nCall them back\n\nComment by Ann: Üse\n\nComment: check"


# ---- damaged files


def test_file_with_wrong_offsets_is_repaired() -> None:
    content = files.pdf([["one"], ["two"]])
    assert text_of(content.replace(b"00000 n", b"00009 n").replace(b"000", b"900")) == "one\n\ntwo"


def test_page_that_cannot_be_read_is_left_out() -> None:
    content = files.pdf([["one"], ["two"]])
    assert text_of(content.replace(b"/Type /Page ", b"/Type /Nope ", 1)) == "two"


@given(st.integers(0, 10_000), st.binary(max_size=8))
def test_damage_raises_only_the_documented_error(position: int, junk: bytes) -> None:
    content = bytearray(files.pdf_page("BT /F1 9 Tf (a) Tj ET", annotations=["/Subtype /Text"]))
    content[position % len(content) :][: len(junk)] = junk
    with contextlib.suppress(ReadError):
        text_of(bytes(content))
