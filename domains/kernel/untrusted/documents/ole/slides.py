"""Reader of PowerPoint 97 to 2003 files (PPT)."""

import io
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import olefile

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

# Types of records.
_NOTES_ATOM: Final = 0x03F1
_SLIDE_PERSIST: Final = 0x03F3
_COMMENT: Final = 0x2EE0
_STRING: Final = 0x0FBA
_TEXT_TYPE: Final = 0x0F9F
_TEXT_REFERENCE: Final = 0x0F9E
_TEXT_UNICODE: Final = 0x0FA0
_TEXT_BYTES: Final = 0x0FA8
_SLIDE_LIST: Final = 0x0FF0
_USER_EDIT: Final = 0x0FF5
_PERSIST_DIRECTORY: Final = 0x1772
# Contains records although it is not marked as a container.
_TAG_DATA: Final = 0x138B

# Instances of lists of slides, and the type of the text of notes.
_SLIDES: Final = 0
_NOTES: Final = 2
# Shown in place of the number of the page and of the date.
_PLACEHOLDER: Final = "*"

_ENCRYPTED: Final = 0xF3D1_C4DF
_MAX_EDITS: Final = 1000
_MAX_DEPTH: Final = 30


class _Record(NamedTuple):
    kind: int
    instance: int
    content: memoryview
    is_container: bool


class _Slide(NamedTuple):
    """A slide in a list of slides: where it is, and its texts that are stored in the list."""

    persist_id: int
    slide_id: int
    texts: list[str]


def read_old_slides(data: bytes, _charset: str | None) -> str:
    """Return the slides of a presentation in order, each with its speaker notes and comments."""
    with olefile.OleFileIO(io.BytesIO(data)) as file:
        current, stream = _stream(file, "Current User"), _stream(file, "PowerPoint Document")
    token, edit = struct.unpack_from("<2I", current, 12)
    if token == _ENCRYPTED:
        raise ReadError(ExitCode.ENCRYPTED)
    objects = _Objects(stream, edit)
    document = objects.take(objects.document_id)
    lists = {
        found.instance: list(_slide_list(found.content))
        for found in _records(document.content if document else stream[:0])
        if found.kind == _SLIDE_LIST
    }
    notes = dict(
        _notes(page)
        for listed in lists.get(_NOTES, [])
        if (page := objects.take(listed.persist_id)) is not None
    )
    texts: list[str] = []
    for listed in lists.get(_SLIDES, []):
        if (slide := objects.take(listed.persist_id)) is not None:
            shown, comments = _slide_texts(slide, listed.texts)
            texts += [*shown, notes.pop(listed.slide_id, ""), *comments]
    return "\n\n".join(filter(None, texts))


def _stream(file: olefile.OleFileIO, name: str) -> memoryview:
    with file.openstream(name) as stream:
        return memoryview(bytes(stream.read()))


class _Objects:
    """The document, the slides and the notes by id. Each is read once.

    Each time that a program saves changes, it may append an edit with the changed objects.
    """

    def __init__(self, stream: memoryview, edit: int) -> None:
        self.document_id = 0
        self._stream = stream
        self._offsets: dict[int, int] = {}
        self._bytes_left = len(stream)
        for _ in range(_MAX_EDITS):
            record = _record(stream, edit)
            if record.kind != _USER_EDIT:
                raise ReadError(ExitCode.DAMAGED)
            edit, directory, document = struct.unpack_from("<8x3I", record.content)
            self.document_id = self.document_id or document
            entries = _record(stream, directory)
            if entries.kind != _PERSIST_DIRECTORY:
                raise ReadError(ExitCode.DAMAGED)
            for number, offset in _directory(entries.content):
                self._offsets.setdefault(number, offset)
            if not edit:
                break

    def take(self, number: int) -> _Record | None:
        """Return an object, or None if it does not exist or was taken already."""
        offset = self._offsets.pop(number, None)
        if offset is None:
            return None
        record = _record(self._stream, offset)
        # Objects do not share bytes.
        self._bytes_left -= len(record.content)
        if self._bytes_left < 0:
            raise ReadError(ExitCode.DAMAGED)
        return record


