"""Text to sentences, each with its offsets, its speaker and its time.

Understood are speaker lines ("Ana: …", "[00:12:31] Ana: …", "Ana [00:12:31]: …", "00:12:31 Ana"
above its text), WebVTT, SRT, header lines of tickets, bullet lists, Markdown headings and plain
paragraphs. Anything else is plain text. The work grows linearly with the text.
"""

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct
from syntok import segmenter
from syntok.tokenizer import Tokenizer

from domains.intelligence.findings import Profile
from domains.intelligence.text.words import word_set

MAX_QUOTE = 300
"""Longest sentence in characters; run-on speech is cut at clause borders below it."""

Section = Literal["", "pros", "cons", "wishes"]


class Sentence(Struct, frozen=True):
    """A readable unit of the document: `document.text[start:end] == text`.

    `turn` numbers the stretch of speech or the text block; `section` says that the author put the
    sentence under a heading such as "Cons".
    """

    text: str
    start: int
    end: int
    speaker: str | None
    start_time: float | None
    end_time: float | None
    turn: int
    section: Section


def sentences(text: str, profile: Profile) -> list[Sentence]:
    """Every sentence of the text in order of offset; none overlap and none is blank."""
    found: list[Sentence] = []
    for number, block in enumerate(_with_end_times(_blocks(text, profile))):
        for start, end in _sentence_spans(text, block.start, block.end):
            found.append(
                Sentence(
                    text=text[start:end],
                    start=start,
                    end=end,
                    speaker=block.speaker,
                    start_time=block.start_time,
                    end_time=block.end_time,
                    turn=number,
                    section=block.section,
                )
            )
    return found


def spoken(turns: Sequence[tuple[str, str]]) -> list[Sentence]:
    """Every sentence of turns that are (speaker, text), in order.

    Offsets are into the texts joined by line feeds; `turn` is the index of the turn.
    """
    text = "\n".join(said for _, said in turns)
    found: list[Sentence] = []
    at = 0
    for number, (speaker, said) in enumerate(turns):
        for start, end in _sentence_spans(text, at, at + len(said)):
            found.append(
                Sentence(
                    text=text[start:end],
                    start=start,
                    end=end,
                    speaker=speaker,
                    start_time=None,
                    end_time=None,
                    turn=number,
                    section="",
                )
            )
        at += len(said) + 1
    return found


class _Block(Struct):
    start: int
    end: int
    speaker: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    section: Section = ""


_CLOCK = r"(?:\d{1,2}:)?\d{1,3}:\d{2}(?:[.,]\d{1,3})?"
_NAME = r"[^\W\d_][^:<>{}|\[\]\n\t]{0,59}?"
_TIMING = re.compile(rf"\s*({_CLOCK})\s*-->\s*({_CLOCK})")
_VOICE = re.compile(r"\s*<v(?:\.[\w.]{1,40})?\s+([^>\n]{1,80})>")
_STAMP = re.compile(rf"\s*(?:[\[(]({_CLOCK})[\])]|({_CLOCK})(?=\s|$))\s*(?:[-–—:]\s+)?")
_LABEL = re.compile(rf"\s*\*{{0,2}}({_NAME})\s*\*{{0,2}}:\*{{0,2}}(?=\s|$)\s*")
_LABEL_STAMP = re.compile(
    rf"\s*\*{{0,2}}({_NAME})\*{{0,2}}\s*(?:[\[(]({_CLOCK})[\])]\s*:?|\s({_CLOCK})\s*(?::\s|$))\s*"
)
_INLINE_LABEL = re.compile(
    r"(?<![^\s.!?…\"”)])([A-Z][\w'’-]{0,20}(?: [A-Z][\w'’-]{0,20}){0,2}):(?=\s)"
)
_BULLET = re.compile(r"\s*(?:[-*•‣◦–>]+|\d{1,3}[.)]|\[[ xX]\])\s+")
_HEADING = re.compile(r"\s*#{1,6}\s+")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_NAME_PARTICLES = word_set(
    """
    and of the de da di van von der den la le el bin al for at
    """
)

