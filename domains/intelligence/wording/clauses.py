"""Readable cuts of a long sentence: runs of neighbouring clauses that stand alone."""

import re
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Final, NamedTuple

from domains.intelligence.text.words import word_set
from domains.intelligence.wording.cleaning import EAST_ASIAN, WORD, forms, trimmed
from domains.intelligence.wording.languages import LANGUAGES, Language

MOST_CUTS: Final = 11
_MOST_WORDS: Final = 200
_FEWEST_WORDS: Final = 3
_FEWEST_SIGNS: Final = 6
_MARK: Final = re.compile(r"[;:—–…]|\.\.\.|\s--?\s|[.!?]+(?=[\s”»“\"')])|,")
_CAUSAL: Final = word_set("because cause cos weil denn car parce porque perché want omdat")
_CLAUSAL: Final = word_set(
    "because if when weil wenn dass parce quand si cuando quando porque perché omdat als dat"
)

_JA_BORDER: Final = re.compile(r"[、。，！？]")
_JA_CLAUSE: Final = re.compile(
    r"(?:けれども|けれど|けども|けど|ので|んで|のに|[るたいすだ]から|[るたいすだん]が|[るたいすだ]し)$"
)
_JA_LINK: Final = re.compile(
    r"(?<=[るたいだすんう])(?:けれども|けれど|けども|けど|ので|んで|のに|から|が|し)$"
)
# Clauses joined by a form of the verb; a condition or a topic needs what follows.
_JA_JOINED: Final = re.compile(r"(?:(?<![ただるいうんなっ])っ?て|く|ず|[しりいみびちれえけせげ])$")
_JA_TIED: Final = re.compile(r"(?:ても|ずに|まで|という|っていう|より|ばかり)$")


class Cut(NamedTuple):
    """A part of a sentence. `main` is true if it begins with a main clause."""

    text: str
    main: bool


class _Word(NamedTuple):
    start: int
    end: int
    forms: frozenset[str]


class _Border(NamedTuple):
    """A place before word `at` where a part may end (`end`) or begin (`start`), in characters.

    `dependent` is true before a subordinate clause or an adverbial, `strong` at the end of a
    sentence, at a semicolon and at a conjunction.
    """

    at: int
    end: int | None
    start: int | None
    dependent: bool = False
    strong: bool = False


def cuts(text: str, language: str, limit: int) -> list[Cut]:
    """At most 11 cuts of a cleaned text of at most `limit` characters, the best guesses first."""
    if language == "ja":
        found = _japanese(text, limit)
    else:
        found = _western(text, LANGUAGES[language], limit)
    unique = {cut.text: cut for cut in found if cut.text}
    return sorted(unique.values(), key=lambda cut: (not cut.main, -len(cut.text)))[:MOST_CUTS]


def _western(text: str, words: Language, limit: int) -> list[Cut]:
    matches = islice(WORD.finditer(text), _MOST_WORDS)
    tokens = [_Word(match.start(), match.end(), forms(match[0])) for match in matches]
    borders = _borders(text, tokens, words) if tokens else []
    found: list[Cut] = []
    for number, first in enumerate(borders):
        if first.start is None:
            continue
        begin = next(n for n, token in enumerate(tokens) if token.start >= first.start)
        for last in borders[number + 1 :]:
            if last.end is None or last.end - first.start > limit + 4:
                continue
            run = tokens[begin : last.at]
            inner = [border for border in borders if begin < border.at < last.at]
            cut = trimmed(text[first.start : last.end])
            if len(cut) <= limit and _readable(run, inner, begin, last, words):
                found.append(Cut(cut, not run[0].forms & words.subordinators))
    return found


def _borders(text: str, tokens: Sequence[_Word], words: Language) -> list[_Border]:
    depth = depths(text)
    borders = [_Border(0, None, 0)]
    for at in range(1, len(tokens)):
        if not depth[tokens[at].start] and not depth[tokens[at - 1].end - 1]:
            border = _border(text, tokens, at, words, borders[-1].at)
            if border is not None:
                borders.append(border)
    borders.append(_Border(len(tokens), len(text), None, strong=True))
    for number, (here, after) in enumerate(pairwise(borders)):
        own = after.dependent and (
            after.end is not None or _clause(tokens[here.at : after.at], words)
        )
        if here.dependent and not (after.strong or after.start is not None or own):
            # After a parenthesis the clause before it goes on.
            borders[number] = here._replace(end=None)
    return borders


