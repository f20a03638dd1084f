"""Text of a part: paragraphs and tables."""

from collections.abc import Mapping
from typing import Final

from domains.kernel.untrusted.documents.office.packages import local_name, parse_xml

# Elements whose text is not part of the document: properties, text moved elsewhere, phonetic
# guides, and alternatives for older programs.
_SKIPPED: Final = frozenset({"Fallback", "pPr", "rPr", "moveFrom", "rt"})

# Separators of the blocks in a table, row, cell and text of a shape.
_SEPARATORS: Final = {"tbl": "\n", "tr": " | ", "tc": " ", "txBody": "\n"}
_CHARACTERS: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def part_text(part: bytes) -> str:
    builder = _TextBuilder()
    parse_xml(part, builder.start, builder.end, builder.data)
    return builder.text


class _TextBuilder:
    """Collects the paragraphs of a part. Each table row is a line, its cells separated by bars."""

    def __init__(self) -> None:
        # The blocks of the document and of each open table, row, cell or shape.
        self._blocks: list[list[str]] = [[]]
        # The texts of each open paragraph.
        self._paragraphs: list[list[str]] = [[]]
        self._skipped_depth = 0
        self._in_text = False

    @property
    def text(self) -> str:
        return "\n\n".join(self._blocks[0])

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        # The number of a slide is a field of this type.
        is_slide_number = attributes.get("type") == "slidenum"
        if self._skipped_depth or name in _SKIPPED or is_slide_number:
            self._skipped_depth += 1
        elif name == "t":
            self._in_text = True
        elif name == "p":
            self._paragraphs.append([])
        elif name in _SEPARATORS:
            self._blocks.append([])
        elif name in _CHARACTERS:
            self._paragraphs[-1].append(_CHARACTERS[name])

    def end(self, tag: str) -> None:
        name = local_name(tag)
        if self._skipped_depth:
            self._skipped_depth -= 1
        elif name == "t":
            self._in_text = False
        elif name == "p":
            self._add("".join(self._paragraphs.pop()).strip())
        elif name in _SEPARATORS:
            blocks = self._blocks.pop()
            if name == "tc":
                self._blocks[-1].append(" ".join(" ".join(blocks).split("\n")))
            else:
                self._add(_SEPARATORS[name].join(blocks).rstrip(" |"))

    def data(self, text: str) -> None:
        if self._in_text and not self._skipped_depth:
            self._paragraphs[-1].append(text)

    def _add(self, block: str) -> None:
        if block:
            self._blocks[-1].append(block)
