"""Frequencies of letter pairs in languages with alphabets, and of characters in others."""

import functools
import unicodedata
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = Path(__file__).with_name("letter_models.txt")

# The file stores negative logarithms of probabilities as levels.
NATS_PER_LEVEL: Final = 0.15
MAX_LEVEL: Final = 80

# Tone marks of Vietnamese, which Windows-1258 stores as characters of their own.
_TONE_MARKS: Final = frozenset("\u0300\u0301\u0303\u0309\u0323")


class Models(NamedTuple):
    """Costs in nats by language: of the second letter of a pair, and of a character.

    A space stands for everything that is not a letter. Letters are in lower case.
    """

    pairs: dict[str, dict[tuple[str, str], float]]
    characters: dict[str, dict[str, float]]


@functools.cache
def load_models() -> Models:
    """Read the models. Takes about 20 ms the first time."""
    models = Models({}, {})
    for line in FILE.read_text(encoding="utf-8").split("\n"):
        if not line or line.startswith("#"):
            continue
        kind, language, letters, levels = line.split("\t")
        costs = [(ord(char) - 33) * NATS_PER_LEVEL for char in levels]
        if kind == "pairs":
            pairs = ((first, second) for first in letters for second in letters)
            models.pairs[language] = dict(zip(pairs, costs, strict=True))
        else:
            models.characters[language] = dict(zip(letters, costs, strict=True))
    return models


def level_to_char(level: int) -> str:
    return chr(33 + level)


@functools.cache
def is_letter(char: str) -> bool:
    """Return whether the character is a letter or a mark that belongs to one."""
    return char.isalpha() or unicodedata.category(char) in ("Mn", "Mc")


def decompose_tones(text: str, *, all_letters: bool = True) -> str:
    """Separate the tone marks of Vietnamese from their vowels, as Windows-1258 does.

    With `all_letters=False`, letters that Windows-1258 has with their mark are kept.
    """
    return "".join(
        char if not all_letters and _is_in_code_page(char) else _decompose(char) for char in text
    )


def _is_in_code_page(char: str) -> bool:
    return char.encode("cp1258", "ignore") != b""


def _decompose(char: str) -> str:
    decomposed = unicodedata.normalize("NFD", char)
    tones = "".join(mark for mark in decomposed if mark in _TONE_MARKS)
    rest = "".join(mark for mark in decomposed if mark not in _TONE_MARKS)
    return unicodedata.normalize("NFC", rest) + tones
