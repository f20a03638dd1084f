"""Reader of RTF files."""

import codecs
import re
from typing import Final

import msgspec

from domains.kernel.untrusted.documents.office.fields import is_page_number, text_in_code

_TOKEN: Final = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)",
    re.DOTALL,
)

# Code pages of the character sets of fonts.
_CHARSETS: Final = {
    0: "cp1252", 2: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab",
    134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255",
    178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437",
    255: "cp850",
}  # fmt: skip
_CODE_PAGES: Final = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}

_CHARACTERS: Final = {
    "tab": "\t", "line": "\n", "softline": "\n", "emdash": "—", "endash": "–", "emspace": " ",
    "enspace": " ", "qmspace": " ", "bullet": "•", "lquote": "‘", "rquote": "’", "ldblquote": "“",
    "rdblquote": "”", "zwj": "\u200d", "zwnj": "\u200c",
}  # fmt: skip
_SYMBOLS: Final = {"~": "\xa0", "_": "-", "{": "{", "}": "}", "\\": "\\"}

# Groups whose content is not text. Unknown groups that are marked with \* are skipped as well.
_SKIPPED: Final = frozenset({
    "fonttbl", "colortbl", "stylesheet", "info", "pict", "objdata", "objclass", "objname",
    "listtable", "listoverridetable", "rsidtbl", "generator", "filetbl", "revtbl", "xmlnstbl",
    "themedata", "colorschememapping", "datastore", "latentstyles", "bkmkstart", "bkmkend",
    "pntxta", "pntxtb", "nonesttables", "nonshppict", "shprslt", "tc", "xe", "txe", "rxe", "upr",
    "ftnsep", "ftnsepc", "aftnsep", "aftnsepc", "ftncn", "aftncn", "formfield", "sp", "template",
    "atnid", "atnref", "atntime", "atndate", "atnparent", "atrfstart", "atrfend", "private", "do",
})  # fmt: skip
# Groups that are text within skipped groups: text boxes, and the Unicode form of a group.
_SHOWN: Final = frozenset({"shptxt", "ud", "dptxbxtext"})
# Groups that are read into a text of their own.
_SECTIONS: Final = {
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), "header"),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "footer"),
    "footnote": "note",
    "annotation": "comment",
    "fldinst": "code",
    "atnauthor": "author",
    **dict.fromkeys(("listtext", "pntext"), "label"),
}  # fmt: skip
# A section in a section is, for example, a list in a footnote. Deeper ones are read in place.
_MAX_SECTION_DEPTH: Final = 4


def read_rich_text(data: bytes, _charset: str | None) -> str:
    """Return the headers of an RTF file, its text, footers, notes and comments.

    Each table row is a line, its cells separated by bars. Field codes, pictures, hidden and deleted
    text are left out.
    """
    return _Reader(data.decode("latin-1")).read()


class _Section:
    """A text: its lines, and the cells of the current table row."""

    def __init__(self, kind: str, depth: int = 0) -> None:
        self.kind = kind
        self.depth = depth
        self.lines: list[str] = []
        self.line: list[str] = []
        self._cells: list[str] = []
        self._cell: list[str] = []

    @property
    def text(self) -> str:
        self.end_row()
        self.end_line(in_table=False)
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self.lines)).strip()

    def end_line(self, *, in_table: bool) -> None:
        line = "".join(self.line).strip(" \t")
        self.line = []
        if in_table:
            self._cell.append(line)
        else:
            self.end_row()
            self.lines.append(line)

    def end_cell(self) -> None:
        self.end_line(in_table=True)
        self._cells.append(" ".join(" ".join(self._cell).split()))
        self._cell = []

    def end_row(self) -> None:
        if self._cell:
            self._cells.append(" ".join(" ".join(self._cell).split()))
            self._cell = []
        if row := " | ".join(self._cells).rstrip(" |"):
            self.lines.append(row)
        self._cells = []


