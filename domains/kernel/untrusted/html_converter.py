"""Conversion of HTML to text, tag by tag."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from domains.kernel.core.mapped_text import MappedText, MappedTextBuilder
from domains.kernel.untrusted.html_quotes import (
    HIDDEN_MARKS,
    QUOTE_MARKS,
    attribution_start,
    begins_history,
    is_hidden,
    is_quote,
    keeps_white_space,
)
from domains.kernel.untrusted.html_tags import (
    CODE,
    COMMENT,
    ELEMENTS,
    INVISIBLE,
    RAW,
    SPACES,
    VOID,
    Tag,
    decode_reference,
    is_known_reference,
    name_set,
)

_SKIPPED: Final = frozenset({"template", "noscript", "svg", "datalist"})
_LINE_TAGS: Final = (
    "address", "article", "aside", "body", "caption", "center", "dd", "details", "dialog", "div",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "legend", "li",
    "main", "nav", "option", "search", "section", "summary", "tr",
)  # fmt: skip
_PARAGRAPH_TAGS: Final = (
    "blockquote", "dir", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "menu", "ol", "p", "pre",
    "table", "title", "ul",
)  # fmt: skip
# Line breaks before and after an element.
_BREAKS: Final = {**dict.fromkeys(_LINE_TAGS, 1), **dict.fromkeys(_PARAGRAPH_TAGS, 2)}

# Elements whose end tag also ends what is open within them.
_CONTAINERS: Final = name_set(
    """
    article aside blockquote body center div footer form header html li main ol section table td th
    tr ul
    """
)
# Start tags that end an element that has no end tag.
_ENDING_STARTS: Final = {
    "p": frozenset(_BREAKS) - {"caption", "legend", "option", "summary", "title", "tr"},
    "li": frozenset({"li"}),
    "dd": frozenset({"dd", "dt"}),
    "dt": frozenset({"dd", "dt"}),
    "option": frozenset({"option", "optgroup"}),
    "td": frozenset({"td", "th", "tr", "tbody", "tfoot"}),
    "th": frozenset({"td", "th", "tr", "tbody", "tfoot"}),
    "tr": frozenset({"tr", "tbody", "tfoot"}),
}

_REFERENCE: Final = "&(?:#(?:[0-9]+|[xX][0-9a-fA-F]+);?|[a-zA-Z][a-zA-Z0-9]{1,31};?)"
_BLANK: Final = SPACES + INVISIBLE
# White space, invisible characters and character references. A space between words is none.
_FLOWING: Final = re.compile(
    rf"[{_BLANK}]{{2,}}|[{_BLANK.replace(' ', '')}]|(?<=;) | (?=&)|{_REFERENCE}"
)
_VERBATIM: Final = re.compile(rf"[\xa0\xad]|{_REFERENCE}")
_LINE_ENDS: Final = re.compile(r"\s*[\r\n]")

# Characters after a tag that show whether it begins quoted mail.
_FOLLOWING_SAMPLE: Final = 3000

# A piece of text: what it is replaced with, if anything, and its offsets.
_Piece = tuple[str | None, int, int]


class _Skip:
    """An element that is left out, and the open elements within it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open = [name]
        self._counts = Counter(self._open)

    def ends_before(self, tag: Tag, outside: Counter[str]) -> bool:
        """The element has no end tag, and this tag of what is around it ends it."""
        if tag.is_end:
            return not self._counts[tag.name] and tag.name in _CONTAINERS and outside[tag.name] > 0
        return len(self._open) == 1 and tag.name in _ENDING_STARTS.get(self._name, ())

    def ends_with(self, tag: Tag) -> bool:
        """Go on to the next tag."""
        if tag.is_end:
            if self._counts[tag.name]:
                while (name := self._open.pop()) != tag.name:
                    self._counts[name] -= 1
                self._counts[tag.name] -= 1
        elif (tag.name == self._name or tag.name in _BREAKS or tag.name in _CONTAINERS) and (
            tag.name not in VOID
        ):
            self._open.append(tag.name)
            self._counts[tag.name] += 1
        return not self._open


