"""Openings of quoted mail: attributions, heads of mails, marker lines, marks of help desks."""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from domains.intelligence.own_words.mail.lines import Line
from domains.intelligence.own_words.phrases.mail import (
    ATTRIBUTIONS,
    FORWARDED,
    HEADER_KINDS,
    ORIGINAL,
    REPLY_ABOVE,
)

_LONGEST_LINE: Final = 300  # characters of a line that may introduce quoted mail
_ATTRIBUTION_LINES: Final = 3
_VERB_REACH: Final = 140  # characters from the verb of an attribution to its end
_INLINE_VERB_REACH: Final = 60
_NO_WORD_BORDERS: Final = frozenset({"he", "ja", "ko", "mutt", "ru-gmail", "zh"})
_DATE_FIRST: Final = frozenset({"he", "ja", "mutt", "ru-gmail"})  # languages that use no clear verb


def _border(language: str, verb: str) -> str:
    return verb if language in _NO_WORD_BORDERS else rf"(?<!\w){verb}(?!\w)"


_ATTRIBUTION: Final = tuple(
    (re.compile(opening), re.compile(_border(language, verb)))
    for language, (opening, verb) in ATTRIBUTIONS.items()
)
_ANY_VERB: Final = re.compile("|".join(verb for _, verb in ATTRIBUTIONS.values()))
_CLEAR_VERB: Final = re.compile(
    "|".join(
        _border(lang, verb) for lang, (_, verb) in ATTRIBUTIONS.items() if lang not in _DATE_FIRST
    )
)
_NAME_FIRST: Final = re.compile(r"[^<(\[.!?:]{1,60}[<(\[][^<(\[]{0,80}@[^<(\[]{0,80}[>)\]]")
_INLINE_END: Final = re.compile(r"@[^\n]{1,100}?[^\W\d_][:：]\s")
_NAME_WORDS: Final = 6  # words of a name in front of an address
_ATTRIBUTION_ENDS: Final = (":", "：", "---")
_CLOCK: Final = re.compile(
    r"\d[:h]\d\d|\d{4},? +\d{1,2}\.\d\d|\b(?:kl\.?|klo|um|om|o|ore|godz\.) \d{1,2}\.\d\d"
)
_QUOTE_MARKS: Final = re.compile(r"(?:>[ \xa0]?)+(?![=:_.)])|\|(?=[ \xa0]|$)")
_DECORATION: Final = " \t-_=—–―*~#<>[](){}|:：.·•"
_MARKER: Final = re.compile(
    rf"(?P<forward>{'|'.join(FORWARDED)})|(?P<original>{'|'.join(ORIGINAL)})"
    rf"|(?P<above>{'|'.join(REPLY_ABOVE)})",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(r"(?<!\S)\*{0,2}([^\W\d_]{1,15}):\*{0,2}(?=\s)")
_ONE_LINE_HEADERS: Final = 3
_LETTER: Final = re.compile(r"[^\W\d_]")
_RULE: Final = re.compile(r"[_\-=—–*]{5,}$")

OpeningKind = Literal["attribution", "head", "forward", "original", "above"]


class Opening(NamedTuple):
    """Lines from index `start` to `end` that introduce quoted mail, with its subject line."""

    kind: OpeningKind
    start: int
    end: int
    subject: int | None = None


def find_opening(lines: Sequence[Line], index: int) -> Opening | None:
    """The opening other than an attribution that begins at a line."""
    text = lines[index].text
    if not text or len(text) > _LONGEST_LINE:
        return None
    return _marker(lines, index) or _head(lines, index)


def next_text(lines: Sequence[Line], index: int) -> int:
    """Index of the next line that is not blank, or the number of lines."""
    while index < len(lines) and not lines[index].text:
        index += 1
    return index


def quote_marks(text: str) -> int:
    """Length of the quote marks that a line begins with, 0 if none; a table row has none."""
    if not text.startswith((">", "|")):
        return 0
    marks = _QUOTE_MARKS.match(text)
    if marks is None or (text[0] == "|" and "|" in text[1:]):
        return 0
    return marks.end()


def find_attributions(lines: Sequence[Line]) -> dict[int, int]:
    """First and last index of the lines that attribute what follows to somebody."""
    found: dict[int, int] = {}
    for last, line in enumerate(lines):
        text = line.text
        if quote_marks(text):
            continue
        if "@" in text and _has_inline_attribution(text):
            found[last] = last
        if not text.endswith(_ATTRIBUTION_ENDS) or len(text) > _LONGEST_LINE:
            continue
        before = lines[last - 1].text[-_VERB_REACH:] if last else ""
        if not _ANY_VERB.search(text) and not _ANY_VERB.search(before):
            continue
        following = next_text(lines, last + 1)
        quotes = following < len(lines) and quote_marks(lines[following].text) > 0
        first = _start_of_attribution(lines, last, quotes=quotes)
        if first is not None:
            found[first] = last
    return found


def _has_inline_attribution(text: str) -> bool:
    """True if the quoted mail is on the line of its attribution, as Yahoo Mail writes it."""
    end = _INLINE_END.search(text, 0, _LONGEST_LINE)
    if end is None or not _CLOCK.search(text, 0, end.start()):
        return False
    window = text[: end.end()].rstrip()
    tail = window[-_INLINE_VERB_REACH:]
    return "<" in window and any(
        opening.match(window) and verb.search(tail) for opening, verb in _ATTRIBUTION
    )


def _start_of_attribution(lines: Sequence[Line], last: int, *, quotes: bool) -> int | None:
    """Index of the first line of an attribution that ends with line `last`, None if none does."""
    for first in range(last, max(last - _ATTRIBUTION_LINES, -1), -1):
        text = lines[first].text
        if not text or len(text) > _LONGEST_LINE:
            return None
        window = " ".join(line.text for line in lines[first : last + 1]).strip("- ")
        if _is_attribution(window, line_count=last - first + 1, quotes=quotes):
            return first
    return None


def _is_attribution(window: str, *, line_count: int, quotes: bool) -> bool:
    """True if the joined lines are an attribution. `quotes`: quote marks follow."""
    has_address = "@" in window
    if not (has_address or quotes or _CLOCK.search(window)):
        return False
    tail = window[-_VERB_REACH:]
    if any(opening.match(window) and verb.search(tail) for opening, verb in _ATTRIBUTION):
        return True
    if line_count > 2 or window.startswith("<") or not _CLEAR_VERB.search(tail):
        return False
    named = (
        _NAME_FIRST.match(window) is not None
        and len(window.partition("@")[0].split()) <= _NAME_WORDS
    )
    return named or (quotes and line_count == 1 and len(window) < 100)


def _marker(lines: Sequence[Line], index: int) -> Opening | None:
    """A line such as "---- Original Message ----", with the head that may follow."""
    text = lines[index].text
    if _RULE.match(text):
        head = _head(lines, next_text(lines, index + 1))
        return head and head._replace(start=index)
    core = text.strip(_DECORATION)
    found = _MARKER.fullmatch(core) if 2 <= len(core) <= 160 else None
    if found is None:
        return None
    if found["above"]:
        return Opening("above", index, index + 1)
    kind: OpeningKind = "forward" if found["forward"] else "original"
    following = next_text(lines, index + 1)
    head = _head(lines, following)
    if head:
        return head._replace(kind=kind, start=index)
    decorated = len(text) - len(core) >= 4
    quoted = following < len(lines) and quote_marks(lines[following].text) > 0
    return Opening(kind, index, index + 1) if decorated or quoted else None


def _header(text: str) -> tuple[str, str] | None:
    """Kind and value of a header line such as "**From:** Ana", None if it is none."""
    at = min((i for i in (text.find(":", 0, 40), text.find("：", 0, 40)) if i > 0), default=0)
    kind = HEADER_KINDS.get(text[:at].strip(" \t\xa0*_").lower()) if at else None
    return (kind, text[at + 1 :].strip(" \t\xa0*_")) if kind else None


def _head(lines: Sequence[Line], start: int) -> Opening | None:
    """The head of a mail: its sender and at least one more header that only mails have."""
    if start < len(lines) and _is_one_line_head(lines[start].text):
        return Opening("head", start, start + 1)
    kinds: set[str] = set()
    subject: int | None = None
    proven = False
    index, end = start, start
    while index < len(lines) and len(lines[index].text) <= 4 * _LONGEST_LINE:
        text = lines[index].text
        header = _header(text)
        if header is None or header[0] in kinds:
            break
        kind, value = header
        if kind == "sender" and value and not _LETTER.search(value):
            break
        kinds.add(kind)
        subject = index if kind == "subject" else subject
        end = _end_of_header(lines, index, kind, value)
        values = value + " ".join(line.text for line in lines[index + 1 : end])
        proven = proven or kind == "subject" or "@" in values or bool(_CLOCK.search(values))
        index = end
        if "sender" in kinds and index + 1 < len(lines) and not lines[index].text:
            index += 1
    if "sender" in kinds and len(kinds) > 1 and proven:
        return Opening("head", start, end, subject)
    return None


def _is_one_line_head(text: str) -> bool:
    """True if one line holds the whole head, as some programs write it."""
    if len(text) > 2 * _LONGEST_LINE or text.count(":") < _ONE_LINE_HEADERS or not _header(text):
        return False
    kinds = {HEADER_KINDS.get(label[1].lower()) for label in _LABEL.finditer(text)} - {None}
    return "sender" in kinds and len(kinds) >= _ONE_LINE_HEADERS and "@" in text


def _end_of_header(lines: Sequence[Line], index: int, kind: str, value: str) -> int:
    """Index behind a header line and the lines that its value is wrapped to."""
    end = index + 1
    limit = index + (8 if kind in ("recipient", "copy") else 1 if value else 2)
    while end < min(limit, len(lines)):
        text = lines[end].text
        wrapped = not value or "@" in text or lines[end - 1].text.endswith((";", ","))
        if not text or not wrapped or _header(text) or len(text) > 4 * _LONGEST_LINE:
            break
        end += 1
    return end
