"""Reader of PDF files, by PDFium: the text of the pages, form values, notes and comments."""

import ctypes
import re
from itertools import islice
from typing import Final

import pypdfium2
from pypdfium2 import raw as pdfium

from domains.kernel.untrusted.documents.pdf.annotations import AnnotationReader
from domains.kernel.untrusted.documents.pdf.field_placement import LinePositions
from domains.kernel.untrusted.documents.pdf.glyph_names import GlyphNames
from domains.kernel.untrusted.documents.pdf.text_order import RTL, Glyph, read_line
from domains.kernel.untrusted.documents.pdf.xfa import read_values
from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

# PDFium marks a word that was hyphenated at the end of a line with this character, in its text with
# U+FFFE, and adds no line end.
_HYPHEN: Final = "\x02"
_HYPHENS: Final = dict.fromkeys((ord(_HYPHEN), 0xFFFE))
_LIGATURES: Final = dict(
    zip(range(0xFB00, 0xFB07), ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True)
)
# Bullets and signs of the fonts Symbol and Wingdings, whose codes are not those of Unicode.
_SYMBOLS: Final = {
    **dict.fromkeys((0xF0B7, 0xF0A7, 0xF0D8, 0xF076), "•"), 0xF0FC: "✓", 0xF0E0: "→",
}  # fmt: skip
_CLEANED: Final = {**_HYPHENS, **_LIGATURES, **_SYMBOLS, ord("\r"): None}

_RIGHT_TO_LEFT: Final = re.compile(f"[{RTL}]")
# Codes of glyphs that PDFium cannot name. It gives other codes of such glyphs as characters.
_CONTROL: Final = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_END: Final = re.compile("\r\n")
# Lines of a page that are joined. PDFium takes longer for each the longer the page is.
_MAX_LINES: Final = 5000
# Characters of one line: the gap between them, at most, and the height that they share, at least,
# as parts of their heights.
_MAX_GAP: Final = 0.3
_MIN_SHARED_HEIGHT: Final = 0.4
# Characters of a page, at least, that are checked for having a name.
_SAMPLE: Final = 200


def read_pdf(data: bytes, _charset: str | None) -> str:
    """Return the pages, each followed by its notes and comments, then the values of an XFA form.

    Values of form fields stand behind their label, or else below their page with the field's name.
    Pages that cannot be read are left out.
    """
    document = _open(data)
    annotations = AnnotationReader(document)
    names = GlyphNames(document)
    pages = []
    for number in range(len(document)):
        page = pdfium.FPDF_LoadPage(document, number)
        if page:
            pages.append(_page_text(page, annotations, names))
            pdfium.FPDF_ClosePage(page)
    if not pages:
        raise ReadError(ExitCode.DAMAGED)
    return "\n\n".join(filter(None, [*pages, read_values(document)]))


def _open(data: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        is_encrypted = error.err_code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY)
        raise ReadError(ExitCode.ENCRYPTED if is_encrypted else ExitCode.DAMAGED) from None


def _page_text(page: pdfium.FPDF_PAGE, annotations: AnnotationReader, names: GlyphNames) -> str:
    fields, notes = annotations.read(page)
    textpage = pdfium.FPDFText_LoadPage(page)
    if not textpage:
        return ""
    text = _with_whole_lines(textpage, _regular_text(textpage))
    has_unnamed = _CONTROL.search(text) or _has_unnamed_glyphs(textpage)
    if fields or has_unnamed or _RIGHT_TO_LEFT.search(text):
        lines = _lines(textpage, names if has_unnamed else None)
        positions = LinePositions(lines)
        # The coordinates of a rotated page are those before its rotation.
        is_upright = pdfium.FPDFPage_GetRotation(page) == 0
        unplaced = [field for field in fields if not (is_upright and positions.place(field))]
        text = "\n".join(map(read_line, lines)).replace(f"{_HYPHEN}\n", "").strip()
        text = "\n".join([text, *(f"{field.name}: {field.value}" for field in unplaced)])
    pdfium.FPDFText_ClosePage(textpage)
    return "\n\n".join(filter(None, (text.translate(_CLEANED).strip(), *notes)))