def _directory(content: memoryview) -> Iterator[tuple[int, int]]:
    position = 0
    while position + 4 <= len(content):
        (entry,) = struct.unpack_from("<I", content, position)
        first, count = entry & 0xF_FFFF, entry >> 20
        for at in range(count):
            yield first + at, struct.unpack_from("<I", content, position + 4 + 4 * at)[0]
        position += 4 + 4 * count


def _record(stream: memoryview, position: int) -> _Record:
    version, kind, size = struct.unpack_from("<2HI", stream, position)
    content = stream[position + 8 : position + 8 + size]
    is_container = version & 15 == 15 or kind == _TAG_DATA
    return _Record(kind, version >> 4, content, is_container)


def _records(content: memoryview) -> Iterator[_Record]:
    position = 0
    while position + 8 <= len(content):
        record = _record(content, position)
        yield record
        position += 8 + len(record.content)


def _inner_records(record: _Record, depth: int = 0) -> Iterator[_Record]:
    """Iterate over the records in a container, at any depth, in their order."""
    for inner in _records(record.content):
        yield inner
        if inner.is_container and inner.kind != _COMMENT and depth < _MAX_DEPTH:
            yield from _inner_records(inner, depth + 1)


def _slide_list(content: memoryview) -> Iterator[_Slide]:
    slide: _Slide | None = None
    for record in _records(content):
        if record.kind == _SLIDE_PERSIST:
            if slide:
                yield slide
            persist_id, slide_id = struct.unpack_from("<I8xI", record.content)
            slide = _Slide(persist_id, slide_id, [])
        elif slide and record.kind == _TEXT_TYPE:
            slide.texts.append("")
        elif slide and slide.texts and record.kind in (_TEXT_UNICODE, _TEXT_BYTES):
            slide.texts[-1] = _text(record)
    if slide:
        yield slide


def _slide_texts(slide: _Record, listed: list[str]) -> tuple[list[str], list[str]]:
    """Return the texts and the comments of a slide. Some texts are in the list of slides."""
    texts: list[str] = []
    comments: list[str] = []
    for record in _inner_records(slide):
        if record.kind in (_TEXT_UNICODE, _TEXT_BYTES):
            texts.append(_text(record))
        elif record.kind == _TEXT_REFERENCE:
            (number,) = struct.unpack_from("<I", record.content)
            texts += listed[number : number + 1]
        elif record.kind == _COMMENT:
            comments.append(_comment(record))
    return [text for text in texts if text != _PLACEHOLDER], comments


def _notes(page: _Record) -> tuple[int, str]:
    """Return the id of the slide that a page of notes belongs to, and its text."""
    slide_id = text_type = 0
    texts: list[str] = []
    for record in _inner_records(page):
        if record.kind == _NOTES_ATOM:
            (slide_id,) = struct.unpack_from("<I", record.content)
        elif record.kind == _TEXT_TYPE:
            (text_type,) = struct.unpack_from("<I", record.content)
        elif record.kind in (_TEXT_UNICODE, _TEXT_BYTES) and text_type == _NOTES:
            texts.append(_text(record))
    text = "\n".join(filter(None, texts))
    return slide_id, f"Notes: {text}" if text else ""


def _comment(comment: _Record) -> str:
    strings = {
        record.instance: _text(record)
        for record in _records(comment.content)
        if record.kind == _STRING
    }
    author, text = strings.get(0, ""), strings.get(1, "")
    return f"Comment by {author}: {text}" if author and text else text


def _text(record: _Record) -> str:
    content = bytes(record.content)
    encoding = "latin-1" if record.kind == _TEXT_BYTES else "utf-16-le"
    return content.decode(encoding, "replace").replace("\r", "\n").replace("\v", "\n").strip()
