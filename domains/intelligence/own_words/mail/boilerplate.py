"""Boilerplate of mails: legal notices, banners of mail servers, footers of lists and scanners."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from domains.intelligence.own_words.mail.lines import Line, paragraphs
from domains.intelligence.own_words.phrases.boilerplate import (
    BANNERS,
    FOOTERS,
    LEGAL_CUES,
    LEGAL_OPENINGS,
    LEGAL_STEMS,
    SUBJECT_TAGS,
)
from domains.intelligence.text.marks import Span

_CUES: Final = tuple(re.compile(cue, re.IGNORECASE) for cue in LEGAL_CUES)
_OPENING: Final = re.compile(rf"[\s*_(\[]*(?:{'|'.join(LEGAL_OPENINGS)})", re.IGNORECASE)
_FOOTER: Final = re.compile("|".join(FOOTERS), re.IGNORECASE)
_BANNER: Final = re.compile("|".join(BANNERS), re.IGNORECASE)
_TAG: Final = re.compile(rf"[\[(*_]*(?:{'|'.join(SUBJECT_TAGS)})[\])*_]*[\s:,-]*", re.IGNORECASE)
_SENTENCE_END: Final = re.compile(r"[.!?][)\"”*_]*\s+|[。！？]\s*")

_MARKS: Final = "*_-—–>~=#|[( \t\r\n"
_PROOF: Final = frozenset({2, 3, 4})  # cues that only notices have: addressee, error, what to do
_LEGAL_CUES: Final = 3
_LEGAL_CUES_AFTER_OPENING: Final = 2
_LONGEST_FOOTER: Final = 400  # characters
_LONGEST_PARAGRAPH: Final = 6000


def boilerplate_spans(text: str, lines: Sequence[Line]) -> list[Span]:
    """Spans of boilerplate in the lines: whole paragraphs where possible, else whole sentences."""
    found: list[Span] = []
    legal = False
    lowered = text.lower()
    stems = [stem for stem in LEGAL_STEMS.split() if stem in lowered]
    for part in paragraphs(lines):
        first, last = lines[part.start], lines[part.stop - 1]
        if last.end - first.body > _LONGEST_PARAGRAPH:
            legal = False
            continue
        paragraph = text[first.body : last.end]
        start = None
        if legal or (stems and any(stem in paragraph.lower() for stem in stems)):
            start = _legal_start(paragraph, continued=legal)
        legal = start is not None
        if start == 0:
            found.append((first.start, last.end))
        elif start is not None:
            found.append((first.body + start, last.end))
        else:
            found += _footers(text, lines[part.start : part.stop])
    return found


def _legal_start(paragraph: str, *, continued: bool) -> int | None:
    """Offset of the legal notice in a paragraph, None if it has none.

    `continued` says that the paragraph before was one; then one cue suffices.
    """
    sentences = _sentences(paragraph)
    cues = [{i for i, cue in enumerate(_CUES) if cue.search(s)} for s in sentences]
    opening = next((i for i, s in enumerate(sentences) if _OPENING.match(s)), None)
    needed = 1 if continued else _LEGAL_CUES if opening is None else _LEGAL_CUES_AFTER_OPENING
    said = set().union(*cues)
    if len(said) < needed or not (continued or opening is not None or said & _PROOF):
        return None
    begun = next(i for i, found in enumerate(cues) if found)
    begun = begun if opening is None else min(begun, opening)
    # Own words that end in a cue by chance, such as "it is confidential", are not the notice.
    while begun < len(cues) and not continued and not cues[begun] - {0} and begun != opening:
        begun += 1
    own_after = [s for s, found in zip(sentences[begun:], cues[begun:], strict=True) if not found]
    if begun == len(cues) or 2 * len(own_after) > len(cues) - begun:
        return None
    return sum(len(s) for s in sentences[:begun])


def _sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph; joined they are the paragraph."""
    borders = [0, *(m.end() for m in _SENTENCE_END.finditer(paragraph)), len(paragraph)]
    return [paragraph[a:b] for a, b in pairwise(borders) if a < b] or [paragraph]


def _footers(text: str, lines: Sequence[Line]) -> list[Span]:
    """Footers and banners: the whole paragraph if it is short and opens with one, else lines."""
    first, last = lines[0], lines[-1]
    paragraph = " ".join(line.text for line in lines) if last.end - first.start < 3000 else ""
    bare = paragraph.lstrip(_MARKS)
    if paragraph and _BANNER.match(bare):
        return [(first.start, _end_of_banner(text, lines))]
    if len(paragraph) <= _LONGEST_FOOTER and paragraph and _FOOTER.match(bare):
        return [(first.start, last.end)]
    found = []
    for line in lines:
        tag = _TAG.match(line.text) if line.text[:1] in "[(*_E" else None
        if len(line.text) <= _LONGEST_FOOTER and _FOOTER.match(line.text.lstrip(_MARKS)):
            found.append((line.start, line.end))
        elif tag:
            whole = tag.end() == len(line.text)
            found.append((line.start, line.end if whole else line.body + tag.end()))
    return found


def _end_of_banner(text: str, lines: Sequence[Line]) -> int:
    """Offset behind a banner's sentences; own words may follow in the same paragraph."""
    first, last = lines[0], lines[-1]
    at = first.body
    for sentence in _sentences(text[first.body : last.end]):
        if not _BANNER.match(sentence.lstrip(_MARKS)):
            break
        at += len(sentence)
    return last.end if not text[at : last.end].strip(" *_-=]\r\n") else at
