"""Reader of Word files (Office Open XML)."""

from collections.abc import Iterable, Mapping
from typing import Final

from domains.kernel.untrusted.documents.office.blocks import PartReader, TextBuilder, attribute
from domains.kernel.untrusted.documents.office.charts import reference_reader
from domains.kernel.untrusted.documents.office.fields import is_page_number, text_in_code
from domains.kernel.untrusted.documents.office.numbering import Numbering, number
from domains.kernel.untrusted.documents.office.packages import Package, local_name, parse_xml

_FALSE: Final = frozenset({"0", "false", "off"})


def read_word(data: bytes, _charset: str | None) -> str:
    """Return the headers of a Word document, its body, footers, notes and comments.

    A text that several headers or footers share is returned once. Deleted and hidden text and page
    numbers are left out. Numbers and bullets of lists precede their paragraphs.
    """
    package = Package(data)
    document = package.main_part()
    numbering = Numbering(
        _first_part(package, document, "numbering"), _first_part(package, document, "styles")
    )

    def texts(kind: str) -> list[str]:
        found = (
            _text(package.read(part), reference_reader(package, part), numbering)
            for part in package.related(document, kind)
        )
        return list(dict.fromkeys(found))

    body = _text(package.read(document), reference_reader(package, document), numbering)
    sections = [*texts("header"), body, *texts("footer"), *texts("footnotes"), *texts("endnotes")]
    for part in package.related(document, "comments"):
        sections += _comments(package.read(part), numbering)
    return "\n\n".join(filter(None, sections))


def read_word_xml(data: bytes, _charset: str | None) -> str:
    """Return the text of a Word 2003 XML file."""
    return _text(data, None, Numbering(None, None))


def _first_part(package: Package, document: str, kind: str) -> bytes | None:
    return next((package.read(part) for part in package.related(document, kind)), None)


def _text(part: bytes, read_reference: PartReader | None, numbering: Numbering) -> str:
    builder = _WordBuilder(numbering, read_reference)
    parse_xml(part, builder.start, builder.end, builder.data)
    return builder.text


def _comments(part: bytes, numbering: Numbering) -> Iterable[str]:
    """Return the comments, each with its author."""
    comments: list[str] = []
    author = ""
    builder = _WordBuilder(numbering, None)

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        nonlocal author, builder
        if local_name(tag) == "comment":
            author = attribute(attributes, "author").strip()
            builder = _WordBuilder(numbering, None)
        else:
            builder.start(tag, attributes)

    def end(tag: str) -> None:
        if local_name(tag) != "comment":
            builder.end(tag)
        elif text := builder.text:
            comments.append(f"Comment by {author}: {text}" if author else f"Comment: {text}")

    def data(text: str) -> None:
        builder.data(text)

    parse_xml(part, start, end, data)
    return comments


class _WordBuilder(TextBuilder):
    """Adds numbers of lists; leaves out hidden text, page numbers and placeholders."""

    def __init__(self, numbering: Numbering, read_reference: PartReader | None) -> None:
        super().__init__(read_reference)
        self._numbering = numbering
        # Style, list and level of the current paragraph.
        self._style = ""
        self._list: str | None = None
        self._level: int | None = None
        # Within what the properties were before a tracked change: its depth.
        self._change_depth = 0
        self._run_is_hidden = False
        self._has_placeholder = False
        # The code of each open field, and None once its result begins.
        self._fields: list[list[str] | None] = []
        self._page_fields = 0
        self._in_code = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if name == "p" and not self._skipped_depth:
            self._style, self._list, self._level = "", None, None
        elif name == "r":
            self._run_is_hidden = False
        elif name == "fldChar":
            self._field(attribute(attributes, "fldCharType"))
        self._in_code = name == "instrText"
        super().start(tag, attributes)

    def is_hidden(self, name: str, attributes: Mapping[str, str]) -> bool:
        """Return True for page numbers in fields and for the prompt of an empty control."""
        if name == "sdtContent" and self._has_placeholder:
            self._has_placeholder = False
            return True
        return name == "fldSimple" and is_page_number(attribute(attributes, "instr"))

    def start_property(self, name: str, attributes: Mapping[str, str]) -> None:
        """Read the properties of the current paragraph, run or control."""
        value = attribute(attributes, "val")
        if name in ("pPrChange", "rPrChange", "sectPr"):
            self._change_depth = self._change_depth or self._skipped_depth
        elif self._change_depth:
            return
        elif name == "pStyle":
            self._style = value
        elif name == "numId":
            self._list = value
        elif name == "ilvl":
            self._level = number(value)
        elif name == "vanish" and self._skipped_depth == 2:
            self._run_is_hidden = value not in _FALSE
        elif name == "showingPlcHdr":
            self._has_placeholder = value not in _FALSE

    def end(self, tag: str) -> None:
        if self._skipped_depth and self._skipped_depth == self._change_depth:
            self._change_depth = 0
        self._in_code = False
        super().end(tag)

    def data(self, text: str) -> None:
        if self._in_code:
            if self._fields and self._fields[-1] is not None:
                self._fields[-1].append(text)
        elif not self._run_is_hidden and not self._page_fields:
            super().data(text)

    def end_paragraph(self, text: str) -> str:
        """Return the paragraph with its number or bullet."""
        label = self._numbering.label(self._style, self._list, self._level)
        self._style, self._list, self._level = "", None, None
        return f"{label} {text}" if label and text else text

    def _field(self, kind: str) -> None:
        if kind == "begin":
            self._fields.append([])
        elif kind == "separate" and self._fields and (code := self._fields[-1]) is not None:
            if is_page_number("".join(code)):
                self._page_fields += 1
            else:
                self._fields[-1] = None
        elif kind == "end" and self._fields:
            code = self._fields.pop()
            if code is not None and is_page_number("".join(code)):
                self._page_fields = max(self._page_fields - 1, 0)
            elif code is not None:
                self._paragraphs[-1].append(text_in_code("".join(code)))
