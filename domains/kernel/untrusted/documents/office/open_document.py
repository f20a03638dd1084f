"""Reader of OpenDocument texts, presentations and drawings, and of flat OpenDocument files."""

import io
import posixpath
import zipfile
from collections.abc import Mapping
from typing import Final

import msgspec

from domains.kernel.untrusted.documents.office.blocks import PartReader, TextBuilder, attribute
from domains.kernel.untrusted.documents.office.numbering import number, write_number
from domains.kernel.untrusted.documents.office.packages import local_name, parse_xml
from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

# Names of the same things in Office Open XML.
_NAMES: Final = {
    "h": "p",
    "table": "tbl",
    "table-row": "tr",
    "table-cell": "tc",
    # Behind or below a cell that spans several.
    "covered-table-cell": "tc",
    "text-box": "txBody",
    "line-break": "br",
}
# Elements whose text is not part of the document. Text in the others is shown.
_SKIPPED: Final = frozenset({
    "text:tracked-changes", "text:note-citation", "text:page-number", "text:page-count",
    "text:ruby-text", "text:hidden-text", "dc:date", "meta:date-string", "svg:title", "svg:desc",
    "office:forms", "office:scripts", "office:meta",
})  # fmt: skip
# Elements that are read into a text of their own.
_COMMENTS: Final = frozenset({"office:annotation", "officeooo:annotation"})
_SECTIONS: Final = _COMMENTS | {
    "text:note", "presentation:notes", "style:header", "style:footer"
}  # fmt: skip
_NUMBER_FORMATS: Final = {
    "a": "lowerLetter",
    "A": "upperLetter",
    "i": "lowerRoman",
    "I": "upperRoman",
    "1": "decimal",
}
# Repeated cells and spaces that are written, and the text up to which cells are repeated.
_MAX_REPEATED: Final = 100
_MAX_REPEATED_TEXT: Final = 1000


def read_open_document(data: bytes, _charset: str | None) -> str:
    """Return the headers of the pages, the text or slides, the footers, notes and comments.

    Charts are given by their titles and tables. Deleted text and page numbers are left out.
    """
    builder = _OpenDocumentBuilder(None)
    if not data.startswith(b"PK"):
        parse_xml(data, builder.start, builder.end, builder.data)
        return builder.document
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = frozenset(archive.namelist())
        if "encrypted-package" in names or (
            "META-INF/manifest.xml" in names
            and b"encryption-data" in archive.read("META-INF/manifest.xml")
        ):
            raise ReadError(ExitCode.ENCRYPTED)

        read = {"content.xml"}

        def read_object(path: str) -> str:
            part = posixpath.normpath(f"{path}/content.xml")
            if part not in names or part in read:
                return ""
            read.add(part)
            found = _OpenDocumentBuilder(None)
            parse_xml(archive.read(part), found.start, found.end, found.data)
            return found.document

        builder = _OpenDocumentBuilder(read_object)
        parts = ["styles.xml", "content.xml"] if "styles.xml" in names else ["content.xml"]
        for part in parts:
            parse_xml(archive.read(part), builder.start, builder.end, builder.data)
        return builder.document


class _ListLevel(msgspec.Struct):
    number_format: str | None = None
    """None for a bullet."""
    prefix: str = ""
    suffix: str = ""
    start: int = 1
    shown_levels: int = 1


class _OpenList(msgspec.Struct):
    style: str
    count: int | None = None


