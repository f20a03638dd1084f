"""Reader of HTML pages."""

import re
from html.parser import HTMLParser
from typing import Final

from domains.kernel.untrusted.documents.charset import charset_in_markup, decode

_SKIPPED: Final = frozenset({"script", "style", "template", "noscript", "svg"})
_LINE_TAGS: Final = (
    "address", "article", "aside", "body", "caption", "dd", "div", "dt", "figcaption", "fieldset",
    "figure", "footer", "form", "header", "legend", "li", "main", "nav", "option", "section",
    "summary", "tr",
)  # fmt: skip
_PARAGRAPH_TAGS: Final = (
    "blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "pre", "table",
    "title", "ul",
)  # fmt: skip
# Line breaks before and after an element.
_BREAKS: Final = {**dict.fromkeys(_LINE_TAGS, 1), **dict.fromkeys(_PARAGRAPH_TAGS, 2)}


def read_html(data: bytes, charset: str | None) -> str:
    """Return the title and the text of a page.

    Blocks are on lines of their own, table cells are separated by bars, list items have a dash.
    """
    parser = _TextParser()
    parser.feed(decode(data, charset or charset_in_markup(data)))
    parser.close()
    return parser.text


class _TextParser(HTMLParser):
    """Collects the text of a page. Separators are written only before more text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        # Open elements whose content is skipped, and the depth of `pre` elements.
        self._skipped: list[str] = []
        self._pre_depth = 0
        # Separators before the next text.
        self._pending_breaks = 0
        self._pending_space = False
        self._pending_dash = False
        self._pending_bars = 0
        # The current table row has text; its last cell has none yet.
        self._row_has_text = False
        self._cell_is_empty = False
        # `_row_has_text` of the rows around nested tables.
        self._outer_rows: list[bool] = []

    @property
    def text(self) -> str:
        return "".join(self._parts).replace("\xa0", " ")

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002  # inherited
        if tag in _SKIPPED:
            self._skipped.append(tag)
        if self._skipped:
            return
        if tag in ("td", "th"):
            # Layout tables have empty cells, which get no bars.
            self._pending_bars += self._row_has_text
            self._pending_breaks = 0 if self._row_has_text else self._pending_breaks
            self._cell_is_empty = True
            return
        self._break(_BREAKS.get(tag, 0))
        if tag == "br":
            self._pending_breaks = min(self._pending_breaks + 1, 2)
        elif tag == "li":
            self._pending_dash = True
        elif tag == "pre":
            self._pre_depth += 1
        elif tag == "table":
            self._outer_rows.append(self._row_has_text)
        if tag in ("table", "tr"):
            self._row_has_text, self._pending_bars, self._cell_is_empty = False, 0, False

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            while self._skipped.pop() != tag:
                pass
            return
        if self._skipped:
            return
        if tag in ("tr", "table"):
            self._cell_is_empty, self._pending_bars, self._pending_dash = False, 0, False
        self._break(_BREAKS.get(tag, 0))
        if tag == "pre":
            self._pre_depth = max(self._pre_depth - 1, 0)
        elif tag == "table" and self._outer_rows:
            self._row_has_text = self._outer_rows.pop()

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        if self._pre_depth:
            self._append(data.strip("\r\n") if data.strip() else "")
            return
        text = re.sub(r"[ \t\n\r\f\v]+", " ", data)
        self._pending_space = self._pending_space or text.startswith(" ")
        if text.strip(" "):
            self._append(text.strip(" "))
            self._pending_space = text.endswith(" ")

    def _break(self, breaks: int) -> None:
        # A block at the start of a list item or table cell stays on its line.
        if not (self._pending_dash or self._cell_is_empty):
            self._pending_breaks = max(self._pending_breaks, breaks)

    def _append(self, text: str) -> None:
        if self._pending_bars and self._row_has_text:
            self._parts.append(" |" * self._pending_bars + " ")
        elif self._parts and self._pending_breaks:
            self._parts.append("\n" * self._pending_breaks)
        elif self._parts and self._pending_space:
            self._parts.append(" ")
        if self._pending_dash:
            self._parts.append("- ")
        self._parts.append(text)
        self._pending_breaks = self._pending_bars = 0
        self._pending_space = self._pending_dash = self._cell_is_empty = False
        self._row_has_text = True
