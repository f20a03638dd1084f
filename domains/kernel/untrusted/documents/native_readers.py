"""Readers of PDF files and Excel workbooks, by kreuzberg's native code."""

import re
from collections.abc import Sequence
from typing import Final

from kreuzberg import ExtractionConfig, PageConfig, extract_bytes_sync
from kreuzberg.exceptions import KreuzbergError

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

_PDF: Final = "application/pdf"
_WORKBOOK: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def read_pdf(data: bytes, _charset: str | None) -> str:
    """Return the text of the pages."""
    config = ExtractionConfig(use_cache=False, pages=PageConfig(extract_pages=True))
    try:
        result = extract_bytes_sync(data, _PDF, config)
    except KreuzbergError as error:
        if "password" in str(error).lower():
            raise ReadError(ExitCode.ENCRYPTED) from None
        if "Pdfium initialization" in str(error):
            # For example, the disk is full. The file is not the cause.
            raise ReadError(ExitCode.LIBRARY_UNAVAILABLE) from error
        raise
    # `content` is not used: it repeats at the end whatever looks like a table.
    pages = [str(page["content"]) for page in result.pages or ()]
    # U+0002 marks a word that was hyphenated at the end of a line.
    text = "\n\n".join(page.strip() for page in pages).replace("\x02", "")
    return re.sub("\r(?!\n)", "", text)


def read_workbook(data: bytes, _charset: str | None) -> str:
    """Return the name and the rows of each sheet. Cells are separated by bars."""
    result = extract_bytes_sync(data, _WORKBOOK, ExtractionConfig(use_cache=False))
    names = result.metadata.get("sheet_names", [])
    sheets = []
    for table in result.tables:
        at = table.page_number - 1
        rows = [line for row in table.cells if (line := _line(row))]
        sheets.append("\n".join([*names[at : at + 1], *rows]))
    return "\n\n".join(sheets)


def _line(row: Sequence[str]) -> str:
    return " | ".join(map(_cell, row)).rstrip(" |")


def _cell(value: str) -> str:
    # Dates without a time are written with midnight.
    return " ".join(value.removesuffix(" 00:00:00").split())
