"""Readers of Word and PowerPoint files (Office Open XML)."""

import io
import posixpath
import sys
import zipfile
from collections.abc import Callable, Mapping
from typing import Final
from xml.parsers import expat

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError, main

# Elements whose text is not part of the document: properties, text moved elsewhere, phonetic
# guides, and alternatives for older programs.
_SKIPPED: Final = frozenset({"Fallback", "pPr", "rPr", "moveFrom", "rt"})

# Separators of the blocks in a table, row, cell and text of a shape.
_SEPARATORS: Final = {"tbl": "\n", "tr": " | ", "tc": " ", "txBody": "\n"}
_CHARACTERS: Final = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def read_word(data: bytes, _charset: str | None) -> str:
    """Return the body of a Word document, then its notes. Deleted text is left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        main_part = _main_part(package)
        notes = [
            target
            for kind, target in _relationships(package, main_part).values()
            if kind in ("footnotes", "endnotes")
        ]
        return "\n\n".join(_part_text(package.read(part)) for part in (main_part, *notes))


def read_slides(data: bytes, _charset: str | None) -> str:
    """Return the slides of a presentation in order, each with its speaker notes."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        main_part = _main_part(package)
        slides = _relationships(package, main_part)
        texts = []
        for slide_id in _slide_order(package.read(main_part)):
            slide = slides[slide_id][1]
            texts.append(_part_text(package.read(slide)))
            for kind, target in _relationships(package, slide).values():
                if kind == "notesSlide" and (notes := _part_text(package.read(target))):
                    texts.append(f"Notes: {notes}")
        return "\n\n".join(filter(None, texts))


def _main_part(package: zipfile.ZipFile) -> str:
    relationships = _relationships(package, "").values()
    return next(target for kind, target in relationships if kind == "officeDocument")


def _relationships(package: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """Return the kind and the target of each relationship of a part, by id."""
    folder, name = posixpath.split(part)
    try:
        content = package.read(posixpath.join(folder, "_rels", f"{name}.rels"))
    except KeyError:
        return {}
    relationships: dict[str, tuple[str, str]] = {}

    def start(_tag: str, attributes: Mapping[str, str]) -> None:
        if "Target" in attributes and attributes.get("TargetMode") != "External":
            kind = attributes.get("Type", "").rpartition("/")[2]
            target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"]))
            relationships[attributes.get("Id", "")] = (kind, target.lstrip("/"))

    _parse_xml(content, start)
    return relationships


def _slide_order(presentation: bytes) -> list[str]:
    """Return the relationship ids of the slides in the order of the presentation."""
    ids: list[str] = []

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        if _local_name(tag) == "sldId":
            ids.extend(value for name, value in attributes.items() if name.endswith(":id"))

    _parse_xml(presentation, start)
    return ids


def _part_text(part: bytes) -> str:
    builder = _TextBuilder()
    _parse_xml(part, builder.start, builder.end, builder.data)
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
        name = _local_name(tag)
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
        name = _local_name(tag)
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


def _local_name(tag: str) -> str:
    return tag.rpartition(":")[2]


def _parse_xml(
    content: bytes,
    start: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None] | None = None,
    data: Callable[[str], None] | None = None,
) -> None:
    """Parse XML with these handlers. Raises ReadError for a DTD, which could define entities."""

    def refuse(*_: object) -> None:
        raise ReadError(ExitCode.DAMAGED)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.Parse(content, True)  # takes no keyword


if __name__ == "__main__":
    sys.exit(main({"word": read_word, "slides": read_slides}, *sys.argv[1:]))