class _Group(msgspec.Struct):
    """State for the rest of a group. Each group begins with a copy of the outer one's."""

    section: _Section
    is_skipped: bool = False
    is_marked: bool = False
    """The group begins with \\*: it is skipped if its name is unknown."""
    is_hidden: bool = False
    is_deleted: bool = False
    has_page_number: bool = False
    """The result of the field is the number of a page."""
    font: int | None = None
    fallback_length: int = 1
    """Characters after a Unicode character that old programs show instead."""


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._body = _Section("body")
        self._group = _Group(section=self._body)
        self._outer: list[_Group] = []
        self._texts: dict[str, list[str]] = {kind: [] for kind in _SECTIONS.values()}
        self._code_page = "cp1252"
        self._default_font: int | None = None
        self._font_code_pages: dict[int, str] = {}
        self._in_font_table = 0
        self._in_table = False
        # Bytes of text that are not decoded yet: a character may be in several tokens.
        self._bytes = bytearray()
        self._fallback_left = 0

    def read(self) -> str:
        """Return the text of the whole file, also of one that is cut off."""
        position = 0
        while match := _TOKEN.match(self._source, position):
            position = match.end()
            word, argument, code, symbol, brace, text = match.groups()
            if text is not None or code is not None:
                self._add_bytes(bytes.fromhex(code) if code else text.encode("latin-1"))
                continue
            if word == "bin":
                position += max(int(argument or 0), 0)
            elif word:
                self._control_word(word, int(argument) if argument else None)
            elif symbol:
                self._control_symbol(symbol)
            elif brace:
                self._flush()
                self._fallback_left = 0
                self._begin_group() if brace == "{" else self._end_group()
        self._flush()
        while self._outer:
            self._end_group()
        notes = [*self._unique("footer"), *self._texts["note"], *self._texts["comment"]]
        return "\n\n".join(filter(None, [*self._unique("header"), self._body.text, *notes]))

    def _unique(self, kind: str) -> list[str]:
        return list(dict.fromkeys(self._texts[kind]))

    def _begin_group(self) -> None:
        self._outer.append(self._group)
        self._group = msgspec.structs.replace(self._group, is_marked=False)

    def _end_group(self) -> None:
        if not self._outer:
            return
        section = self._group.section
        self._group = self._outer.pop()
        if len(self._outer) < self._in_font_table:
            self._in_font_table = 0
        if section is not self._group.section:
            self._end_section(section)

    def _end_section(self, section: _Section) -> None:
        text = section.text
        if section.kind == "code":
            self._group.has_page_number = is_page_number(text)
            self._add(text_in_code(text))
        elif section.kind == "label":
            # Bullets are in symbol fonts.
            label = text if any(map(str.isalnum, text)) else "-" if text else ""
            self._group.section.line.append(f"{label} " if label else "")
        elif section.kind == "comment" and text:
            author = self._texts["author"].pop() if self._texts["author"] else ""
            comment = f"Comment by {author}: {text}" if author else f"Comment: {text}"
            self._texts["comment"].append(comment)
        elif text:
            self._texts[section.kind].append(text)

    def _control_symbol(self, symbol: str) -> None:
        self._flush()
        if symbol == "*":
            self._group.is_marked = True
        elif symbol in "\r\n":
            self._control_word("par", None)
        elif symbol in _SYMBOLS and not self._uses_fallback():
            self._add(_SYMBOLS[symbol])

    def _control_word(self, word: str, argument: int | None) -> None:
        self._flush()
        if self._uses_fallback():
            return
        group = self._group
        is_marked, group.is_marked = group.is_marked, False
        if word in _SHOWN:
            group.is_skipped = False
        elif word in _SECTIONS and not group.is_skipped:
            if group.section.depth < _MAX_SECTION_DEPTH:
                group.section = _Section(_SECTIONS[word], group.section.depth + 1)
        elif word in _SKIPPED or (is_marked and word not in _READ_IF_MARKED):
            if word == "fonttbl":
                self._in_font_table = len(self._outer)
            group.is_skipped = True
        elif word == "fldrslt" and group.has_page_number:
            group.is_skipped = True
        elif self._in_font_table:
            self._font_property(word, argument)
        elif word in _CHARACTERS:
            self._add(_CHARACTERS[word])
        elif not group.is_skipped:
            self._layout(word)
            self._character_property(word, argument)

    def _layout(self, word: str) -> None:
        section = self._group.section
        if word in ("par", "sect", "page"):
            section.end_line(in_table=self._in_table)
        elif word in ("cell", "nestcell"):
            section.end_cell()
        elif word == "row":
            section.end_row()
        elif word in ("pard", "intbl"):
            self._in_table = word == "intbl"

    def _character_property(self, word: str, argument: int | None) -> None:
        group = self._group
        if word == "u" and argument is not None:
            self._add(chr(argument % 0x10000))
            self._fallback_left = group.fallback_length
        elif word == "uc":
            group.fallback_length = min(max(argument or 0, 0), 16)
        elif word == "f":
            group.font = argument
        elif word == "v":
            group.is_hidden = argument != 0
        elif word == "deleted":
            group.is_deleted = argument != 0
        elif word == "plain":
            group.font, group.is_hidden, group.is_deleted = None, False, False
        elif word == "deff":
            self._default_font = argument
        elif word == "ansicpg":
            self._code_page = _code_page(argument, self._code_page)
        elif word in _CODE_PAGES:
            self._code_page = _CODE_PAGES[word]

    def _font_property(self, word: str, argument: int | None) -> None:
        group = self._group
        if word == "f":
            group.font = argument
        elif group.font is not None and word == "fcharset" and argument in _CHARSETS:
            self._font_code_pages[group.font] = _CHARSETS[argument]
        elif group.font is not None and word == "cpg":
            self._font_code_pages[group.font] = _code_page(argument, self._code_page)

    def _uses_fallback(self) -> bool:
        """Return True if a token is one of those that old programs show for a character."""
        if self._fallback_left:
            self._fallback_left -= 1
            return True
        return False

    def _add_bytes(self, text: bytes) -> None:
        skipped = min(self._fallback_left, len(text))
        self._fallback_left -= skipped
        if not self._group.is_skipped:
            self._bytes += text[skipped:]

    def _flush(self) -> None:
        """Decode the bytes so far with the code page of the current font."""
        if self._bytes:
            font = self._default_font if self._group.font is None else self._group.font
            encoding = self._font_code_pages.get(-1 if font is None else font, self._code_page)
            self._add(self._bytes.decode(encoding, "replace"))
            self._bytes.clear()

    def _add(self, text: str) -> None:
        group = self._group
        if not (group.is_skipped or group.is_hidden or group.is_deleted):
            group.section.line.append(text)


# Groups that are read although they are marked with \*.
_READ_IF_MARKED: Final = frozenset({"shpinst", "shptxt", "ud"})


def _code_page(number: int | None, default: str) -> str:
    """Return the name of a code page, or the default if Python does not know it."""
    if number == 65001:
        return "utf-8"
    try:
        return codecs.lookup(f"cp{number}").name
    except LookupError:
        return default
