"""Values of XFA forms. Their pages only ask for another program, so the values are listed."""

import contextlib
import ctypes
from collections.abc import Mapping
from typing import Final
from xml.parsers import expat

import pypdfium2
from pypdfium2 import raw as pdfium

from domains.kernel.untrusted.documents.office.packages import local_name, parse_xml
from domains.kernel.untrusted.documents.reader_process import ReadError

_VALUES: Final = "datasets"
_MAX_PACKETS: Final = 100
_MAX_NAME: Final = 64


def read_values(document: pypdfium2.PdfDocument) -> str:
    """Return the values as lines `name: value`; an empty string if there are none."""
    if pdfium.FPDF_GetFormType(document) != pdfium.FORMTYPE_XFA_FULL:
        return ""
    count = min(pdfium.FPDF_GetXFAPacketCount(document), _MAX_PACKETS)
    for index in range(count):
        name = ctypes.create_string_buffer(_MAX_NAME)
        pdfium.FPDF_GetXFAPacketName(document, index, name, _MAX_NAME)
        if name.value.decode("latin-1") == _VALUES:
            return _values(_packet(document, index))
    return ""


def _packet(document: pypdfium2.PdfDocument, index: int) -> bytes:
    size = ctypes.c_ulong()
    pdfium.FPDF_GetXFAPacketContent(document, index, None, 0, size)
    buffer = ctypes.create_string_buffer(max(size.value, 1))
    pdfium.FPDF_GetXFAPacketContent(document, index, buffer, size.value, size)
    return buffer.raw[: size.value]


def _values(packet: bytes) -> str:
    lines: list[str] = []
    texts: list[str] = []

    def start(_tag: str, _attributes: Mapping[str, str]) -> None:
        texts.clear()

    def end(tag: str) -> None:
        if value := " ".join("".join(texts).split()):
            lines.append(f"{local_name(tag)}: {value}")
        texts.clear()

    # The values before an error are better than none.
    with contextlib.suppress(expat.ExpatError, ReadError):
        parse_xml(packet, start, end, texts.append)
    return "\n".join(lines)