def _regular_text(textpage: pdfium.FPDF_TEXTPAGE) -> str:
    count = pdfium.FPDFText_CountChars(textpage)
    # Indexes of characters and of the text may differ.
    size = 2 * max(count, 0) + 2
    buffer = (ctypes.c_ushort * size)()
    written = pdfium.FPDFText_GetText(textpage, 0, max(count, 0), buffer)
    return bytes(buffer)[: 2 * max(written - 1, 0)].decode("utf-16-le", "replace")


def _with_whole_lines(textpage: pdfium.FPDF_TEXTPAGE, text: str) -> str:
    """Join lines that PDFium divides at raised and lowered characters, as in m²."""
    parts: list[str] = []
    joined = checked = 0
    # PDFium counts characters beyond the Basic Multilingual Plane twice.
    counted_twice = 0
    line_ends = _LINE_END.finditer(text, 1, max(len(text) - 1, 1))
    for line_end in islice(line_ends, _MAX_LINES):
        start, end = line_end.span()
        counted_twice += sum(char > "\uffff" for char in text[checked:start])
        checked = end
        before, after = (
            _glyph(textpage, pdfium.FPDFText_GetCharIndexFromTextIndex(textpage, at), "")
            for at in (counted_twice + start - 1, counted_twice + end)
        )
        if _is_beside(before, after):
            parts.append(text[joined:start])
            joined = end
    return "".join([*parts, text[joined:]])


def _is_beside(before: Glyph, after: Glyph) -> bool:
    """True if a character stands directly behind another one, on the same line."""
    heights = before.top - before.bottom, after.top - after.bottom
    shared = min(before.top, after.top) - max(before.bottom, after.bottom)
    gap = after.left - before.right
    return abs(gap) < _MAX_GAP * max(heights) and shared > _MIN_SHARED_HEIGHT * min(heights)


def _glyph(textpage: pdfium.FPDF_TEXTPAGE, index: int, text: str) -> Glyph:
    """Return a character of a page with its place."""
    box = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(textpage, index, box)
    is_added = pdfium.FPDFText_IsGenerated(textpage, index) == 1
    return Glyph(text, box.left, box.right, box.bottom, box.top, is_added)


def _has_unnamed_glyphs(textpage: pdfium.FPDF_TEXTPAGE) -> bool:
    count = pdfium.FPDFText_CountChars(textpage)
    return any(
        pdfium.FPDFText_HasUnicodeMapError(textpage, index) == 1
        for index in range(0, count, max(count // _SAMPLE, 1))
    )


def _lines(textpage: pdfium.FPDF_TEXTPAGE, names: GlyphNames | None) -> list[list[Glyph]]:
    """Return the glyphs of each line as PDFium lists them, without the line ends that it added."""
    lines: list[list[Glyph]] = [[]]
    is_line_end = False
    for index in range(pdfium.FPDFText_CountChars(textpage)):
        code = pdfium.FPDFText_GetUnicode(textpage, index)
        if code in (0x0A, 0x0D) and pdfium.FPDFText_IsGenerated(textpage, index) == 1:
            is_line_end = True
            continue
        # A line end that PDFium did not add is a glyph without a mapping.
        text = "" if code in (0, 0x0A, 0x0D) else chr(code)
        is_unnamed = names and pdfium.FPDFText_HasUnicodeMapError(textpage, index) == 1
        if names and is_unnamed:
            text = names.text(textpage, index, code)
        if 0xDC00 <= code < 0xE000 and lines[-1] and "\ud800" <= lines[-1][-1].text < "\udc00":
            text = _pair(lines[-1].pop().text + text)
        glyph = _glyph(textpage, index, text)
        if is_line_end and lines[-1] and not _is_beside(lines[-1][-1], glyph):
            lines.append([])
        is_line_end = False
        lines[-1].append(glyph)
        if text == _HYPHEN and not is_unnamed:
            lines.append([])
    return [line for line in lines if line]


def _pair(surrogates: str) -> str:
    return surrogates.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
