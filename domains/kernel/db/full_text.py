"""Search in scripts without spaces between words: Chinese, Japanese, Korean, Thai, Lao, Khmer.

A run of characters of these scripts is indexed as overlapping pairs of characters, between its
first and its last character: `search_text` in migration 0009 turns `导出功能` into
`导 导出 出功 功能 能`. So a part of a run is a phrase of pairs, and the single characters separate
runs. A character is a letter with its combining marks.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from domains.kernel.core.normal_form import nfc

# Character ranges for a regular expression, in the notation of Python and PostgreSQL. Also written
# in migration 0009.
_CJK: Final = (
    r"\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U000323af"
)
_SOUTH_EAST_ASIAN: Final = (
    r"\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"
    r"\u1780-\u17b3\u17d7\u17dc"
)
_MARKS: Final = (
    r"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u17b4-\u17d3\u17dd"
    r"\u3099\u309a"
)
_CHARACTER: Final = re.compile(f"[{_CJK}{_SOUTH_EAST_ASIAN}][{_MARKS}]*")
_RUN: Final = re.compile(f"(?:{_CHARACTER.pattern})+")
_CJK_RUN: Final = re.compile(f"[{_CJK}]+")
# Full-width letters, half-width Katakana and the like.
_COMPATIBILITY_FORMS: Final = re.compile(r"[\u3000\uff01-\uffef]")
# Soft hyphens, zero-width spaces and joiners, variation selectors.
_INVISIBLE: Final = re.compile(
    r"[\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)

# More pairs find hardly fewer records.
_MAX_PAIRS: Final = 32

# SQL: a single character in the text of a tsquery, where it is written `'表'`.
SINGLE_CHARACTER_SQL: Final = f"''({_CHARACTER.pattern})''"
# PostgreSQL refuses more than 32 negations in a row, and repeating them has no meaning.
_NEGATIONS: Final = re.compile(r"-(?:[\W_]*-)+")


def web_search(query: str) -> str:
    """Argument of `websearch_to_tsquery` for a query in its syntax.

    Words and phrases with characters of scripts without spaces become phrases of pairs.
    """
    query = _NEGATIONS.sub(" ", _folded(query))
    if not _RUN.search(query):
        return query
    outside_quotes = [True, False]
    parts = [
        re.sub(r"(?<!\S)(-*)(\S*)", _quoted_word, part) if outside_quotes[number % 2]
        else f'"{_phrase(part)}"'
        for number, part in enumerate(query.split('"'))
    ]  # fmt: skip
    return "".join(parts)


def _folded(text: str) -> str:
    if _COMPATIBILITY_FORMS.search(text):
        text = unicodedata.normalize("NFKC", text)
    text = nfc(text)
    return _INVISIBLE.sub("", text) if _RUN.search(text) else text


def _quoted_word(match: re.Match[str]) -> str:
    minus, word = match.groups()
    return f'{minus}"{_phrase(word)}"' if _RUN.search(word) else match[0]


def _phrase(text: str) -> str:
    """Replace each run by its pairs, with the single characters where something is beside it."""
    first, last = _word_span(text)

    def pairs(match: re.Match[str]) -> str:
        characters = _CHARACTER.findall(match[0])
        tokens = list(map("".join, itertools.pairwise(characters)))
        if match.start() > first:
            tokens.insert(0, characters[0])
        if match.end() < last or not tokens:
            tokens.append(characters[-1])
        return f" {' '.join(tokens)} "

    return _RUN.sub(pairs, text)


def _word_span(text: str) -> tuple[int, int]:
    """Start of the first and end of the last letter, digit or mark."""
    words = [number for number, letter in enumerate(text) if _is_word(letter)]
    return (words[0], words[-1] + 1) if words else (0, len(text))


def _is_word(letter: str) -> bool:
    return letter.isalnum() or unicodedata.category(letter).startswith("M")


def cjk_pairs(texts: Iterable[str]) -> list[str]:
    """Pairs of neighbouring Chinese, Japanese or Korean characters, at most 32.

    The SQL function of the same name returns all pairs of a record.
    """
    pairs = {
        run[start : start + 2]
        for text in texts
        for run in _CJK_RUN.findall(nfc(text))
        for start in range(len(run) - 1)
    }
    return sorted(pairs)[:_MAX_PAIRS]


@functools.cache
def has_no_spaces(letter: str) -> bool:
    """True for a character of a script without spaces between words."""
    return bool(_RUN.fullmatch(letter))