ROLE_WORDS = word_set(
    """
    agent interviewer support customer user rep representative host moderator facilitator
    researcher participant respondent client interviewee caller operator seller buyer prospect
    speaker sales analyst me them assistant member guest patient consultant q a
    """
)

_TEXT_HEADERS = word_set(
    """
    subject title summary description body message comment comments details feedback review text
    issue problem question answer request notes note expected actual steps background impact
    expectation finding findings recommendation recommendations opportunity theme themes overview
    conclusion update warning example result results context goal goals question re fwd
    """
)
_META_HEADERS = word_set(
    """
    from to cc bcc date sent priority status id ticket assignee assigned tags tag plan version
    browser os environment account company email e-mail phone created updated channel category
    severity rating stars language attachments attachment sentiment type device platform
    customer-id requester reporter organization organisation group product source url link
    reply-to order reference region industry role seats score nps method sample duration location
    attendees participants recorded transcript recording
    """
)
_SECTIONS: dict[str, Section] = {
    "pros": "pros",
    "likes": "pros",
    "the good": "pros",
    "good": "pros",
    "what i like": "pros",
    "what i liked": "pros",
    "what do you like best": "pros",
    "what works": "pros",
    "strengths": "pros",
    "cons": "cons",
    "dislikes": "cons",
    "the bad": "cons",
    "bad": "cons",
    "what i dislike": "cons",
    "what i don't like": "cons",
    "what i didn't like": "cons",
    "what do you dislike": "cons",
    "what doesn't work": "cons",
    "weaknesses": "cons",
    "pain points": "cons",
    "frustrations": "cons",
    "feature requests": "wishes",
    "requests": "wishes",
    "wishlist": "wishes",
    "wish list": "wishes",
    "wishes": "wishes",
    "suggestions": "wishes",
    "what could be better": "wishes",
    "what could be improved": "wishes",
}


def _blocks(text: str, profile: Profile) -> list[_Block]:
    lines = _lines(text)
    if any(_TIMING.match(text, start, end) for start, end in lines if "-->" in text[start:end]):
        return list(_cue_blocks(text, lines))
    if profile in ("transcript", "support_ticket"):
        lines = _split_inline_labels(text, lines)
    return list(_line_blocks(text, lines, _speaker_labels(text, lines, profile), profile))


def _lines(text: str) -> list[tuple[int, int]]:
    spans = []
    offset = 0
    for line in text.splitlines(keepends=True):
        spans.append((offset, offset + len(line.rstrip())))
        offset += len(line)
    return spans


def _label(text: str, start: int, end: int) -> re.Match[str] | None:
    """The "Name:" that a line opens with; only its first colon can end one."""
    at = text.find(":", start, end)
    ends = at >= 0 and (at + 1 == end or text[at + 1].isspace())
    return _LABEL.match(text, start, end) if ends else None


def _cue_blocks(text: str, lines: list[tuple[int, int]]) -> Iterator[_Block]:
    """Blocks of WebVTT and SRT: one for each cue, or for each speaker within a cue."""
    block: _Block | None = None
    times: tuple[float, float] | None = None
    for start, end in lines:
        timing = _TIMING.match(text, start, end) if "-->" in text[start:end] else None
        if timing or start == end:
            if block:
                yield block
            block = None
            times = (_seconds(timing[1]), _seconds(timing[2])) if timing else None
            continue
        if times is None:
            continue
        voice = _VOICE.match(text, start, end)
        label = None if voice else _label(text, start, end)
        if label and not (_is_name(label[1]) and label[1].lower() not in _TEXT_HEADERS):
            label = None
        spoken = voice or label
        if spoken or block is None:
            if block:
                yield block
            block = _Block(spoken.end() if spoken else start, end, None, *times)
            block.speaker = spoken[1].strip() if spoken else None
        block.end = end - len("</v>") if text.endswith("</v>", start, end) else end
    if block:
        yield block