class HtmlConverter:
    """Collects the text of HTML. Separators are written only before more text."""

    def __init__(
        self,
        base: MappedText,
        *,
        keeps_lines: bool,
        has_title: bool,
        drop_quotes: bool,
        max_length: int | None,
    ) -> None:
        self._text = base.text
        self._builder = MappedTextBuilder(base)
        self._keeps_lines = keeps_lines
        self._has_title = has_title
        self._max_length = max_length
        # Marks that occur at all. Only tags with one are examined.
        lowered = base.text.lower()
        self._hidden_marks = [mark for mark in HIDDEN_MARKS if mark in lowered]
        self._quote_marks = [mark for mark in QUOTE_MARKS if drop_quotes and mark in lowered]
        self._drops_quotes = drop_quotes
        # The element that is left out, open elements around it, and the depth of `pre` elements.
        self._skip: _Skip | None = None
        self._open: Counter[str] = Counter()
        self._pre_depth = int(keeps_lines)
        # The element whose style keeps line ends, and its depth within elements of this name.
        self._may_preserve = "white-space" in lowered
        self._preserving = ""
        self._preserving_depth = 0
        # Lengths of the text before each quote that was left out.
        self._quotes: list[int] = []
        # With lines of its own: offsets of the text that was written and that was read.
        self._written = self._read = -1
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

    def convert(self, tags: Iterable[Tag]) -> MappedText:
        """The text of the HTML with these tags."""
        position = 0
        limit = self._max_length
        for tag in tags:
            name = tag.name
            if self._keeps_lines and name not in ELEMENTS and name not in (COMMENT, CODE):
                continue
            if self._skip is not None:
                if not self._skip.ends_before(tag, self._open):
                    position = tag.end
                    if self._skip.ends_with(tag):
                        self._skip = None
                        self._break(_BREAKS.get(name, 0))
                    continue
                self._skip = None
            elif position < tag.start:
                self._add(position, tag.start)
            if limit is not None and len(self._builder) >= limit:
                return self._finish()
            position = tag.end
            if name == CODE:
                self._add_code(tag.start, tag.end)
            elif tag.is_end:
                self._end(name)
            elif self._begins_history(tag):
                self._quotes.append(len(self._builder))
                return self._finish()
            else:
                self._start(tag)
        if self._skip is None and position < len(self._text):
            self._add(position, len(self._text))
        return self._finish()

    def _finish(self) -> MappedText:
        text = self._builder.build()
        spans: list[tuple[int, int]] = []
        for end in self._quotes:
            start = attribution_start(text.text, end)
            if start < end and (not spans or start >= spans[-1][1]):
                spans.append(_with_blanks(text.text, start, end))
        text = text.without(spans)
        limit = self._max_length
        return text if limit is None or len(text) <= limit else text.part(0, limit)

    # --- tags

    def _start(self, tag: Tag) -> None:
        name = tag.name
        if name in RAW:
            return
        if self._is_left_out(tag):
            if not (name in VOID or (name == "svg" and tag.attributes.endswith("/"))):
                self._break(_BREAKS.get(name, 0))
                self._skip = _Skip(name)
            return
        if name in _CONTAINERS:
            self._open[name] += 1
        if name == self._preserving:
            self._preserving_depth += 1
        elif self._may_preserve and not self._preserving and name not in VOID:
            self._start_preserving(tag)
        if name in ("td", "th"):
            # Layout tables have empty cells, which get no bars.
            self._pending_bars += self._row_has_text
            self._pending_breaks = 0 if self._row_has_text else self._pending_breaks
            self._cell_is_empty = True
            return
        breaks = _BREAKS.get(name)
        if breaks is not None:
            self._break(breaks)
            self._start_block(name)
        elif name == "br":
            self._pending_breaks = min(self._pending_breaks + 1, 2)

    def _start_block(self, name: str) -> None:
        if name == "li":
            self._pending_dash = True
        elif name == "pre":
            self._pre_depth += 1
        elif name == "table":
            self._outer_rows.append(self._row_has_text)
        if name in ("table", "tr"):
            self._row_has_text, self._pending_bars, self._cell_is_empty = False, 0, False

    def _start_preserving(self, tag: Tag) -> None:
        if _has_mark(tag.attributes, ["white-space"]) and keeps_white_space(tag.attributes):
            self._preserving, self._preserving_depth = tag.name, 1
            self._pre_depth += 1

    def _end(self, name: str) -> None:
        if name in _CONTAINERS and self._open[name]:
            self._open[name] -= 1
        if name == self._preserving:
            self._preserving_depth -= 1
            if not self._preserving_depth:
                self._preserving = ""
                self._pre_depth -= 1
        if name in ("tr", "table"):
            self._cell_is_empty, self._pending_bars, self._pending_dash = False, 0, False
        breaks = _BREAKS.get(name)
        if breaks is None:
            return
        self._break(breaks)
        if name == "pre":
            self._pre_depth = max(
                self._pre_depth - 1, int(self._keeps_lines or bool(self._preserving))
            )
        elif name == "table" and self._outer_rows:
            self._row_has_text = self._outer_rows.pop()

    def _is_left_out(self, tag: Tag) -> bool:
        name, attributes = tag.name, tag.attributes
        if name in _SKIPPED or (name == "title" and not self._has_title):
            return True
        is_candidate = name == "blockquote" and self._drops_quotes
        is_candidate = is_candidate or _has_mark(attributes, self._quote_marks)
        if is_candidate and is_quote(name, attributes, self._following(tag)):
            self._quotes.append(len(self._builder))
            return True
        return _has_mark(attributes, self._hidden_marks) and is_hidden(name, attributes)

    def _begins_history(self, tag: Tag) -> bool:
        return (
            tag.name in ("div", "hr", "p")
            and _has_mark(tag.attributes, self._quote_marks)
            and begins_history(tag.attributes, self._following(tag))
        )

    def _following(self, tag: Tag) -> str:
        return self._text[tag.end : tag.end + _FOLLOWING_SAMPLE]

    def _break(self, breaks: int) -> None:
        # A block at the start of a list item or table cell stays on its line.
        if not (self._pending_dash or self._cell_is_empty):
            self._pending_breaks = max(self._pending_breaks, breaks)

    # --- text

    def _add(self, start: int, end: int) -> None:
        if self._pre_depth:
            self._add_lines(start, end)
            return
        chunk = self._text[start:end]
        after_leading = start + len(chunk) - len(chunk.lstrip(" "))
        before_trailing = max(after_leading, end - len(chunk) + len(chunk.rstrip(" ")))
        pieces = list(self._flowing(after_leading, before_trailing))
        first, last = 0, len(pieces)
        while first < last and _is_blank(pieces[first]):
            first += 1
        if start < after_leading or any(piece[0] == " " for piece in pieces[:first]):
            self._pending_space = True
        if first == last:
            return
        while _is_blank(pieces[last - 1]):
            last -= 1
        self._separate()
        self._write(pieces[first:last])
        self._pending_space = before_trailing < end or any(
            piece[0] == " " for piece in pieces[last:]
        )

    def _add_lines(self, start: int, end: int) -> None:
        """Add text with its own line ends."""
        text = self._text
        # After Markdown code.
        follows = start == self._written
        while not follows and (leading := _LINE_ENDS.match(text, start, end)):
            self._break(min(text.count("\n", start, leading.end()) or 1, 2))
            start = leading.end()
        content = text[start:end].rstrip()
        if not content:
            self._pending_breaks = max(self._pending_breaks, min(text.count("\n", start, end), 2))
            self._pending_space = self._pending_space or start < end
            self._read = end if follows else self._read
            return
        stop = start + len(content)
        if not follows:
            self._separate()
        self._write(_verbatim(text, start, stop, self._keeps_lines))
        self._written, self._read = stop, end
        breaks = text.count("\n", stop, end) or text.count("\r", stop, end)
        self._pending_breaks = min(breaks, 2)
        self._pending_space = stop < end

    def _add_code(self, start: int, end: int) -> None:
        """Add Markdown code. What is around it without a tag between is one slice with it."""
        if self._read == start:
            start = self._written
            self._pending_breaks, self._pending_space = 0, False
        else:
            self._separate()
        self._builder.copy(start, end)
        self._written = self._read = end

    def _write(self, pieces: Iterable[_Piece]) -> None:
        for replacement, start, end in pieces:
            if replacement is None:
                self._builder.copy(start, end)
            else:
                self._builder.replace(replacement, start, end)

    def _separate(self) -> None:
        """Write the pending separators."""
        builder = self._builder
        if self._pending_bars and self._row_has_text:
            builder.insert(" |" * self._pending_bars + " ")
        elif len(builder) and self._pending_breaks:
            builder.insert("\n" * self._pending_breaks)
        elif len(builder) and self._pending_space:
            builder.insert(" ")
        if self._pending_dash:
            builder.insert("- ")
        self._pending_breaks = self._pending_bars = 0
        self._pending_space = self._pending_dash = self._cell_is_empty = False
        self._row_has_text = True

    def _flowing(self, start: int, end: int) -> Iterator[_Piece]:
        """The pieces of a text whose white space means a space."""
        text = self._text
        position = run_start = start
        # Characters of the run of white space and invisible characters before the position.
        run = ""
        for match in _FLOWING.finditer(text, start, end):
            first, last = match.span()
            if first > position:
                if run:
                    yield _space(run), run_start, position
                    run = ""
                yield None, position, first
            decoded = decode_reference(match[0]) if text[first] == "&" else match[0]
            if not decoded.strip(_BLANK):
                run_start = run_start if run else first
                run += decoded or "\xad"
            else:
                if run:
                    yield _space(run), run_start, first
                    run = ""
                yield decoded, first, last
            position = last
        if run:
            yield _space(run), run_start, position
        if position < end:
            yield None, position, end


