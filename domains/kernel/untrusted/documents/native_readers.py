"""How PDF files and Excel workbooks are read; the main module of a sandbox, as `reading` is."""

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from kreuzberg import ExtractionConfig, PageConfig, extract_bytes_sync
from kreuzberg.exceptions import KreuzbergError

from domains.kernel.untrusted.documents.document_readers import (
    ENCRYPTED,
    NOT_READY,
    Reader,
    Refused,
    main,
)

_PDF: Final = "application/pdf"
_WORKBOOK: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def read_pdf(data: bytes, _charset: str | None) -> str:
    """The text of the pages."""
    config = ExtractionConfig(use_cache=False, pages=PageConfig(extract_pages=True))
    try:
        result = extract_bytes_sync(data, _PDF, config)
    except KreuzbergError as error:
        if "password" in str(error).lower():
            raise Refused(ENCRYPTED) from None
        if "Pdfium initialization" in str(error):
            # The disk is full, for instance: nothing that the file could help.
            raise Refused(NOT_READY) from error
        raise
    # Not the whole `content`: that repeats at its end what looks like a table.
    pages = [str(page["content"]) for page in result.pages or ()]
    # U+0002 is where a word was broken at the end of a line.
    text = "\n\n".join(page.strip() for page in pages).replace("\x02", "")
    return re.sub("\r(?!\n)", "", text)


def read_workbook(data: bytes, _charset: str | None) -> str:
    """The name and the rows of each sheet; cells are parted by bars, empty rows left out."""
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
    # A date without a time.
    return " ".join(value.removesuffix(" 00:00:00").split())


READERS: Final[Mapping[str, Reader]] = {"pdf": read_pdf, "workbook": read_workbook}

if __name__ == "__main__":
    sys.exit(main(READERS, *sys.argv[1:]))
