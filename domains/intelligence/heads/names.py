"""Names in sentences that may be names of products and vendors."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from domains.intelligence.text.words import STOP_WORDS, word_set
from domains.intelligence.wording.cleaning import is_east_asian

_CAPITAL: Final = "A-ZÀ-ÖØ-Þ" + "".join(
    letter for letter in map(chr, range(0x100, 0x180)) if letter.isupper()
)
_NAME: Final = re.compile(
    rf"(?<![\w@./-])(?:[{_CAPITAL}][\w&'’]*(?:[.-]\w+)*|[a-z]+[A-Z]\w*)\+?"
    rf"(?:[ -](?:[{_CAPITAL}][\w&’']*|\d+))*"
)
_EAST_ASIAN_NAME: Final = re.compile(
    r"「(?P<quoted>[^」]{2,14})」|[ァ-ヶー]{3,}[A-Za-z0-9]*|"
    r"[A-Z][A-Za-z]{2,}[A-Za-z0-9]*(?: [A-Za-z0-9]+)*"
)
_WORD: Final = re.compile(r"\w+")
_LOWER_CASE_WORD: Final = re.compile(r"\b(?=[^\W\d_])[^A-ZÀ-ÖØ-Þ\W]\w+")
_ENDING: Final = re.compile(r"['’]s?$")
_PRONOUN: Final = re.compile(r"\s+I(?:['’]\w+)?$")
_MIXED_CASE: Final = re.compile(r"[a-z][A-Z]")
_MAX_LETTERS: Final = 60
"""Characters of a name."""
_SECOND_LEVELS: Final = frozenset({"co", "com", "org", "net", "ac", "gov", "ne", "or", "edu"})
_DATES: Final = word_set(
    """
    today yesterday tomorrow currently monday tuesday wednesday thursday friday saturday sunday
    january february april june july august september october november december easter christmas
    """
)


class Mention(NamedTuple):
    """A name in a sentence: `sentences[sentence].text[start:end]`, perhaps with an ending."""

    sentence: int
    start: int
    end: int


def find_names(
    texts: Sequence[str], speakers: Collection[str], own: Collection[str] = ()
) -> dict[str, list[Mention]]:
    """Return capitalised names and their mentions, in order of appearance.

    Names of speakers are left out, and names that begin like one of `own`, the names of
    organisations that take part (lower case, letters and digits only).
    """
    common = Counter(word for text in texts for word in _LOWER_CASE_WORD.findall(text))
    people = {part for name in speakers for part in _WORD.findall(name)}
    found: dict[str, list[Mention]] = defaultdict(list)
    for number, text in enumerate(texts):
        for name, start in _names(text, common):
            parts = set(_WORD.findall(name))
            if parts and not parts <= people and not _is_own(name, own):
                found[name].append(Mention(number, start, start + len(name)))
    return _without_first_words(found)


def organisations(addresses: Iterable[str | None]) -> set[str]:
    """Return the names in e-mail addresses or domains for `find_names`."""
    return {organisation(each.rpartition("@")[2]) for each in addresses if each}


def organisation(domain: str) -> str:
    """Return the name in a domain for `find_names`, such as "acme" for mail.acme.co.uk."""
    labels = domain.lower().split(".")
    while len(labels) > 2 and labels[-2] in _SECOND_LEVELS:
        labels.pop()
    name = labels[-2] if len(labels) > 1 else labels[0]
    return "".join(_WORD.findall(name))


def is_mixed_case(name: str) -> bool:
    """Return True for names such as LoadPilot."""
    return _MIXED_CASE.search(name) is not None


def _names(text: str, common: Collection[str]) -> list[tuple[str, int]]:
    if is_east_asian(text):
        matches = _EAST_ASIAN_NAME.finditer(text)
        return [
            ((match["quoted"] or match[0])[:_MAX_LETTERS], match.start() + bool(match["quoted"]))
            for match in matches
        ]
    names = []
    for match in _NAME.finditer(text):
        name, start = match[0][:_MAX_LETTERS], match.start()
        # A word at the beginning of a sentence is capitalised whatever it is.
        while name and _is_common(name.split(" ", 1)[0], common, is_first=start == 0):
            first, _, name = name.partition(" ")
            start += len(first) + 1
        name = _PRONOUN.sub("", _ENDING.sub("", name).strip())
        if name:
            names.append((name, start))
    return names


def _is_common(word: str, common: Collection[str], *, is_first: bool) -> bool:
    plain = _ENDING.sub("", word).lower()
    is_plain_word = plain in STOP_WORDS or plain in _DATES
    return len(plain) < 2 or is_plain_word or (is_first and plain in common)


def _is_own(name: str, own: Collection[str]) -> bool:
    plain = "".join(_WORD.findall(name)).lower()
    return any(
        plain == each
        or (len(plain) >= _LEAST_COMMON and each.startswith(plain))
        or (len(each) >= _LEAST_COMMON and plain.startswith(each))
        for each in own
    )


_LEAST_COMMON: Final = 4
"""Characters at the beginning by which a name and that of an organisation are the same."""


def _without_first_words(found: dict[str, list[Mention]]) -> dict[str, list[Mention]]:
    """Merge "Bij VinoTrack" with "VinoTrack"."""
    merged: dict[str, list[Mention]] = defaultdict(list)
    for name, mentions in found.items():
        first, _, rest = name.partition(" ")
        if rest and " " not in rest and (rest in found or is_mixed_case(rest)) and len(first) < 8:
            merged[rest] += [Mention(at, end - len(rest), end) for at, _, end in mentions]
        else:
            merged[name] += mentions
    return dict(merged)
