"""Removal of what a sentence does not need: markup, fillers, stutter and openings."""

import re
from itertools import islice
from typing import Final

from domains.intelligence.wording.languages import LANGUAGES, Language

LONGEST: Final = 1000
"""Characters of a sentence that are read."""

WORD: Final = re.compile(r"\d+(?:[.,:]\d+)+|[^\W_]+(?:['’.\-‑&/][^\W_]+)*")
EAST_ASIAN: Final = re.compile(r"[぀-ヿ㐀-鿿가-힯豈-﫿ｦ-ﾟ]")

_MARKUP: Final = (
    (re.compile(r"</?[a-zA-Z]\w{0,10}(?:\s[^<>=]{1,30}=[^<>]{0,80})?/?>"), " "),
    (re.compile(r"!?\[([^\[\]]{1,80})\]\([^()\s]{1,300}\)"), r"\1"),
    (re.compile(r"\[\d{1,2}:\d\d(?::\d\d)?\]"), " "),
    (re.compile(r"(?<![\w*])(\*\*|__|~~|\*|`)(?=\S)([^*_~`]{1,200})(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"^(?:\s*(?:[-*•·>+]|#{1,6}|\d{1,2}[.)]|\[[ xX]\])(?=\s))+"), ""),
)
_STAGE: Final = re.compile(
    r"[\[(（［]\s*(?:\w+ )?(?:laugh\w*|chuckl\w*|sigh\w*|cough\w*|pause|inaudible|crosstalk|"
    r"unintelligible|applause|silence|lach\w*|seufz\w*|rires?|soupirs?|risas?|ríe\w*|risos?|"
    r"ride|risate|sospir\w*|zucht\w*|笑い?|爆笑|苦笑|咳)[^\])）］]{0,20}[\])）］]",
    re.IGNORECASE,
)
INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, soft hyphens, and marks that change the direction of text."""
_CLOSERS: Final = {"“": "”", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』", '"': '"',
                   "‘": "’", "‹": "›", "(": ")", "[": "]", "（": "）", "'": "'"}  # fmt: skip
_CLOSING: Final = tuple('”“»«」』"')
_PICTURE: Final = "[\u2600-\u2604\u2607-\u27bf\U0001f000-\U0001faff\ufe0f\u200d]+"
_PICTURES: Final = re.compile(f"^{_PICTURE}|{_PICTURE}$")
_FRONT: Final = " \t,;:.!?…–—*•·>|\\~_=^、。，．・/）)]}”»」』"
_BACK: Final = " \t,;:–—-*•·|\\~_=^、，.。．„「『([{（¿¡"
_QUOTES: Final = tuple("”“»«\"'’」")
_BREAK: Final = re.compile(r"\s*(?:[,;:.!…–—、，。！]+|--?(?=\s))[\s,.…–—、!-]*")
_HESITATION: Final = (",", "-", "—", "…", "...")
_BROKEN: Final = ("- ", "— ", "-, ", "… ")
_STUMBLE: Final = re.compile(r"\s*(?:…|\.\.\.?|—|–|--?(?=\s)),?\s*")
_LONGEST_OPENINGS: Final = 12


def clean(sentence: str, language: str) -> str:
    """The sentence without markup, stage directions, fillers, stutter and openings.

    Every word that is left stands in the sentence, in the same order. A sentence that consists of
    openings only keeps them.
    """
    read = sentence if len(sentence) <= LONGEST else sentence[:LONGEST].rpartition(" ")[0]
    text = INVISIBLE.sub(" ", read or sentence[:LONGEST])
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    text = trimmed(" ".join(_STAGE.sub(" ", text).split()))
    words = LANGUAGES[language]
    text = trimmed(_without_stutter(text, words))
    for _ in range(_LONGEST_OPENINGS):
        rest = trimmed(_without_opening(text, words))
        if rest == text or not _enough(rest):
            break
        text = rest
    return text


def trimmed(text: str) -> str:
    """The text without quotation marks around it, stray marks, and the full stop at its end."""
    before = None
    while before != text:
        before = text
        text = text.lstrip(_FRONT).lstrip("-–" if not text[1:2].isdigit() else "")
        if not re.search(r"\b\w\.\w{1,3}\.$", text):
            text = text.rstrip(_BACK)
        text = _PICTURES.sub("", text)
        closers = _CLOSERS.get(text[:1])
        if closers is not None and text[:1] != "'":
            end = min((at for c in closers if (at := text.find(c, 1)) > 0), default=-1)
            if end < 0 or (end == len(text) - 1 and text[0] not in "(（["):
                text = text[1 : end if end > 0 else None]
        elif text[-1:] in _CLOSING and not _opened(text):
            text = text[:-1]
        if text[:1] in "¿¡" and not re.search("[?!]", text):
            text = text[1:]
    return text


def _opened(text: str) -> bool:
    """True if the quotation mark at the end has an opening one."""
    last = text[-1]
    openers = [mark for mark, closers in _CLOSERS.items() if last in closers]
    return any(mark in text[:-1] for mark in openers) and (last != '"' or text.count('"') % 2 == 0)


def _enough(text: str) -> bool:
    """Enough words to say something."""
    return len(WORD.findall(text)) >= 3 or len(EAST_ASIAN.findall(text)) >= 4


def _without_stutter(text: str, words: Language) -> str:
    """Drop fillers, words broken off and words repeated."""
    found = list(WORD.finditer(text))
    drop: list[tuple[int, int]] = []
    for size in (1, 2):
        for at in range(len(found) - 2 * size + 1):
            first = [match[0].lower() for match in found[at : at + size]]
            again = [match[0].lower() for match in found[at + size : at + 2 * size]]
            gap = text[found[at + size - 1].end() : found[at + size].start()]
            short = not gap.strip() or (gap.strip() in _HESITATION and len(first[0]) < 5)
            if size == 1:
                repeated = first[0].isalpha() and first[0] not in words.doubled
            else:
                repeated = first[0] in words.subjects and first[1] not in words.joins
            broken = size == 1 and gap in _BROKEN and again[0].startswith(first[0])
            if (first == again and repeated and short) or broken:
                drop.append((found[at].start(), found[at + size].start()))
    for here in found:
        quoted = text[here.end() : here.end() + 1] in _QUOTES
        if here[0].lower() in words.fillers and not here[0].isupper() and not quoted:
            end = len(text) - len(text[here.end() :].lstrip(" ,.…–—-、"))
            drop.append((here.start(), end))
    kept, at = [], 0
    for start, end in sorted(drop):
        kept.append(text[at : max(at, start)])
        at = max(at, end)
    return " ".join("".join([*kept, text[at:]]).split())


def _without_opening(text: str, words: Language) -> str:
    """Drop one opening or false start at the front."""
    if text[:1] in ("¿", "¡"):
        return text[0] + _without_opening(text[1:], words)
    lower = text[:60].lower().replace("’", "'")
    for phrase in words.openers:
        stop = lower.startswith(phrase) and _BREAK.match(text, len(phrase))
        if stop and not (stop[0][:1] == "-" and text[stop.end() :][:1].isalnum()):
            return text[stop.end() :]
    for phrase in (*words.links, *words.soft_links):
        rest = text[len(phrase) + 1 :]
        first = next(iter(words_of(rest, 1)), frozenset[str]())
        subject = first & (words.subjects | words.determiners)
        if lower.startswith(phrase + " ") and (subject or phrase in words.links):
            return rest
    return _after_false_start(text, words)


def _after_false_start(text: str, words: Language) -> str:
    """Drop up to three function words before a dash or dots if a clause follows."""
    stop = _STUMBLE.search(text, 0, 40)
    if stop is None:
        return text
    before, rest = words_of(text[: stop.start()], 5), words_of(text[stop.end() :], 4)
    light = words.subjects | words.determiners | words.verbs | words.hanging
    restarted = len(rest) == 4 and rest[0] & words.subjects
    if restarted and 0 < len(before) <= 3 and all(word & light for word in before):
        return text[stop.end() :]
    return text


def words_of(text: str, most: int) -> list[frozenset[str]]:
    """The forms of the first words."""
    return [forms(match[0]) for match in islice(WORD.finditer(text), most)]


def forms(word: str) -> frozenset[str]:
    """A word in lower case: whole, and its part before an apostrophe."""
    lower = word.lower().replace("’", "'")
    return frozenset([lower, lower.partition("'")[0]])


def is_east_asian(text: str) -> bool:
    """True if at least a third of the letters are Chinese, Japanese or Korean."""
    letters = sum(c.isalpha() for c in text)
    return 0 < letters <= 3 * len(EAST_ASIAN.findall(text))
