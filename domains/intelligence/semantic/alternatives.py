"""Words that exclude each other in customer needs, in eight languages.

Sentence vectors hardly distinguish "import" from "export" or "invoice" from "delivery note". The
table `alternatives.tsv` has sets of such concepts. Two texts that name different concepts of one
set state different needs.

A row has a set, a concept, and the words of the concept in each language: `stem*` matches any
ending, `~part` a part of a compound, `_` is a space, `-` stands for no word. Japanese words match
anywhere. The table was written for this project (CC0).
"""

import functools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
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
    first, second = concepts(one), concepts(other)
    return any(first[each].isdisjoint(second[each]) for each in first.keys() & second.keys())


@functools.lru_cache(maxsize=1 << 12)
def concepts(text: str) -> Concepts:
    """Return the concepts that a text names, by their set. The work grows linearly with it."""
    language = detect(text)
    plain = " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).lower()))
    found: dict[str, set[str]] = defaultdict(set)
    # A short text of unknown language may be in any.
    for each in sorted(SUPPORTED) if language is None else SUPPORTED & {language}:
        for name, concept in _words_of(each, has_accents=not plain.isascii()).named_in(plain):
            found[name].add(concept)
    return {name: frozenset(own) for name, own in found.items()}


class _Words(NamedTuple):
    """Words of a language, each with the concepts that it names."""

    whole: dict[str, list[_Place]]
    stems: dict[str, list[_Place]]
    parts: dict[str, list[_Place]]
    phrases: dict[str, list[_Place]]

    def named_in(self, text: str) -> Iterator[_Place]:
        """Iterate over the concepts in a text of lower-case words with single spaces."""
        longest = max(map(len, self.stems), default=0)
        for token in text.split():
            yield from self.whole.get(token, ())
            for length in range(_SHORTEST_STEM, min(len(token), longest) + 1):
                yield from self.stems.get(token[:length], ())
        spaced = f" {text} "
        for some in (self.parts, self.phrases):
            for words, places in some.items():
                if words in spaced:
                    yield from places


@functools.cache
def _words_of(language: str, *, has_accents: bool) -> _Words:
    """Read the words of a language. A text without any accent may lack those of the words."""
    words = _Words({}, {}, {}, {})
    header, *lines = _table()
    column = header.index(language)
    for name, concept, *cells in lines:
        for entry in cells[column - 2].split():
            plain = " ".join(_WORD.findall(entry.replace("_", " ")))
            plain = plain if has_accents or language == "ja" else _without_accents(plain)
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


def _without_accents(text: str) -> str:
    letters = unicodedata.normalize("NFD", text)
    return "".join(each for each in letters if not unicodedata.combining(each))
