"""Text of a part of an Office document: paragraphs, tables, charts and diagrams."""

from collections.abc import Callable, Mapping
from typing import Final

from domains.kernel.untrusted.documents.office.packages import local_name, parse_xml
from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

# Elements whose text is not part of the document: properties, text moved elsewhere, phonetic
# guides, and alternatives for older programs.
_SKIPPED: Final = frozenset({"Fallback", "pPr", "rPr", "sdtPr", "moveFrom", "rt"})

# Elements that refer to a part which is shown in their place: charts, diagrams, imported files.
_REFERENCES: Final = frozenset({"chart", "relIds", "altChunk"})

# Separators of the blocks in a table, row, cell and text of a shape.
_SEPARATORS: Final = {"tbl": "\n", "tr": " | ", "tc": " ", "txBody": "\n"}
_MAX_SPAN: Final = 63
_CHARACTERS: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}

# Tables, rows, cells and shapes that are open at once. Each level copies the text of the inner one.
_MAX_DEPTH: Final = 200

# Returns the text of the part with this relationship id.
PartReader = Callable[[str], str]


def part_text(part: bytes, read_reference: PartReader | None = None) -> str:
    """Return the text of a part, with the text of the parts that it refers to."""
    builder = TextBuilder(read_reference)
    parse_xml(part, builder.start, builder.end, builder.data)
    return builder.text


class TextBuilder:
    """Collects the paragraphs of a part. Each table row is a line, its cells separated by bars."""

    def __init__(self, read_reference: PartReader | None = None) -> None:
        self._read_reference = read_reference
        # The blocks of the document and of each open table, row, cell or shape.
        self._blocks: list[list[str]] = [[]]
        # The texts of each open paragraph.
        self._paragraphs: list[list[str]] = [[]]
        self._skipped_depth = 0
        self._in_text = False
        # The columns that each open cell spans.
        self._spans: list[int] = []

    @property
    def text(self) -> str:
        return "\n\n".join(self._blocks[0])

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        if self._skipped_depth:
            self._skipped_depth += 1
            self.start_property(name, attributes)
        elif name in _SKIPPED or self.is_hidden(name, attributes):
            self._skipped_depth += 1
        elif name == "t":
            self._in_text = True
        elif name == "p":
            self._paragraphs.append([])
        elif name in _SEPARATORS:
            self.open_block()
            if name == "tc":
                self._spans.append(1)
        elif name in _CHARACTERS:
            self._paragraphs[-1].append(_CHARACTERS[name])
        elif name == "gridSpan" and self._spans:
            value = attribute(attributes, "val")
            self._spans[-1] = min(int(value), _MAX_SPAN) if value.isdecimal() else 1
        elif name in _REFERENCES and self._read_reference:
            reference = attribute(attributes, "dm" if name == "relIds" else "id")
            self._add(self._read_reference(reference))

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if self._skipped_depth:
            self._skipped_depth -= 1
        elif name == "t":
            self._in_text = False
        elif name == "p":
            self._add(self.end_paragraph("".join(self._paragraphs.pop()).strip()))
        elif name in _SEPARATORS:
            blocks = self._blocks.pop()
            if name == "tc":
                cell = " ".join(" ".join(blocks).split("\n"))
                self._blocks[-1] += [cell, *[""] * (self._spans.pop() - 1)]
            else:
                self._add(_SEPARATORS[name].join(blocks).rstrip(" |"))

    def data(self, text: str) -> None:
        if self._in_text and not self._skipped_depth:
            self._paragraphs[-1].append(text)

    def is_hidden(self, _name: str, attributes: Mapping[str, str]) -> bool:
        """Return True if the text of an element is not shown."""
        # The number of a slide is a field of this type.
        return attributes.get("type") == "slidenum"

    def start_property(self, name: str, attributes: Mapping[str, str]) -> None:
        """Handle an element within the properties of a paragraph or run."""

    def end_paragraph(self, text: str) -> str:
        """Return the text of a paragraph with what precedes it, such as its number."""
        return text

    def open_block(self) -> None:
        """Begin a block of paragraphs. Raises ReadError if too many are open."""
        if len(self._blocks) > _MAX_DEPTH:
            raise ReadError(ExitCode.DAMAGED)
        self._blocks.append([])

    def _add(self, block: str) -> None:
        if block:
            self._blocks[-1].append(block)


def attribute(attributes: Mapping[str, str], name: str) -> str:
    """Return the attribute with this local name, or an empty string."""
    suffix = f":{name}"
    return next((v for key, v in attributes.items() if key == name or key.endswith(suffix)), "")
