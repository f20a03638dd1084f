"""Reader of Outlook messages (MSG)."""

import io
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

import olefile

from domains.kernel.untrusted.documents.attachments import Attachments, attachment_limits
from domains.kernel.untrusted.documents.charset import decode
from domains.kernel.untrusted.documents.html_reader import read_html
from domains.kernel.untrusted.documents.office.rich_text import read_rich_text
from domains.kernel.untrusted.documents.ole.compressed_rtf import decompress
from domains.kernel.untrusted.documents.reader_process import ReadError

_Path = tuple[str, ...]
# The streams and folders of a folder by name. Streams are empty.
_Folder = dict[str, "_Folder"]

# Identifiers of properties.
_SUBJECT: Final = 0x0037
_SUBMIT_TIME: Final = 0x0039
_DELIVERY_TIME: Final = 0x0E06
_SENDER: Final = (0x0C1A, 0x5D01, 0x0C1F)  # name, SMTP address, address
_REPRESENTED: Final = (0x0042, 0x5D02, 0x0065)
_RECIPIENT: Final = (0x3001, 0x39FE, 0x3003)
_RECIPIENT_TYPE: Final = 0x0C15
_BODY: Final = 0x1000
_HTML: Final = 0x1013
_COMPRESSED_RTF: Final = 0x1009
_FILE_DATA: Final = 0x3701
_FILE_NAMES: Final = (0x3707, 0x3704, 0x3001)  # long, short, shown
_FILE_TYPE: Final = 0x370E
_CONTENT_ID: Final = 0x3712
_INTERNET_CODE_PAGE: Final = 0x3FDE
_MESSAGE_CODE_PAGE: Final = 0x3FFD

# Types of properties in names of streams.
_UNICODE: Final = "001F"
_STRING: Final = "001E"
_BINARY: Final = "0102"
_OBJECT: Final = "000D"

_TO, _CC = 1, 2
# Encodings whose number as a code page is not the name that Python has.
_ENCODINGS: Final = {
    1200: "utf-16-le", 20127: "ascii", 20866: "koi8_r", 21866: "koi8_u", 50220: "iso2022_jp",
    50221: "iso2022_jp", 50222: "iso2022_jp", 51932: "euc_jp", 51949: "euc_kr", 54936: "gb18030",
    65001: "utf-8", **{28590 + part: f"iso8859-{part}" for part in range(1, 17)},
}  # fmt: skip
_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)
# Messages that are attached to attached messages.
_MAX_NESTING: Final = 10


def read_outlook(data: bytes, _charset: str | None) -> str:
    """Return the main headers, the text, the names of the attachments and the texts of these.

    Attached messages follow the text.
    """
    with olefile.OleFileIO(io.BytesIO(data)) as file, attachment_limits():
        root: _Folder = {}
        for path in file.listdir(streams=True, storages=False):
            folder = root
            for name in path[:-1]:
                folder = folder.setdefault(name, {})
            folder.setdefault(path[-1], {})
        return _message(_Storage(file, root, (), header=32), 0)


