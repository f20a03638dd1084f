"""Borders between sentences, also where people type without capitals or full stops.

The work grows linearly with the text.
"""

import re
from collections.abc import Iterator
from itertools import accumulate, pairwise

from syntok import segmenter
from syntok.tokenizer import Tokenizer

from domains.intelligence.text.marks import Span
from domains.intelligence.text.words import word_set

MAX_QUOTE = 300
"""Longest sentence in characters; run-on speech is cut at clause borders below it."""

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
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


def sentence_spans(text: str, start: int, end: int) -> Iterator[Span]:
    """Iterate over the sentences between two offsets, without white space around them."""
    for line_start, line_end in _lower_starts(text, start, end):
        yield from _spans_of_part(text, line_start, line_end)


def _spans_of_part(text: str, start: int, end: int) -> Iterator[Span]:
    for piece_start, piece_end in _unspaced_sentences(text, start, end):
        borders = [piece_start]
        for left, right in _plainly_split(text, piece_start, piece_end):
            borders.append(left)
            if _INNER_STOP.search(text, left, right):
                for sentence in segmenter.segment(_SPLITTER.tokenize(text[left:right])):
                    borders.append(max(borders[-1], left + sentence[0].offset))
        begins = [_begin(text, piece_start, each) for each in borders]
        borders = [*accumulate((each for each in begins if each is not None), max), piece_end]
        for left, right in pairwise(borders):
            if text.count(" ", left, right) < _FEW_SPACES:
                yield from _clipped(text, left, right)
                continue
            for a, b in _run_ons(text, left, right):
                for c, d in _contrasts(text, a, b):
                    yield from _clipped(text, c, d)


_ORDINAL = re.compile(
    r"(?:(?<!\bI )\bam|\b(?:im|vom|zum|zur|beim|ins|den|dem|des|der|das|die|jede[nrms]?|"
    r"eine[nrms]?|ihre?[nrms]?|unser\w{0,2}|mein\w{0,2}))\s\d{1,3}\.\s*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\b\d{1,2}\.\s*$")
_GERMAN_MONTH = re.compile(
    r"(?:Jan(?:uar)?|Jänner|Feb(?:ruar)?|März|April|Mai|Jun[io]|Jul[io]|Aug(?:ust)?|Sept?(?:ember)?|"
    r"Okt(?:ober)?|Nov(?:ember)?|Dez(?:ember)?)\b"
)
_CLOSING = re.compile(r"[»”“][.!?…]*\s*")
_LOOK_BACK = 40
_LONGEST_QUOTED = 200


def _begin(text: str, start: int, border: int) -> int | None:
    """Return where a sentence begins at or just after a border of the splitter; None if nowhere.

    None does after a German ordinal, as in "am 3. Mai", or with a small letter within a quotation.
    Marks that close a quotation belong to the sentence before.
    """
    if border <= start:
        return border
    before = text[max(start, border - _LOOK_BACK) : border]
    if _ORDINAL.search(before) or (_NUMBER.search(before) and _GERMAN_MONTH.match(text, border)):
        return None
    quoted = text[max(start, border - _LONGEST_QUOTED) : border]
    if any(quoted.rfind(one) > quoted.rfind(other) for one, other in ("«»", "„“", "“”")):
        closing = _CLOSING.match(text, border)
        if closing:
            return closing.end()
        if text[border : border + 1].islower():
            return None
    return border


_FEW_SPACES = 4
"""A stretch with fewer is too short to be cut in two statements."""


