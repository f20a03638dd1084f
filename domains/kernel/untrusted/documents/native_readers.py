"""Reader of Excel workbooks, by kreuzberg's native code."""

from collections.abc import Sequence
from typing import Final

from kreuzberg import ExtractionConfig, extract_bytes_sync

_WORKBOOK: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


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