def _line_blocks(
    text: str, lines: list[tuple[int, int]], speakers: frozenset[str], profile: Profile
) -> Iterator[_Block]:
    block: _Block | None = None
    speaker: str | None = None
    time: float | None = None
    section: Section = ""
    section_lasts = True
    last_line = 0
    for line_start, end in lines:
        start = line_start
        if start == end:
            if block:
                yield block
            block = None
            continue
        mark = _speaker_mark(text, start, end, speakers, profile)
        if mark:
            speaker, time, start = mark
            section = ""
        body, opened, skipped = _strip_marker(text, start, end, speakers)
        if opened is not None:
            section = opened
            section_lasts = body >= end
        elif not section_lasts and body == start:
            section = ""
        starts_block = (
            mark is not None
            or body != start
            or block is None
            or (last_line < 60 and not text[body : body + 1].islower())
        )
        last_line = end - start
        if block and (starts_block or skipped):
            yield block
            block = None
        if skipped or body >= end:
            continue
        if block:
            block.end = end
        else:
            block = _Block(body, end, speaker, time, None, section)
    if block:
        yield block


def _speaker_mark(
    text: str, start: int, end: int, speakers: frozenset[str], profile: Profile
) -> tuple[str | None, float | None, int] | None:
    """The speaker and time that a line opens with, and the offset of what follows them."""
    stamp = _STAMP.match(text, start, end)
    if stamp:
        time = _seconds(stamp[1] or stamp[2])
        rest = stamp.end()
        label = _label(text, rest, end)
        if label and _is_name(label[1]):
            return label[1].strip(), time, label.end()
        if rest < end and end - rest <= 60 and _is_name(text[rest:end].strip()):
            return text[rest:end].strip(), time, end
        if stamp[1] or profile == "transcript":
            return None, time, rest
        return None
    named = _LABEL_STAMP.match(text, start, end)
    if named and _is_name(named[1]):
        return named[1].strip(), _seconds(named[2] or named[3]), named.end()
    label = _label(text, start, end)
    if label and label[1].strip() in speakers:
        return label[1].strip(), None, label.end()
    return None


def _strip_marker(
    text: str, start: int, end: int, speakers: frozenset[str]
) -> tuple[int, Section | None, bool]:
    """Offset behind a bullet, heading or header; the section it opens; whether to skip the line."""
    body = start
    heading = _HEADING.match(text, start, end)
    bullet = None if heading else _BULLET.match(text, start, end)
    if heading or bullet:
        body = (heading or bullet).end()  # type: ignore[union-attr]
    if end - body <= 60:
        title = text[body:end].strip(" \t*_:?!").lower().replace("’", "'")
        if title in _SECTIONS:
            return end, _SECTIONS[title], True
    label = _label(text, body, end)
    if label and label[1].strip() not in speakers:
        word = label[1].strip(" *_").lower().replace("’", "'")
        if word in _SECTIONS:
            return label.end(), _SECTIONS[word], False
        words = word.split()
        if words and (words[-1] in _META_HEADERS or words[0] in _META_HEADERS) and len(words) <= 3:
            return end, None, end - label.end() <= 160
        if words and words[0] in _TEXT_HEADERS and len(words) <= 3:
            return label.end(), None, False
    return body, "" if heading else None, False


def _speaker_labels(text: str, lines: list[tuple[int, int]], profile: Profile) -> frozenset[str]:
    """The "Name:" labels of a text that mark speakers rather than headers."""
    counts: Counter[str] = Counter()
    for start, end in lines:
        label = _label(text, start, end)
        if label and _is_name(label[1]) and not _is_header(label[1]):
            counts[label[1].strip()] += 1
    repeated = sum(1 for count in counts.values() if count > 1)
    return frozenset(
        name
        for name, count in counts.items()
        if profile == "transcript"
        or is_role(name)
        or (count > 1 and len(counts) > 1 and (repeated > 1 or profile == "support_ticket"))
    )