_CAPITAL_START = re.compile(r"[.!?][\"”’)»]*\s+[\"“‘(«¿¡]*[^\W\d_a-zà-öø-ÿ]")
_LOWER_START = re.compile(r"(?<!\S)([^\W\d_]{2,30})([.!?]+|…) +(?=[a-zà-öø-ÿ])")
_ABBREVIATIONS = word_set(
    """
    approx incl excl dept est ext fig vol ref avg min max tel temp misc spec acct qty mgmt govt hrs
    mins secs wks yrs lbs inc ltd addr msg config prod env dev mfg intl assoc natl attn cont def
    sec mrs sra dra sig dott prof mon tue wed thu fri sat
    orig prev req tech admin cert char chars col cols desc diff dist div doc docs ver
    inkl exkl bzw usw ggf geb str abs art ung sog abzgl vgl ebd std sek mio mrd evtl etc tägl jährl
    mtl gem einschl versch bes allg ehem zzt jan feb mar apr jun jul aug sep okt oct nov dec dez
    aprox pág núm tfno máx mín tél réf qté obs qtd ecc pag tot enz bijv evt ong arr chap par vlgs
    """
)


_NAMES_WITH_MARKS = word_set("yahoo joomla")


def _has_lower_starts(text: str, start: int, end: int) -> bool:
    """Return True if the writer begins sentences with small letters."""
    return text[start : start + 2].islower() or not _CAPITAL_START.search(text, start, end)


def _lower_starts(text: str, start: int, end: int) -> Iterator[Span]:
    """Split "love it. but it crashes. pls fix", as people type without capitals.

    After an exclamation or question mark a small letter always begins a sentence, after a full stop
    only where the writer has no capitals there.
    """
    all_stops = _has_lower_starts(text, start, end)
    for border in _LOWER_START.finditer(text, start, end):
        word, sign = border[1].lower(), border[2]
        is_word = (len(word) > 2 or word in _SHORT_WORDS) and word not in _ABBREVIATIONS
        is_mark = sign[0] in "!?" and word not in _NAMES_WITH_MARKS
        ends = is_mark or (all_stops and is_word and word not in _LONG_ABBREVIATIONS)
        if ends:
            yield start, border.end()
            start = border.end()
    yield start, end


_EAST_ASIAN_STOP = re.compile(r"[。！？]+(?![」』）】”’、。！？])(?=\S)")


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


def _plainly_split(text: str, start: int, end: int) -> Iterator[Span]:
    """Cut where a sentence ends beyond doubt, so that the slow splitter has less to look at."""
    if not _BRACKET.search(text, start, end):
        for stop in _PLAIN_STOP.finditer(text, start, end):
            word = stop[1].lower()
            if word in _SHORT_WORDS or (len(word) > 3 and word not in _LONG_ABBREVIATIONS):
                yield start, stop.end()
                start = stop.end()
    yield start, end


def _unspaced_sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """Cut after the full stops of scripts without spaces, and cut very long blocks."""
    for piece_start, piece_end in _pieces(text, start, end):
        stops = _EAST_ASIAN_STOP.finditer(text, piece_start, piece_end)
        yield from pairwise([piece_start, *(stop.end() for stop in stops), piece_end])


def _pieces(text: str, start: int, end: int) -> Iterator[Span]:
    """Cut very long blocks at white space, so that the splitter's work stays bounded."""
    while end - start > _PIECE:
        cut = text.rfind(" ", start + _PIECE // 2, start + _PIECE)
        cut = start + _PIECE if cut < 0 else cut
        yield start, cut
        start = cut
    yield start, end


def _run_ons(text: str, start: int, end: int) -> Iterator[Span]:
    """Split "It is quick It never fails", as people type reviews without full stops."""
    for border in _RUN_ON.finditer(text, start, end):
        if text.count(" ", start, border.start()) >= 2:
            yield start, border.start()
            start = border.end()
    yield start, end


def _contrasts(text: str, start: int, end: int) -> Iterator[Span]:
    """Split "It is great, but exports fail" in two, as each side is a statement of its own."""
    for border in _CONTRAST.finditer(text, start, end):
        left, right = text[start : border.start()], text[border.end() : end]
        if left.count(" ") >= 2 and right.count(" ") >= 2 and not _NO_CONTRAST.search(left[-12:]):
            yield start, border.start()
            start = border.end()
    yield start, end


def _clipped(text: str, start: int, end: int) -> Iterator[Span]:
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
