"""Phrases of a language's table, compiled, and the search for them in a sentence."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Final, NamedTuple

from domains.intelligence.dialogue.dates.meanings import MEANINGS, Meaning, Values

# The meanings of the words in the list `units`.
_UNITS: Final = ["day", "week", "month", "quarter", "year", "workday", "hour", "minute", "weekend"]
# Lists of words: the part of a phrase that is one of them, and the number of the first.
_LISTS: Final = {
    "days": ("day", 0),
    "months": ("month", 1),
    "numbers": ("number", 1),
    "ordinals": ("nth", 1),
    "units": ("unit", 0),
    "aheads": ("ahead", 0),
    "parts": ("part", 0),
}
_FIGURES: Final = {
    "year": r"(?P<year>20\d\d)",
    "yy": r"(?P<year>(?:20)?\d\d)",
    "d": r"(?P<nth>\d{1,2})",
    "m": r"(?P<month>\d{1,2})",
}
# Phrases of all languages with blanks between words. Their parts are in the languages' tables.
_SHARED: Final = r"""
nothing    <past> (?:<day>|<unit>)
nothing    <past> <unit>,?<maybe> <day>
nothing    <day> <gone>
nothing    <unit> <gone>(?:,?<maybe> <day>)?
day        <coming><day><came><time>
day        <day><time>,?<of><ahead> <unit>
day        <day><time>,?<of><unit> <ahead>
day        <the>?<ahead> <unit>,?<maybe> <day><time>
day        <the>?<unit> <ahead>,?<maybe> <day><time>
distance   <in> (?:\w+ <or> )?<number>[ ]?<unit>
distance   <day><time> <in> <number>[ ]?<unit>
period     <the>?(?:<part><of>)?<ahead> ?<unit>
period     <the>?(?:<part><of>)?<unit> <ahead>
period     <the>?<part><of><unit>
month      <the>?<part><of><month>(?:<of><year>)?
month      (?:<part><of>|<by> )[qt](?P<nth>[1-4])(?:<of><year>)?
date       (?:<day><time>,? )?(?:<on> ?|<the>)?<n><of>?<month>(?:<of><year>)?
date       (?:<day><time>,? )?<on> <d><slash><m>
date       <d><slash><m><slash><yy>
date       <year>-<m>-<d>
nth        <on> ?<n><end>
nth        (?:<coming><day>,? )(?:<on> |the |den |de )?<n><end>
nth        <n><of><ahead> <unit>
nth        <n><of><unit> <ahead>
"""
# Characters of a sentence that are read.
_LONGEST: Final = 4000
_ACCENT: Final = re.compile("[\u0300-\u036f]")
_SPACE: Final = re.compile(r"\s+")
_PART: Final = re.compile(r"(?<!P)<(\w+)>")


def fold(text: str) -> str:
    """Text without accents, full-width characters, typographic apostrophes and line breaks."""
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", text))
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", bare).replace("’", "'"))


class Named(NamedTuple):
    """A date that a sentence names."""

    on: date
    is_deadline: bool


class Grammar:
    """Finds the dates that a sentence names, by the table of a language.

    A line is a key and a pattern; indented lines continue it. The keys of `_LISTS` list words in
    their order: `_` is a blank or a hyphen, `#` each of the first nine numbers, `*` of this list.
    `suffix` ends ordinals in digits. `by` precedes a deadline, `latest` follows it. `<x>` defines a
    part of later patterns. All other keys are meanings. No pattern may repeat without bound.
    """

    def __init__(
        self, table: str, prepare: Callable[[str], str] = fold, *, spaced: bool = True
    ) -> None:
        self._prepare = prepare
        self._words: dict[str, list[str]] = {}
        self._parts = dict(_FIGURES)
        self._phrases: list[tuple[re.Pattern[str], Meaning]] = []
        before, after = (r"(?<!\w)", r"(?!\w)") if spaced else (r"(?<!\d)", "")
        gap = "[ ,]{1,2}" if spaced else ""
        table = (table + (_SHARED if spaced else "")).strip().replace("\n\n", "\n")
        joined = re.sub(r"(?<!\|)\n +", " ", table)
        for line in re.sub(r"\n +", "", joined).splitlines():
            key, value = fold(line).split(" ", 1)
            pattern = _PART.sub(lambda part: self._parts[part[1]], value.strip())
            if key in _LISTS:
                self._learn(key, pattern.split())
            elif key in MEANINGS:
                led = f"(?:{self._parts['by']}{gap})?"
                followed = f"(?:[ ,]{{0,2}}{self._parts['latest']}{after})?"
                phrase = f"{before}{led}(?:{pattern}){after}{followed}"
                self._phrases.append((re.compile(phrase, re.IGNORECASE), MEANINGS[key]))
            else:
                self._parts[key.strip("<>")] = f"(?:{pattern})"
        self._deadline = re.compile(
            rf"{self._parts['by']}{after}|.*{self._parts['latest']}$", re.IGNORECASE
        )

    def _learn(self, key: str, listed: list[str]) -> None:
        """Add a list of words, and the part of phrases that is one of them."""
        if key == "numbers":
            self._learn("ordinals", listed)  # Until the language lists others.
            self._parts["cardinal"] = self._parts["n"]
        group, _ = _LISTS[key]
        words: list[str] = []
        for word in listed:
            nine = self._words["number"] if "#" in word else words if "*" in word else [""]
            words += [re.sub("[#*]", f"(?:{each})", word).replace("_", "[ -]") for each in nine[:9]]
        self._words[group] = words
        one = "|".join(sorted(words, key=len, reverse=True))
        digits = {"nth": rf"\d{{1,2}}{self._parts.get('suffix', '')}|", "number": r"\d{1,3}|"}
        self._parts["n" if group == "nth" else group] = (
            f"(?P<{group}>{digits.get(group, '')}(?:{one}))"
        )
        if group == "nth":
            self._parts["nm"] = f"(?P<month>(?:{one}))"

    def find(self, text: str, held_on: date) -> list[Named]:
        """The dates in their order. Of phrases that overlap the longest counts."""
        text = self._prepare(text[:_LONGEST])[:_LONGEST]
        found = [
            (match.start() - match.end(), order, match.start(), match)
            for order, (pattern, _) in enumerate(self._phrases)
            for match in pattern.finditer(text)
        ]
        named: dict[int, Named] = {}
        taken = bytearray(len(text))
        for length, order, start, match in sorted(found, key=lambda each: each[:3]):
            if any(taken[start : match.end()]):
                continue
            taken[start : match.end()] = b"1" * -length
            try:
                on = self._phrases[order][1](self._values(match), held_on)
            except (ValueError, OverflowError):
                continue
            if on is not None:
                named[start] = Named(on, self._deadline.match(match[0]) is not None)
        return [named[start] for start in sorted(named)]

    def _values(self, match: re.Match[str]) -> Values:
        said = match.groupdict()
        numbers = {
            group: self._number(group, word, first)
            for group, first in _LISTS.values()
            if (word := said.get(group)) is not None
        }
        unit = _UNITS[numbers.pop("unit", 0)]
        year = said.get("year")
        return Values(**numbers, unit=unit, year=int(year) if year else None)

    def _number(self, group: str, word: str, first: int) -> int:
        if digits := re.match(r"\d+", word):
            return int(digits[0])
        # Months may be ordinals, "am fünften dritten", and days cardinals, "op drie december".
        return next(
            number
            for words in (self._words[group], self._words["nth"], self._words["number"])
            for number, pattern in enumerate(words, start=first)
            if re.fullmatch(pattern, word, re.IGNORECASE)
        )