@functools.lru_cache(maxsize=1024)
def is_role(name: str) -> bool:
    """Whether a label is a role such as "Customer" or "Interviewer 2" rather than a name."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    return 0 < len(words) <= 3 and any(word in ROLE_WORDS for word in words)


def _is_header(label: str) -> bool:
    words = label.strip(" *_").lower().split()
    if not words or is_role(label):
        return False
    return (
        words[0] in _TEXT_HEADERS
        or words[0] in _META_HEADERS
        or words[-1] in _META_HEADERS
        or " ".join(words).replace("’", "'") in _SECTIONS
    )


@functools.lru_cache(maxsize=1024)
def _is_name(label: str) -> bool:
    words = label.strip(" *_").split()
    if not 0 < len(words) <= 6 or label.strip()[-1:] in ".!?,;":
        return False
    if is_role(label) and len(words) <= 3:
        return True
    return all(
        word[:1].isupper() or not word[:1].isalpha() or word in _NAME_PARTICLES for word in words
    ) and bool(words[0][:1].isupper())


def _split_inline_labels(text: str, lines: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Cut lines such as "Agent: Hello. Customer: It fails." where a repeated label begins."""
    if not any(end - start > 200 or text.count(":", start, end) > 1 for start, end in lines):
        return lines
    labels = [match for match in _INLINE_LABEL.finditer(text) if not _is_header(match[1])]
    counts = Counter(match[1] for match in labels)
    wanted = {name for name, count in counts.items() if count > 1 or is_role(name)}
    if len(wanted) < 2:
        return lines
    cuts = [match.start() for match in labels if match[1] in wanted]
    pieces: list[tuple[int, int]] = []
    at = 0
    for line_start, end in lines:
        start = line_start
        while at < len(cuts) and cuts[at] < end:
            if cuts[at] > start and not _leads(text, start, cuts[at]):
                pieces.append((start, start + len(text[start : cuts[at]].rstrip())))
                start = cuts[at]
            at += 1
        pieces.append((start, end))
    return pieces


def _leads(text: str, start: int, cut: int) -> bool:
    """Whether only a time mark or an emphasis stands between the line's start and the label."""
    return cut - start <= 24 and not re.search(r"[^\W\d_]", text[start:cut])


def _with_end_times(blocks: list[_Block]) -> list[_Block]:
    """Where only starts are marked, a turn lasts until the next mark."""
    following: float | None = None
    for block in reversed(blocks):
        if block.start_time is None:
            continue
        if block.end_time is None and following is not None and following > block.start_time:
            block.end_time = following
        if following is None or block.start_time != following:
            following = block.start_time
    # Blocks of one turn share its start, so the first pass left only the last one with an end.
    for earlier, later in zip(reversed(blocks[:-1]), reversed(blocks[1:]), strict=True):
        if earlier.end_time is None and earlier.start_time == later.start_time:
            earlier.end_time = later.end_time
    return blocks


def _seconds(clock: str) -> float:
    """Seconds of "01:02:03.500" or "02:03"."""
    total = 0.0
    for part in clock.replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return round(total, 3)


_SPLITTER = Tokenizer(replace_not_contraction=False)
_PIECE = 4000
_INNER_STOP = re.compile(r"[.!?…。！？;].?[^\W_]|[.!?…。！？;]\W{1,9}[^\W_]")
_RUN_ON = re.compile(
    r"(?<=[^\W\d_A-Z][^\W\d_A-Z]) +(?=(?:It|It['’]s|This|The|My|Also|But|However|Please|"
    r"You|We|They|"
    r"There|Would|When|If|Now|Not|Very|Overall|Sometimes|Since|After|Every|No|And|Other|Only|Why|"
    r"Can['’]t|Doesn['’]t|Love|Great|Just) [a-z])"
)
_CONTRAST = re.compile(
    r"(?<!\s)(?:[,;:–—]|\s-)?\s+(?:but|however|although|though|except that|yet|"
    r"whereas)\b(?! also\b)[,]?\s+",
    re.IGNORECASE,
)
_NO_CONTRAST = re.compile(
    r"(?:\b(?:nothing|anything|all|everything|even|as|not)|^)\s*$", re.IGNORECASE
)
_CLAUSE_BORDER = re.compile(
    r"[;:]\s|,\s|\s[-–—]\s|\s(?=(?:and|but|so|because|then|or|when|which|if)\s)", re.IGNORECASE
)


