"""Numbers and bullets of the paragraphs in Word documents."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import msgspec

from domains.kernel.untrusted.documents.office.blocks import attribute
from domains.kernel.untrusted.documents.office.packages import local_name, parse_xml

_MAX_LEVEL: Final = 8
# Styles that a style is based on, one on the other.
_MAX_STYLE_DEPTH: Final = 20
# Numbers that are written in letters or Roman numerals. Larger ones are written in digits.
_MAX_LETTERS: Final = 26 * 5
_MAX_ROMAN: Final = 3999
_ROMAN: Final = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


class _Level(msgspec.Struct):
    number_format: str = "decimal"
    text: str = ""
    start: int = 1


class _List(msgspec.Struct):
    """A list of the document: its definition and the numbers with which its levels start."""

    definition: str = ""
    starts: dict[int, int] = msgspec.field(default_factory=dict)


class Numbering:
    """The lists of a document. Counts their paragraphs in the order of the calls of `label`."""

    def __init__(self, numbering: bytes | None, styles: bytes | None) -> None:
        self._definitions: defaultdict[str, defaultdict[int, _Level]] = defaultdict(
            lambda: defaultdict(_Level)
        )
        self._lists: dict[str, _List] = {}
        # List and level of the paragraph styles.
        self._style_lists: dict[str, str] = {}
        self._style_levels: dict[str, int] = {}
        self._parents: dict[str, str] = {}
        self._counts: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._started: set[tuple[str, int]] = set()
        if numbering:
            self._read_numbering(numbering)
        if styles:
            self._read_styles(styles)

    def label(self, style: str, list_id: str | None, level: int | None) -> str:
        """Count a paragraph and return its number, a dash for a bullet, or an empty string.

        `list_id` and `level` are the paragraph's own, or None if its style has them.
        """
        for _ in range(_MAX_STYLE_DEPTH):
            if list_id is not None or not style:
                break
            list_id = self._style_lists.get(style)
            level = self._style_levels.get(style) if level is None else level
            style = self._parents.get(style, "")
        found = self._lists.get(list_id or "")
        if found is None:
            return ""
        level = min(level or 0, _MAX_LEVEL)
        counts, levels = self._counts[found.definition], self._definitions[found.definition]
        if level in found.starts and (list_id or "", level) not in self._started:
            counts[level] = found.starts[level]
        else:
            counts[level] = counts.get(level, levels[level].start - 1) + 1
        self._started.add((list_id or "", level))
        for deeper in range(level + 1, _MAX_LEVEL + 1):
            counts.pop(deeper, None)
        if levels[level].number_format == "bullet":
            return "-"
        return _label(levels, counts, levels[level].text)

    def _read_numbering(self, part: bytes) -> None:
        definition, level, current = "", 0, _List()

        def start(tag: str, attributes: Mapping[str, str]) -> None:
            nonlocal definition, level, current
            name, value = local_name(tag), attribute(attributes, "val")
            if name == "abstractNum":
                definition = attribute(attributes, "abstractNumId")
            elif name == "num":
                current = self._lists[attribute(attributes, "numId")] = _List()
                # Levels that a list defines for itself are not read.
                definition = ""
            elif name == "abstractNumId":
                current.definition = value
            elif name in ("lvl", "lvlOverride"):
                level = min(number(attribute(attributes, "ilvl")), _MAX_LEVEL)
            elif name == "startOverride":
                current.starts[level] = number(value)
            elif definition:
                self._read_level(self._definitions[definition][level], name, value)
                if name == "pStyle":
                    self._style_levels[value] = level

        parse_xml(part, start)

    def _read_level(self, level: _Level, name: str, value: str) -> None:
        if name == "numFmt":
            level.number_format = value
        elif name == "lvlText":
            level.text = value
        elif name == "start":
            level.start = number(value)

    def _read_styles(self, part: bytes) -> None:
        style = ""

        def start(tag: str, attributes: Mapping[str, str]) -> None:
            nonlocal style
            name, value = local_name(tag), attribute(attributes, "val")
            if name == "style":
                style = attribute(attributes, "styleId")
            elif name == "basedOn":
                self._parents[style] = value
            elif name == "numId":
                self._style_lists[style] = value
            elif name == "ilvl":
                self._style_levels.setdefault(style, number(value))

        parse_xml(part, start)


def number(value: str) -> int:
    """Return a small number of the document, or 0 if it is invalid."""
    return int(value) if re.fullmatch(r"\d{1,9}", value, re.ASCII) else 0


def _label(levels: Mapping[int, _Level], counts: Mapping[int, int], text: str) -> str:
    def written(match: re.Match[str]) -> str:
        level = int(match[1]) - 1
        if level not in levels:
            return ""
        return write_number(counts.get(level, levels[level].start), levels[level].number_format)

    return re.sub(r"%([1-9])", written, text[:100]).strip()


def write_number(count: int, number_format: str) -> str:
    """Write the number of a paragraph in a format of Office Open XML. Digits if it is unknown."""
    if number_format == "none":
        return ""
    if number_format == "decimalZero":
        return f"{count:02}"
    text = str(count)
    if number_format.endswith("Letter") and 0 < count <= _MAX_LETTERS:
        text = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)
    elif number_format.endswith("Roman") and 0 < count <= _MAX_ROMAN:
        text = ""
        for value, numeral in _ROMAN:
            text += numeral * (count // value)
            count %= value
    return text.upper() if number_format.startswith("upper") else text
