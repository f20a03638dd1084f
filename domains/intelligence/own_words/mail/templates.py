"""Templates: what forms, surveys and chat programs add to the words of the writer."""

import re
from collections.abc import Sequence
from typing import Final

from domains.intelligence.own_words.mail.lines import Line
from domains.intelligence.own_words.phrases.templates import (
    CHECKLIST,
    FORM_HEADINGS,
    FORM_HINTS,
    RATING_QUESTIONS,
    STEPS_HEADINGS,
    SURVEY_QUESTIONS,
    SYSTEM_LINES,
)
from domains.intelligence.text.marks import Span

_HEADING: Final = re.compile(
    rf"(?:{'|'.join(FORM_HEADINGS)})(?: \((?:optional|required)\))?", re.IGNORECASE
)
_STEPS: Final = re.compile("|".join(STEPS_HEADINGS), re.IGNORECASE)
_ITEM: Final = re.compile(r"(?:[-*+•‣–]|\d{1,2}[.)])\s")
_HINT: Final = re.compile("|".join(FORM_HINTS), re.IGNORECASE)
_CHECKED: Final = re.compile(rf"(?:{'|'.join(CHECKLIST)})", re.IGNORECASE)
_BOX: Final = re.compile(
    r"(?:[-*+•]\s+)?(?:\[(?P<tick>[ xX✓])\]|(?P<sign>[☐☑☒✅✔]))\s*(?P<label>.*)"
)
_NUMBER: Final = r"(?:q(?:uestion)? ?\d{0,2} ?[:.)]\s*)?"
_SURVEY: Final = re.compile(rf"{_NUMBER}(?:{'|'.join(SURVEY_QUESTIONS)})", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"q(?:uestion)? ?\d{1,2} ?[:.)]", re.IGNORECASE)
_RATING: Final = re.compile(rf"{_NUMBER}(?:{'|'.join(RATING_QUESTIONS)})", re.IGNORECASE)
_STAMP: Final = r"(?:[\[(]?[\d/.\-: ,]{4,24}(?:[ap]\.?m\.?)?[\])]?\s*[-–—:]?\s*)?"
_SYSTEM: Final = re.compile(
    rf"{_STAMP}[*_(\[<—–-]*\s*(?:{'|'.join(SYSTEM_LINES)})\W*", re.IGNORECASE
)
_LONGEST: Final = 200


def comment_spans(text: str) -> list[Span]:
    """HTML comments, as in unchanged issue templates. One without an end covers nothing."""
    found: list[Span] = []
    at = text.find("<!--")
    while at >= 0:
        end = text.find("-->", at + 4)
        if end < 0:
            break
        end += len("-->")
        if text[end : end + 1] == "\n" and (at == 0 or text[at - 1] == "\n"):
            end += 1
        found.append((at, end))
        at = text.find("<!--", end)
    return found


def form_spans(lines: Sequence[Line]) -> list[Span]:
    """Headings, hints and checklists of issue forms; choices that were not ticked; steps."""
    boxes = [_BOX.fullmatch(line.text) if _may_be_box(line.text) else None for line in lines]
    choice = any(_is_ticked(box) for box in boxes if box)
    found: list[Span] = []
    steps = _Steps()
    for line, box in zip(lines, boxes, strict=True):
        if steps.has(line.text):
            found.append((line.start, line.end))
        elif not line.text or len(line.text) > 2 * _LONGEST:
            continue
        elif box:
            if _CHECKED.match(box["label"]) or (choice and not _is_ticked(box)):
                found.append((line.start, line.end))
        elif _is_heading(line.text, _HEADING) or _HINT.fullmatch(line.text.strip(" *_>")):
            found.append((line.start, line.end))
    return found


class _Steps:
    """A list of steps to reproduce an error, from its heading to its last item.

    A blank line ends a list, unless it is below the heading or between numbered items.
    """

    def __init__(self) -> None:
        self._is_open = False
        self._item: str | None = None

    def has(self, text: str) -> bool:
        """Return True if the next line is a heading of steps or an item below one."""
        if not text:
            self._is_open = self._is_open and (self._item is None or self._item.isdigit())
            return False
        item = _ITEM.match(text) if len(text) <= _LONGEST else None
        if self._is_open and item:
            self._item = item[0][0]
            return True
        self._is_open = _is_heading(text, _STEPS)
        self._item = None
        return self._is_open


def survey_spans(lines: Sequence[Line], *, only_ratings: bool = False) -> list[Span]:
    """Lines that hold nothing but the question of a survey.

    `only_ratings` leaves questions that customers ask as well, such as "What can we do?".
    """
    questions = (_RATING,) if only_ratings else (_SURVEY, _NUMBERED)
    return [
        (line.start, line.end)
        for line in lines
        if 10 <= len(line.text) <= _LONGEST
        and line.text.rstrip("*_:) ").endswith("?")
        and any(question.match(line.text.strip(" *_#")) for question in questions)
    ]


def system_spans(lines: Sequence[Line]) -> list[Span]:
    """Lines that a chat program wrote, such as "Ana joined the conversation"."""
    return [(line.start, line.end) for line in lines if is_system_line(line.text)]


def is_system_line(text: str) -> bool:
    """True for a line that a chat program or recorder wrote."""
    return 5 <= len(text) <= _LONGEST and _SYSTEM.fullmatch(text) is not None


def _may_be_box(text: str) -> bool:
    return len(text) <= 2 * _LONGEST and text[:1] in "-*+•[☐☑☒✅✔"


def _is_ticked(box: re.Match[str]) -> bool:
    return box["tick"] in ("x", "X", "✓") or box["sign"] in ("☑", "☒", "✅", "✔")


def _is_heading(text: str, known: re.Pattern[str]) -> bool:
    """Return True for a heading, a bold line or a label without a value, if it is known."""
    bare = text.strip("#*_ \t")
    if len(bare) > 80:
        return False
    marked = text[0] in "#*_" or bare.endswith((":", "?", "："))
    return marked and known.fullmatch(bare.strip(":?：. 🐛✨💡📝*_")) is not None