def _sentence_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for piece_start, piece_end in _pieces(text, start, end):
        borders = [piece_start]
        for left, right in _plainly_split(text, piece_start, piece_end):
            borders.append(left)
            if _INNER_STOP.search(text, left, right):
                for sentence in segmenter.segment(_SPLITTER.tokenize(text[left:right])):
                    borders.append(max(borders[-1], left + sentence[0].offset))
        borders.append(piece_end)
        for left, right in pairwise(borders):
            if text.count(" ", left, right) < _FEW_SPACES:
                yield from _clipped(text, left, right)
                continue
            for a, b in _run_ons(text, left, right):
                for c, d in _contrasts(text, a, b):
                    yield from _clipped(text, c, d)


_FEW_SPACES = 4
"""A stretch with fewer is too short to be cut in two statements."""


_BRACKET = re.compile(r"[(\[{]")
_PLAIN_STOP = re.compile(r"(?<![^\s])([A-Za-z]{2,20})[.?!] +(?=[A-Z][a-z]|I )")
_SHORT_WORDS = word_set(
    """
    it yes yeah yep one way too now is you me us all out not do up on in see be to go are was day
    did has had can new two ten old off oh um uh ah mm hm app lot bit time
    """
)
_LONG_ABBREVIATIONS = word_set(
    """
    afmo agto apdo approx aufl atte atto brig bspw capt cmdt cnel corp dept evtl excl exca excmo
    exsmo febr figs gmbh gral inkl incl misc mwst novbre ntra ntro octbre phil prof resp sept setbre
    srta synth univ zzgl messrs assn bros viii xiii xvii xviii
    """
)


def _plainly_split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut where a sentence ends beyond doubt, so that the slow splitter has less to look at."""
    if not _BRACKET.search(text, start, end):
        for stop in _PLAIN_STOP.finditer(text, start, end):
            word = stop[1].lower()
            if word in _SHORT_WORDS or (len(word) > 3 and word not in _LONG_ABBREVIATIONS):
                yield start, stop.end()
                start = stop.end()
    yield start, end


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut very long blocks at white space, so that the splitter's work stays bounded."""
    while end - start > _PIECE:
        cut = text.rfind(" ", start + _PIECE // 2, start + _PIECE)
        cut = start + _PIECE if cut < 0 else cut
        yield start, cut
        start = cut
    yield start, end


def _run_ons(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Split "It is quick It never fails", as people type reviews without full stops."""
    for border in _RUN_ON.finditer(text, start, end):
        if text.count(" ", start, border.start()) >= 2:
            yield start, border.start()
            start = border.end()
    yield start, end


def _contrasts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Split "It is great, but exports fail" in two, as each side is a statement of its own."""
    for border in _CONTRAST.finditer(text, start, end):
        left, right = text[start : border.start()], text[border.end() : end]
        if left.count(" ") >= 2 and right.count(" ") >= 2 and not _NO_CONTRAST.search(left[-12:]):
            yield start, border.start()
            start = border.end()
    yield start, end


def _clipped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretch without white space around it, in parts of at most MAX_QUOTE characters."""
    while True:
        stretch = text[start:end] if end - start <= MAX_QUOTE else text[start : start + MAX_QUOTE]
        lead = len(stretch) - len(stretch.lstrip())
        start += lead
        if end - start <= MAX_QUOTE:
            end = start + len(text[start:end].rstrip())
            if _LETTER_OR_DIGIT.search(text, start, end):
                yield start, end
            return
        cut = _cut(text, start)
        stop = start + len(text[start:cut].rstrip())
        if _LETTER_OR_DIGIT.search(text, start, stop):
            yield start, stop
        start = cut


def _cut(text: str, start: int) -> int:
    """Where to end a part that is too long: after a clause in its second half, else a word."""
    limit = start + MAX_QUOTE
    clause = 0
    for border in _CLAUSE_BORDER.finditer(text, start + MAX_QUOTE // 3, limit):
        clause = border.end()
    if clause:
        return clause
    space = text.rfind(" ", start + MAX_QUOTE // 3, limit)
    return limit if space < 0 else space + 1