class _Storage:
    """The properties of a message, recipient or attachment: a folder of the OLE file."""

    def __init__(self, file: olefile.OleFileIO, folder: _Folder, path: _Path, header: int) -> None:
        self._file = file
        self._folder = folder
        self._path = path
        self._names = {name.upper(): name for name, inner in folder.items() if not inner}
        self._fixed = self._fixed_values(header)

    def folders(self, prefix: str, header: int) -> Iterator["_Storage"]:
        """Iterate over the folders whose names begin with this prefix.

        Their properties have a header of this number of bytes.
        """
        for name, inner in sorted(self._folder.items()):
            if inner and name.startswith(prefix):
                yield _Storage(self._file, inner, (*self._path, name), header)

    def number(self, prop: int) -> int | None:
        value = self._fixed.get(prop)
        return struct.unpack("<i", value[:4])[0] if value else None

    def time(self, prop: int) -> datetime | None:
        value = self._fixed.get(prop)
        try:
            (ticks,) = struct.unpack("<Q", value or b"")
            return _EPOCH + timedelta(microseconds=ticks // 10)
        except (struct.error, OverflowError):
            return None

    def binary(self, prop: int) -> bytes | None:
        return self._stream(prop, _BINARY)

    def text(self, prop: int, code_page: int | None) -> str:
        """Return a text property, or an empty string."""
        if (content := self._stream(prop, _UNICODE)) is not None:
            text = content.decode("utf-16-le", "replace")
        elif (content := self._stream(prop, _STRING)) is not None:
            text = _decoded(content, code_page)
        else:
            return ""
        return text.rstrip("\0").strip()

    def _stream(self, prop: int, kind: str) -> bytes | None:
        return self._content(f"__SUBSTG1.0_{prop:04X}{kind}")

    def _content(self, name: str) -> bytes | None:
        if name not in self._names:
            return None
        with self._file.openstream([*self._path, self._names[name]]) as stream:
            return bytes(stream.read())

    def _fixed_values(self, header: int) -> dict[int, bytes]:
        content = self._content("__PROPERTIES_VERSION1.0") or b""
        entries = (content[at : at + 16] for at in range(header, len(content) - 15, 16))
        return {int.from_bytes(entry[2:4], "little"): entry[8:] for entry in entries}


def _message(message: _Storage, nesting: int) -> str:
    code_page = message.number(_MESSAGE_CODE_PAGE)
    attachments = Attachments()
    nested: list[str] = []
    for attached in message.folders("__attach_version1.0_", header=8):
        inner = next(attached.folders(f"__substg1.0_{_FILE_DATA:04X}{_OBJECT}", header=24), None)
        is_message = inner is not None and inner.number(_MESSAGE_CODE_PAGE) is not None
        if inner is not None and is_message and nesting < _MAX_NESTING:
            nested.append(_message(inner, nesting + 1))
        elif not (attached.text(_CONTENT_ID, code_page) and _is_image(attached, code_page)):
            names = (attached.text(name, code_page) for name in _FILE_NAMES)
            file_type = attached.text(_FILE_TYPE, code_page) or "application/octet-stream"
            attachments.add(next(filter(None, names), None), file_type, attached.binary(_FILE_DATA))
    headers = "\n".join(_headers(message, code_page))
    sections = [headers, _body(message, code_page), *nested, *attachments.sections()]
    return "\n\n".join(section for section in map(str.strip, sections) if section)


def _is_image(attached: _Storage, code_page: int | None) -> bool:
    return attached.text(_FILE_TYPE, code_page).lower().startswith("image/")


def _headers(message: _Storage, code_page: int | None) -> Iterator[str]:
    sender = _person(message, _SENDER, code_page) or _person(message, _REPRESENTED, code_page)
    if sender:
        yield f"From: {sender}"
    recipients: dict[int | None, list[str]] = {}
    for recipient in message.folders("__recip_version1.0_", header=8):
        if person := _person(recipient, _RECIPIENT, code_page):
            recipients.setdefault(recipient.number(_RECIPIENT_TYPE), []).append(person)
    for kind, name in ((_TO, "To"), (_CC, "Cc")):
        if kind in recipients:
            yield f"{name}: {', '.join(recipients[kind])}"
    if sent := message.time(_SUBMIT_TIME) or message.time(_DELIVERY_TIME):
        yield f"Date: {format_datetime(sent)}"
    if subject := message.text(_SUBJECT, code_page):
        yield f"Subject: {subject}"


def _person(storage: _Storage, props: tuple[int, int, int], code_page: int | None) -> str:
    """Return the name and the address of a person, without addresses inside of Exchange."""
    name, *addresses = (storage.text(prop, code_page).strip("'\" ") for prop in props)
    address = next((address for address in addresses if "@" in address), "")
    if not name or name == address:
        return address
    return f"{name} <{address}>" if address else name


def _body(message: _Storage, code_page: int | None) -> str:
    """Return the text of a message: its plain text, or else the text of its HTML or RTF."""
    body_code_page = message.number(_INTERNET_CODE_PAGE) or code_page
    if text := message.text(_BODY, body_code_page):
        return text
    if html := message.binary(_HTML):
        return read_html(html, _encoding(body_code_page))
    if html_text := message.text(_HTML, body_code_page):
        return read_html(html_text.encode("utf-8", "replace"), "utf-8")
    if compressed := message.binary(_COMPRESSED_RTF):
        return read_rich_text(decompress(compressed), None)
    return ""


def _decoded(content: bytes, code_page: int | None) -> str:
    try:
        return decode(content, _encoding(code_page))
    except ReadError:
        return content.decode("cp1252", "replace")


def _encoding(code_page: int | None) -> str | None:
    return None if not code_page else _ENCODINGS.get(code_page, f"cp{code_page}")