def _border(
    text: str, tokens: Sequence[_Word], at: int, words: Language, since: int
) -> _Border | None:
    """The border before a word, if there is one; `since` is the word of the border before."""
    gap_start, gap_end = tokens[at - 1].end, tokens[at].start
    mark = _MARK.search(text, gap_start, gap_end + 1)
    word = tokens[at].forms
    if mark is None or mark.start() >= gap_end:
        follows = _main_start(tokens, at, words, words.subjects)
        if follows is not None and follows > at and not words.drops_subjects:
            return _Border(at, gap_start, tokens[follows].start, strong=True)
        return _Border(at, gap_start, None, strong=True) if word & _CAUSAL else None
    strong = mark[0] != ","
    follows = _main_start(tokens, at, words, words.subjects | words.determiners)
    if strong and follows is None and not word & (words.subordinators | words.joins):
        follows = at
    start = None
    if follows is not None and follows + 1 < len(tokens):
        start = tokens[follows].start if follows > at else mark.end()
        before = tokens[since:at]
        denied = follows == at and any(_denies(token, words) for token in before)
        # "The export, it takes minutes": the pronoun needs the noun before it.
        shown = not word & words.determiners or tokens[follows + 1].forms & words.verbs
        topic = follows == at and shown and not _clause(before, words)
        if not strong and (denied or topic or not _clause(tokens[follows : follows + 8], words)):
            start = None
    # After a comma a clause or an adverbial follows, or the sentence goes on with a list.
    adverbial = word & words.hanging and not word & (words.determiners | words.verbs | words.joins)
    dependent = bool(word & words.subordinators or (adverbial and not strong))
    strong = strong or bool(word & words.joins)
    tied = word & words.complements and (mark[0] == "," or mark[0] in ":…...")
    end = mark.end() if mark[0][0] in "!?" else mark.start()
    apart = not tied and (strong or start is not None or dependent)
    return _Border(at, end if apart else None, start, dependent, strong)


def _main_start(
    tokens: Sequence[_Word], at: int, words: Language, subjects: frozenset[str]
) -> int | None:
    """Index of the first word of a main clause that begins at a word or after conjunctions."""
    place = at
    while place < min(len(tokens) - 2, at + 2) and tokens[place].forms & words.joins:
        place += 1
    first = tokens[place].forms
    return place if first & subjects and not first & words.subordinators else None


def _denies(token: _Word, words: Language) -> bool:
    return bool(token.forms & words.negations) or any(w.endswith("n't") for w in token.forms)


def _clause(run: Sequence[_Word], words: Language) -> bool:
    """True if the words show signs of a verb before a subordinate clause."""
    for place, token in enumerate(run):
        if place > 1 and token.forms & (words.subordinators - words.negations):
            return False
        if token.forms & words.verbs or any(w.endswith("n't") for w in token.forms):
            return place > 0 or words.drops_subjects
        pronoun = token.forms & words.subjects and not token.forms & words.determiners
        if pronoun and (len(token.forms) > 1 or place + 1 < len(run)) and not words.drops_subjects:
            return True
    return False


def _readable(
    run: Sequence[_Word], inner: Sequence[_Border], begin: int, last: _Border, words: Language
) -> bool:
    """True if a run of words can stand alone."""
    if len(run) < _FEWEST_WORDS or run[-1].forms & words.hanging:
        return False
    subject = words.subjects | words.determiners
    relative = run[0].forms & subject and run[1].forms & words.complements
    if relative or run[0].forms & words.subordinators:
        # A subordinate clause needs its main clause.
        after = inner[0].at - begin if inner and not begin else len(run)
        rest = run[after:]
        starts = rest and not rest[0].forms & (words.joins | words.subordinators)
        return bool(starts) and len(rest) >= _FEWEST_WORDS and _clause(rest, words)
    # At the front of the sentence, before a further main clause, only the verb may be unknown.
    if not begin and not inner and last.strong and len(run) > _FEWEST_WORDS + 1:
        return True
    ends = run[-_FEWEST_WORDS - 2 :]
    if any(w.forms & _CLAUSAL and not _clause(ends[n:], words) for n, w in enumerate(ends)):
        return False
    first = next((border.at - begin for border in inner if border.dependent), len(run))
    return _clause(run[:first], words)


def depths(text: str) -> list[int]:
    """For each character, the number of quotations and brackets that are open there."""
    found, quoted, brackets = [], False, 0
    last = max(text.rfind(sign) for sign in _QUOTES_END)
    for place, sign in enumerate(text):
        brackets += sign in "([{（［"
        ends = quoted and sign in _QUOTES_END
        if ends:
            quoted = False
        elif sign in '“„«"「『' and not quoted:
            quoted = place < last
        found.append(brackets + quoted)
        brackets = max(0, brackets - (sign in ")]}）］"))
    return found


_QUOTES_END: Final = '”»“"」』'


def _japanese(text: str, limit: int) -> list[Cut]:
    depth = depths(text)
    starts, ends = [(0, True)], [len(text)]
    for place in islice(_JA_BORDER.finditer(text), _MOST_WORDS):
        part = text[max(0, place.start() - 12) : place.start()]
        if depth[place.start()]:
            continue
        if place[0] in "。！？" or _JA_CLAUSE.search(part):
            starts.append((place.end(), True))
            ends.append(place.end() if place[0] in "！？" else place.start())
        elif _JA_JOINED.search(part) and not _JA_TIED.search(part):
            starts.append((place.end(), False))
    found = []
    for start, main in starts:
        for end in ends:
            if _FEWEST_SIGNS <= end - start <= limit + 6:
                cut = trimmed(text[start:end])
                cut = _JA_LINK.sub("", cut) if end < len(text) else cut
                if len(EAST_ASIAN.findall(cut)) >= _FEWEST_SIGNS and len(cut) <= limit:
                    found.append(Cut(cut, main))
    return found
