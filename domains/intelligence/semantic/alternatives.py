"""Words that exclude each other in customer needs, in eight languages.

Sentence vectors hardly tell "import" from "export" or "invoice" from "delivery note". The table
`alternatives.tsv` has sets of such concepts. Two texts that name different concepts of one set
state different needs. A row has a set, a concept, and the words of the concept in each language:
`stem*` matches any ending, `~part` a part of a compound, `_` is a space, `-` stands for no word.
Japanese words match anywhere. The table was written for this project (CC0).
"""

import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Final, NamedTuple

from domains.intelligence.language import SUPPORTED, detect

Concepts = Mapping[str, frozenset[str]]
"""Concepts that a text names, by their set."""

_Place = tuple[str, str]
"""A set and a concept."""

_WORD: Final = re.compile(r"[^\W_]+")
_SHORTEST_STEM: Final = 2


def exclude_each_other(one: str, other: str) -> bool:
    """Return True if both texts name concepts of a set, and none in common."""
    ours, theirs = concepts(one), concepts(other)
    return any(ours[each].isdisjoint(theirs[each]) for each in ours.keys() & theirs.keys())


@functools.lru_cache(maxsize=1 << 10)
def concepts(text: str) -> Concepts:
    """Return the concepts that a text names, by their set."""
    language = detect(text)
    found: dict[str, set[str]] = defaultdict(set)
    # A short text of unknown language may be in any.
    for each in sorted(SUPPORTED) if language is None else SUPPORTED & {language}:
        for name, concept in _words_of(each).in_text(_plain(text, each)):
            found[name].add(concept)
    return {name: frozenset(own) for name, own in found.items()}


class _Words(NamedTuple):
    """Words of a language, each with the concepts that it names."""

    whole: dict[str, list[_Place]]
    stems: dict[str, list[_Place]]
    parts: dict[str, list[_Place]]
    phrases: dict[str, list[_Place]]

    def in_text(self, text: str) -> Iterable[_Place]:
        """Iterate over the concepts in a plain text."""
        tokens = _WORD.findall(text)
        for token in tokens:
            yield from self.whole.get(token, ())
            for length in range(_SHORTEST_STEM, len(token) + 1):
                yield from self.stems.get(token[:length], ())
            for part, places in self.parts.items():
                if part in token:
                    yield from places
        joined = f" {' '.join(tokens)} "
        for phrase, places in self.phrases.items():
            if phrase in joined:
                yield from places


@functools.cache
def _words_of(language: str) -> _Words:
    words = _Words({}, {}, {}, {})
    header, *lines = _table()
    column = header.index(language)
    for name, concept, *cells in lines:
        for entry in cells[column - 2].split():
            plain = " ".join(_WORD.findall(_plain(entry.replace("_", " "), language)))
            is_stem = entry.endswith("*")
            if language == "ja" or entry.startswith("~"):
                kind = words.parts
            elif " " in plain:
                kind, plain = words.phrases, f" {plain}" if is_stem else f" {plain} "
            else:
                kind = words.stems if is_stem else words.whole
            if plain:
                kind.setdefault(plain, []).append((name, concept))
    return words


@functools.cache
def _table() -> list[list[str]]:
    file = resources.files(__package__) / "alternatives.tsv"
    return [line.split("\t") for line in file.read_text("utf-8").splitlines()]


def _plain(text: str, language: str) -> str:
    """Lower the case and, outside Japanese, remove accents."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    if language == "ja":
        return lowered
    letters = unicodedata.normalize("NFD", lowered)
    return "".join(each for each in letters if not unicodedata.combining(each))
