"""Annotations of a PDF page: form fields, free text and comments."""

import ctypes
from collections.abc import Callable
from typing import Final, NamedTuple

import pypdfium2
from pypdfium2 import raw as pdfium

_HIDDEN: Final = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
_PASSWORD_FIELD: Final = 1 << 13

# Form fields of a document that are read. PDFium searches all of them for each.
_MAX_FIELDS: Final = 5000

_CHECKED: Final = {True: "[x]", False: "[ ]"}
_COMMENTS: Final = frozenset(
    {
        pdfium.FPDF_ANNOT_TEXT,
        pdfium.FPDF_ANNOT_HIGHLIGHT,
        pdfium.FPDF_ANNOT_UNDERLINE,
        pdfium.FPDF_ANNOT_SQUIGGLY,
        pdfium.FPDF_ANNOT_STRIKEOUT,
        pdfium.FPDF_ANNOT_CARET,
        pdfium.FPDF_ANNOT_LINE,
        pdfium.FPDF_ANNOT_SQUARE,
        pdfium.FPDF_ANNOT_CIRCLE,
        pdfium.FPDF_ANNOT_POLYGON,
        pdfium.FPDF_ANNOT_POLYLINE,
        pdfium.FPDF_ANNOT_INK,
        pdfium.FPDF_ANNOT_STAMP,
    }
)


class Field(NamedTuple):
    """A filled form field. Its rectangle is in points from the lower left corner of the page."""

    name: str
    value: str
    left: float
    right: float
    bottom: float
    top: float


class AnnotationReader:
    """Reads the annotations of the pages of a document."""

    def __init__(self, document: pypdfium2.PdfDocument) -> None:
        document.init_forms()
        self._form = document.formenv
        self._remaining = _MAX_FIELDS

    def read(self, page: pdfium.FPDF_PAGE) -> tuple[list[Field], list[str]]:
        """Return the filled fields of a page, and its free texts and comments.

        Hidden annotations are left out, and form fields after the first _MAX_FIELDS.
        """
        fields: list[Field] = []
        notes: list[str] = []
        for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
            annotation = pdfium.FPDFPage_GetAnnot(page, index)
            if not annotation:
                continue
            if not pdfium.FPDFAnnot_GetFlags(annotation) & _HIDDEN:
                if pdfium.FPDFAnnot_GetSubtype(annotation) != pdfium.FPDF_ANNOT_WIDGET:
                    notes.append(_note(annotation))
                elif value := self._read_value(annotation):
                    fields.append(_field(self._form, annotation, value))
            pdfium.FPDFPage_CloseAnnot(annotation)
        return fields, list(filter(None, notes))

    def _read_value(self, annotation: pdfium.FPDF_ANNOTATION) -> str:
        if not self._form or not self._remaining:
            return ""
        self._remaining -= 1
        return _field_value(self._form, annotation)


def _note(annotation: pdfium.FPDF_ANNOTATION) -> str:
    """Return a free text or a comment with its author, or an empty string."""
    kind = pdfium.FPDFAnnot_GetSubtype(annotation)
    if kind != pdfium.FPDF_ANNOT_FREETEXT and kind not in _COMMENTS:
        return ""
    text = _string(annotation, b"Contents")
    if kind == pdfium.FPDF_ANNOT_FREETEXT or not text:
        return text
    author = _string(annotation, b"T")
    return f"Comment by {author}: {text}" if author else f"Comment: {text}"


def _field(form: pypdfium2.PdfFormEnv, annotation: pdfium.FPDF_ANNOTATION, value: str) -> Field:
    names = (pdfium.FPDFAnnot_GetFormFieldAlternateName, pdfium.FPDFAnnot_GetFormFieldName)
    name = next(filter(None, (_wide(function, form, annotation) for function in names)), "Field")
    box = pdfium.FS_RECTF()
    pdfium.FPDFAnnot_GetRect(annotation, box)
    left, right = sorted((box.left, box.right))
    bottom, top = sorted((box.bottom, box.top))
    return Field(name, value, left, right, bottom, top)


def _field_value(form: pypdfium2.PdfFormEnv, annotation: pdfium.FPDF_ANNOTATION) -> str:
    kind = pdfium.FPDFAnnot_GetFormFieldType(form, annotation)
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        # The name of the appearance that is shown.
        return _CHECKED[_string(annotation, b"AS") not in ("", "Off")]
    if kind in (pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX):
        labels = [
            _wide(pdfium.FPDFAnnot_GetOptionLabel, form, annotation, option)
            for option in range(pdfium.FPDFAnnot_GetOptionCount(form, annotation))
            if pdfium.FPDFAnnot_IsOptionSelected(form, annotation, option)
        ]
        if labels:
            return ", ".join(labels)
    elif kind != pdfium.FPDF_FORMFIELD_TEXTFIELD:
        return ""
    if pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD_FIELD:
        return ""
    value = _wide(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)
    return value.replace("\r\n", "\n").replace("\r", "\n").strip()


def _string(annotation: pdfium.FPDF_ANNOTATION, key: bytes) -> str:
    text = _wide(pdfium.FPDFAnnot_GetStringValue, annotation, key)
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _wide(function: Callable[..., int], *arguments: object) -> str:
    """Call a function that writes UTF-16 with a terminator and returns its size in bytes."""
    size = function(*arguments, None, 0)
    buffer = (ctypes.c_ushort * (size // 2 + 1))()
    function(*arguments, buffer, size)
    return bytes(buffer)[: max(size - 2, 0)].decode("utf-16-le", "replace")
