"""Text of glyphs that PDFium cannot name, by the rules of the Adobe Glyph List."""

import contextlib
import ctypes
import io
import re
from functools import cached_property
from typing import Final, NamedTuple

import pypdfium2
from pypdfium2 import raw as pdfium

_OBJECT: Final = re.compile(rb"\b(\d{1,10}) \d{1,5} obj\b")
_DIFFERENCES: Final = re.compile(rb"/Differences\s*\[([^\[\]]*)\]")
_BASE_FONT: Final = re.compile(rb"/BaseFont\s*/([^\s/<>\[\]()]+)")
_ENCODING: Final = re.compile(rb"/Encoding\s+(\d{1,10}) \d{1,5} R")
_MAX_FONT_NAME: Final = 256

_COMPOSITE: Final = re.compile(rb"/Subtype\s*/(Type0|CIDFontType[02])\b")

# Text of each glyph of a font by its code.
_Texts = dict[int, str]


class _Fonts(NamedTuple):
    texts: dict[bytes, _Texts]
    """The glyphs that have a known name, by the name of the font."""
    composite: set[bytes]
    """Names of the fonts whose codes are numbers of glyphs."""


class GlyphNames:
    """The names that the fonts of a document give to their glyphs."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        self._document = document

    def text(self, textpage: pdfium.FPDF_TEXTPAGE, index: int, code: int) -> str:
        """Return the text of a character that PDFium gives as its `code` in the font.

        A code without a known name is a character itself in fonts that have up to 256 glyphs, as in
        those of TeX. In others and for control characters, it has no text.
        """
        font = _font_name(textpage, index)
        found = self._fonts.texts.get(font, {}).get(code)
        if found is not None:
            return found
        is_text = chr(code).isprintable() and font not in self._fonts.composite
        return chr(code) if is_text else ""

    @cached_property
    def _fonts(self) -> _Fonts:
        # PDFium has no function for this. In the copy no object is compressed or encrypted.
        copy = io.BytesIO()
        with contextlib.suppress(pypdfium2.PdfiumError):
            self._document.save(copy, flags=pdfium.FPDF_REMOVE_SECURITY)
        return _read_fonts(copy.getvalue())


def _font_name(textpage: pdfium.FPDF_TEXTPAGE, index: int) -> bytes:
    text_object = pdfium.FPDFText_GetTextObject(textpage, index)
    font = pdfium.FPDFTextObj_GetFont(text_object) if text_object else None
    if not font:
        return b""
    buffer = ctypes.create_string_buffer(_MAX_FONT_NAME)
    pdfium.FPDFFont_GetBaseFontName(font, buffer, _MAX_FONT_NAME)
    return buffer.value


def _read_fonts(file: bytes) -> _Fonts:
    encodings: dict[int, _Texts] = {}
    fonts: list[tuple[bytes, int]] = []
    composite: set[bytes] = set()
    end = 0
    while (match := _OBJECT.search(file, end)) and (end := file.find(b"endobj", match.end())) > 0:
        number = int(match[1])
        content = file[match.end() : end].partition(b"stream")[0]
        if differences := _DIFFERENCES.search(content):
            encodings[number] = _read_differences(differences[1])
        # A descendant font may be part of the object of its font.
        if found := set(map(_unescape, _BASE_FONT.findall(content))):
            encoding = _ENCODING.search(content)
            fonts += ((name, int(encoding[1]) if encoding else number) for name in found)
            if _COMPOSITE.search(content):
                composite |= found
    texts: dict[bytes, _Texts] = {}
    for font, number in fonts:
        known = texts.setdefault(font, {})
        for code, text in encodings.get(number, {}).items():
            # Two fonts of the same name may differ: neither text is certain.
            known[code] = text if known.get(code, text) == text else ""
    return _Fonts(texts, composite)


def _read_differences(array: bytes) -> _Texts:
    """Read an array such as `31 /f_i /f_l 65 /A`: the name of code 31, of 32, and of 65."""
    texts: _Texts = {}
    code = 0
    for number, name in re.findall(rb"(\d{1,5})|/([^\s/]*)", array):
        if number:
            code = int(number)
        else:
            text = glyph_text(_unescape(name).decode("ascii", "replace"))
            if text is not None:
                texts[code] = text
            code += 1
    return texts


def _unescape(name: bytes) -> bytes:
    return re.sub(rb"#([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), name)


def glyph_text(name: str) -> str | None:
    """Return the text of a glyph named by letters or code points, or None.

    `f_f_i` is ffi, `f_i.alt` is fi, `uni00660069` and `u0066_u0069` are fi.
    """
    parts = [_component(part) for part in name.partition(".")[0].split("_")]
    return None if None in parts else "".join(filter(None, parts))


def _component(name: str) -> str | None:
    if re.fullmatch("[A-Za-z]|ff|fi|fl|ffi|ffl", name):
        return name
    if re.fullmatch("uni(?:[0-9A-F]{4}){1,8}", name):
        return bytes.fromhex(name[3:]).decode("utf-16-be", "replace")
    if re.fullmatch("u[0-9A-F]{4,6}", name) and int(name[1:], 16) < 0x110000:
        return chr(int(name[1:], 16))
    return None
