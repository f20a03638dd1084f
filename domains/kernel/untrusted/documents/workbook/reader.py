"""Reader of workbooks (XLSX, XLSM, XLSB, XLS, ODS), by calamine."""

import io
import re
import sys
import zipfile
from collections.abc import Iterator
from typing import Final

import python_calamine as calamine

from domains.kernel.untrusted.documents.office.packages import Package
from domains.kernel.untrusted.documents.ole.detection import MAGIC as OLE_MAGIC
from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError
from domains.kernel.untrusted.documents.workbook import ods_details, xls_details, xlsx_details
from domains.kernel.untrusted.documents.workbook.details import NO_DETAILS, SheetDetails
from domains.kernel.untrusted.documents.workbook.number_formats import Value, format_value

# calamine gives durations of ODS files as this text.
_DURATION: Final = re.compile(r"PT(\d{1,9})H(\d\d)M(\d\d)(?:[.,]\d+)?S")

# Records at the beginning of a workbook: its version, write protection, encryption.
_ENCRYPTED_XLS: Final = re.compile(rb"\x09\x08.[\0-\x10].{8,16}(\x86\0\0\0)?\x2f\0", re.DOTALL)

# Stands for bytes that are invalid in the code page.
_UNDECODED: Final = "\ufffd"
_VALUE: Final = re.compile(rb"(<(?:\w+:)?v>)([^<]*)</")


def read_workbook(data: bytes, _charset: str | None) -> str:
    """Return the name, the rows and the comments of each sheet. Cells are separated by bars.

    Formulas are given by their stored values, merged cells by their first one. Sheets without
    values are left out. In XLSX files, times, percentages and currencies follow the formats of
    their cells.
    """
    if _is_encrypted_ods(data):
        raise ReadError(ExitCode.ENCRYPTED)
    try:
        text = _readable_text(data)
    except BaseException as error:
        # A panic of the library is no Exception.
        if type(error).__name__ == "PanicException":
            raise ReadError(ExitCode.DAMAGED) from error
        raise
    is_old = data.startswith(OLE_MAGIC) and _UNDECODED in text
    if is_old and xls_details.has_double_byte_text(data):
        raise ReadError(ExitCode.OLD_FORMAT)
    return text


def _readable_text(data: bytes) -> str:
    """Return the text of a workbook, also of one in which values are padded with white space."""
    try:
        return _workbook_text(data)
    except calamine.CalamineError:
        # calamine tries all formats in turn and does not say why each failed.
        if _ENCRYPTED_XLS.search(data):
            raise ReadError(ExitCode.ENCRYPTED) from None
        if not data.startswith(b"PK"):
            raise
        return _workbook_text(_without_padding(data))


def _workbook_text(data: bytes) -> str:
    workbook = calamine.load_workbook(io.BytesIO(data))
    details = _details(data)
    texts = []
    for index, sheet in enumerate(workbook.sheets_metadata):
        if sheet.typ != calamine.SheetTypeEnum.WorkSheet:
            continue
        sheet_details = details.get(sheet.name, NO_DETAILS)
        lines = list(_lines(workbook.get_sheet_by_index(index), sheet_details))
        lines += sheet_details.comments
        if lines:
            is_hidden = sheet.visible != calamine.SheetVisibleEnum.Visible
            texts.append("\n".join([f"{sheet.name} (hidden)" if is_hidden else sheet.name, *lines]))
    return "\n\n".join(texts)


def _without_padding(data: bytes) -> bytes:
    """Remove white space around the values of cells, which calamine refuses in numbers."""
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(".xml"):
                content = _VALUE.sub(lambda match: match[1] + match[2].strip() + b"</", content)
            target.writestr(name, content)
    return copy.getvalue()


def _details(data: bytes) -> dict[str, SheetDetails]:
    """Return the details of each sheet by name. If they cannot be read, there are none."""
    try:
        if data.startswith(OLE_MAGIC):
            return xls_details.read_details(data)
        package = Package(data)
        if package.has("content.xml"):
            return ods_details.read_details(package)
        return xlsx_details.read_details(package)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # an untrusted file can cause any exception
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return {}


def _is_encrypted_ods(data: bytes) -> bool:
    try:
        package = Package(data)
    except zipfile.BadZipFile:
        return False
    manifest = "META-INF/manifest.xml"
    return package.has(manifest) and b"encryption-data" in package.read(manifest)


def _lines(sheet: calamine.CalamineSheet, details: SheetDetails) -> Iterator[str]:
    if sheet.start is None:
        return
    first_column = sheet.start[1]
    # The rows begin with the first of the sheet, the columns with the first that has a value.
    for row, values in enumerate(sheet.iter_rows()):
        formats = details.formats.get(row, {})
        texts = details.texts.get(row, {})
        if not formats and not texts:
            cells = [_cell(value) for value in values]
        else:
            cells = [
                texts.get(column) or _cell(value, formats.get(column))
                for column, value in enumerate(values, first_column)
            ]
        if line := " | ".join(cells).rstrip(" |"):
            yield line


def _cell(value: Value, code: str | None = None) -> str:
    if not isinstance(value, str):
        return format_value(value, code)
    duration = _DURATION.fullmatch(value) if value.startswith("PT") else None
    return ":".join(duration.groups()).removesuffix(":00") if duration else " ".join(value.split())