class _OpenDocumentBuilder(TextBuilder):
    """Reads the styles, then the content. Both may have texts and definitions of lists."""

    def __init__(self, read_object: PartReader | None) -> None:
        super().__init__()
        self._read_object = read_object
        self._sections: dict[str, list[str]] = {section: [] for section in _SECTIONS}
        self._author = ""
        self._style = ""
        self._hidden_styles: set[str] = set()
        self._list_styles: dict[str, dict[int, _ListLevel]] = {}
        self._list_style = ""
        self._lists: list[_OpenList] = []
        # The last number of the lists of each style and level, for lists that continue.
        self._last_counts: dict[tuple[str, int], int] = {}
        self._label = ""
        # How often the open cells are repeated.
        self._repeats: list[int] = []

    @property
    def document(self) -> str:
        """The whole text. The notes of slides are in their place."""
        found = self._sections
        before, after = found["style:header"], found["style:footer"]
        notes = [*found["text:note"], *(note for kind in _COMMENTS for note in found[kind])]
        sections = [*dict.fromkeys(before), self.text, *dict.fromkeys(after), *notes]
        return "\n\n".join(filter(None, sections))

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if not self._skipped_depth:
            if tag in _SKIPPED:
                self._skipped_depth = 1
                return
            if tag in _SECTIONS:
                self.open_block()
            elif tag == "dc:creator":
                self._paragraphs.append([])
            elif tag == "text:s":
                count = number(attribute(attributes, "c")) or 1
                self._paragraphs[-1].append(" " * min(count, _MAX_REPEATED))
            elif tag == "draw:object" and self._read_object:
                self._add(self._read_object(attribute(attributes, "href")))
            elif tag == "style:master-page":
                # Its prompts are not text. Its headers and footers are.
                self.open_block()
            elif _NAMES.get(name) == "tc":
                repeated = number(attribute(attributes, "number-columns-repeated"))
                self._repeats.append(min(max(repeated, 1), _MAX_REPEATED))
            elif tag.startswith("text:list"):
                self._start_list(name, attributes)
            elif tag.startswith("style:"):
                self._start_style(tag, attributes)
        super().start(_NAMES.get(name, name), attributes)

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if not self._skipped_depth:
            if tag in _SECTIONS:
                self._end_section(tag, "\n".join(self._blocks.pop()))
            elif tag == "style:master-page":
                self._blocks.pop()
            elif tag == "dc:creator":
                self._author = "".join(self._paragraphs.pop()).strip()
            elif tag in ("text:list", "text:list-item") and self._lists:
                self._label = ""
                if tag == "text:list":
                    self._lists.pop()
        super().end(_NAMES.get(name, name))
        if _NAMES.get(name) == "tc" and not self._skipped_depth:
            cell = self._blocks[-1][-1]
            times = self._repeats.pop() - 1 if len(cell) <= _MAX_REPEATED_TEXT else 0
            self._blocks[-1] += [cell] * times

    def data(self, text: str) -> None:
        if len(self._paragraphs) > 1 and not self._skipped_depth:
            # White space is written as elements, except single spaces.
            previous = self._paragraphs[-1][-1:] or [""]
            words = " ".join(text.split())
            starts = text[:1].isspace() and not previous[0].endswith(" ")
            ends = text[-1:].isspace() and bool(words)
            self._paragraphs[-1].append(" " * starts + words + " " * ends)

    def is_hidden(self, name: str, attributes: Mapping[str, str]) -> bool:
        if name == "section":
            return attribute(attributes, "display") == "none"
        return name in ("p", "span") and attribute(attributes, "style-name") in self._hidden_styles

    def end_paragraph(self, text: str) -> str:
        label, self._label = self._label, ""
        return f"{label} {text}" if label and text else text

    def _end_section(self, tag: str, text: str) -> None:
        if not text:
            return
        if tag == "presentation:notes":
            self._add(f"Notes: {text}")
            return
        if tag in _COMMENTS:
            text = f"Comment by {self._author}: {text}" if self._author else f"Comment: {text}"
            self._author = ""
        self._sections[tag].append(text)

    def _start_style(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Remember the styles that hide text."""
        if tag == "style:style":
            self._style = attribute(attributes, "name")
        elif tag == "style:text-properties" and attribute(attributes, "display") == "none":
            self._hidden_styles.add(self._style)

    def _start_list(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "list-style":
            self._list_style = attribute(attributes, "name")
        elif name.startswith("list-level-style-"):
            self._list_styles.setdefault(self._list_style, {})[
                number(attribute(attributes, "level"))
            ] = _list_level(attributes, is_bullet=not name.endswith("number"))
        elif name == "list":
            outer = self._lists[-1].style if self._lists else ""
            style = attribute(attributes, "style-name") or outer
            is_continued = attribute(attributes, "continue-numbering") == "true"
            count = self._last_counts.get((style, len(self._lists) + 1)) if is_continued else None
            self._lists.append(_OpenList(style=style, count=count))
        elif name == "list-item" and self._lists:
            self._label = self._next_label(number(attribute(attributes, "start-value")))

    def _next_label(self, start: int) -> str:
        levels = self._list_styles.get(self._lists[-1].style, {})
        depth = len(self._lists)
        level = levels.get(depth)
        current = self._lists[-1]
        if level is None or level.number_format is None:
            return "-"
        current.count = start or (level.start if current.count is None else current.count + 1)
        self._last_counts[current.style, depth] = current.count
        numbers = [
            write_number(outer.count, shown.number_format)
            for at, outer in enumerate(self._lists, 1)
            if at > depth - level.shown_levels
            and outer.count is not None
            and (shown := levels.get(at)) is not None
            and shown.number_format
        ]
        return f"{level.prefix}{'.'.join(numbers)}{level.suffix}".strip() if numbers else ""


def _list_level(attributes: Mapping[str, str], *, is_bullet: bool) -> _ListLevel:
    number_format = attribute(attributes, "num-format")
    return _ListLevel(
        number_format=None if is_bullet else _NUMBER_FORMATS.get(number_format, ""),
        prefix=attribute(attributes, "num-prefix")[:20],
        suffix=attribute(attributes, "num-suffix")[:20],
        start=number(attribute(attributes, "start-value")) or 1,
        shown_levels=number(attribute(attributes, "display-levels")) or 1,
    )
