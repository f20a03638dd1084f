"""Words of a sentence: tokens, stems and the words that carry no topic."""

import functools
import re

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class Lazy:
    """A pattern that is compiled when it is first asked for, as most texts need few of them."""

    def __init__(self, source: str, flags: int = 0) -> None:
        self._source = source
        self._flags = flags
        self._compiled: re.Pattern[str] | None = None

    def __call__(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        if self._compiled is None:
            self._compiled = re.compile(self._source, self._flags)
        return self._compiled


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as one text."""
    return frozenset(text.split())


STOP_WORDS = word_set(
    """
    a about above actually after again all almost along already also although always am an and
    another any anybody anyone anything are aren't around as ask at away back be because been
    before being below between both but by came can can't cannot come comes could couldn't did
    didn't do does doesn't doing don't done down during each either else enough even ever every
    everyone everything few first for from get gets getting give given go goes going gonna good
    got great had has hasn't have haven't having he he'd he's her here here's him his how however
    i i'd i'll i'm i've if in into is isn't it it'd it'll it's its itself just keep keeps kind
    know last least less let let's like little lot lots made make makes making many may maybe me
    mean might mine more most much must my myself need needs never new next nice no nobody none
    nor not nothing now of off oh ok okay on once one ones only onto or other others our ours out
    over own people perhaps please pretty put quite rather really right said same say says see
    seem seems she should shouldn't since so some somebody someone something sometimes somewhere
    still stuff such sure take takes than thank thanks that that's the their theirs them
    themselves then there there's these they they'd they'll they're they've thing things think
    this those though through till to too toward tried try trying two uh um under until up us use
    used users user uses using usually very via want wants was wasn't way we we'd we'll we're
    we've well went were weren't what what's whatever when whenever where whether which while who
    who's whole whose why will wish with within without won't would wouldn't yeah yes yet you
    you'd you'll you're you've your yours yourself able bit else hmm mm mhm actually
    """
)


def tokens(text: str) -> list[str]:
    """The lower-case words of a text, with typographic apostrophes made plain."""
    return list(_words(text))


@functools.lru_cache(maxsize=1 << 12)
def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower().replace("’", "'")))


def content_stems(words: list[str]) -> list[str]:
    """Stems of the words that name a topic, in order, repeats included."""
    return [
        stem(word) for word in words if word not in STOP_WORDS and len(word) > 1 and word.isascii()
    ] + [word for word in words if not word.isascii() and len(word) > 1]


@functools.lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """Strip English inflection just far enough to match "exports", "exported" and "exporting"."""
    word = word.removesuffix("'s").replace("'", "")
    for suffix, replacement, shortest in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= shortest:
            word = word[: len(word) - len(suffix)] + replacement
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] in "bdgmnprt":
        word = word[:-1]
    if len(word) > 4 and word.endswith("e"):
        word = word[:-1]
    return word


_SUFFIXES = (
    ("ations", "at", 3),
    ("ation", "at", 3),
    ("ingly", "", 3),
    ("ness", "", 4),
    ("ments", "ment", 3),
    ("sses", "ss", 2),
    ("shes", "sh", 2),
    ("ches", "ch", 2),
    ("xes", "x", 2),
    ("ies", "y", 2),
    ("ied", "y", 2),
    ("ing", "", 3),
    ("edly", "", 3),
    ("ed", "", 3),
    ("ly", "", 4),
    ("us", "us", 1),
    ("ss", "ss", 1),
    ("is", "is", 1),
    ("s", "", 3),
)