def _has_mark(attributes: str, marks: list[str]) -> bool:
    if not attributes or not marks:
        return False
    lowered = attributes.lower()
    return any(mark in lowered for mark in marks)


def _with_blanks(text: str, start: int, end: int) -> tuple[int, int]:
    """A span with the white space before it, or after it at the beginning of the text."""
    while start > 0 and text[start - 1].isspace():
        start -= 1
    while start == 0 and end < len(text) and text[end].isspace():
        end += 1
    return start, end


def _space(run: str) -> str:
    """A space for a run with white space, or else the invisible characters within a word."""
    return " " if run.strip(INVISIBLE) else run.replace("\xad", "")


def _is_blank(piece: _Piece) -> bool:
    return piece[0] is not None and not piece[0].strip(_BLANK)


def _verbatim(text: str, start: int, end: int, needs_semicolon: bool) -> Iterator[_Piece]:
    """The pieces of a text with its own line ends."""
    position = start
    for match in _VERBATIM.finditer(text, start, end):
        found = match[0]
        if found[0] != "&":
            decoded = " " if found == "\xa0" else ""
        elif needs_semicolon and not is_known_reference(found):
            continue
        else:
            decoded = decode_reference(found).replace("\xa0", " ")
        if position < match.start():
            yield None, position, match.start()
        yield decoded, match.start(), match.end()
        position = match.end()
    if position < end:
        yield None, position, end
