"""Due dates in speech: "by Friday", "Ende nächster Woche", "来週の火曜", as calendar dates.

Dates are values here: the day of the talk is given, and no clock is asked.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from domains.intelligence.dialogue.dates.germanic import DUTCH, ENGLISH, GERMAN
from domains.intelligence.dialogue.dates.grammar import Grammar
from domains.intelligence.dialogue.dates.japanese import JAPANESE, with_digits
from domains.intelligence.dialogue.dates.romance import FRENCH, ITALIAN, PORTUGUESE, SPANISH

# Days after the talk that a date may be.
_MOST_DAYS: Final = 731

_LANGUAGES: Final[Mapping[str, Callable[[], Grammar]]] = {
    "en": lambda: Grammar(ENGLISH),
    "de": lambda: Grammar(GERMAN),
    "fr": lambda: Grammar(FRENCH),
    "es": lambda: Grammar(SPANISH),
    "pt": lambda: Grammar(PORTUGUESE),
    "it": lambda: Grammar(ITALIAN),
    "nl": lambda: Grammar(DUTCH),
    "ja": lambda: Grammar(JAPANESE, with_digits, spaced=False),
}


@functools.cache
def _grammar(language: str) -> Grammar:
    return _LANGUAGES[language]()


def due_date(text: str, held_on: date, language: str | None = None) -> date | None:
    """The date by which a sentence promises something, seen from the day of the talk.

    Of several dates the first deadline ("by Friday"), else the last. A day of the week is its next
    one after `held_on`; a week ends on Friday; a month without a year is the next one. None where
    the sentence names no date, a vague one, one before the talk or more than two years after it,
    and in languages without a table. `language` is a BCP 47 tag; None is English.
    """
    code = (language or "en").replace("_", "-").partition("-")[0].lower()
    if code not in _LANGUAGES:
        return None
    found = [
        each
        for each in _grammar(code).find(text, held_on)
        if timedelta(0) <= each.on - held_on <= timedelta(days=_MOST_DAYS)
    ]
    deadlines = (each.on for each in found if each.is_deadline)
    return next(deadlines, found[-1].on if found else None)
