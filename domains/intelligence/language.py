"""Language of a text, found by the Compact Language Detector 2."""

import functools
import importlib
import re
from typing import Any, Final

from domains.kernel.core.normal_form import nfc

SUPPORTED: Final = frozenset({"en", "de", "fr", "es", "pt", "it", "nl", "ja"})
"""Languages that the built-in engine is trained on."""
READABLE: Final = SUPPORTED | {"ar", "ko", "pl", "ru", "th", "tr", "zh", "zh-Hant"}
"""Languages that the sentence encoder knows. The built-in engine finds nothing in others."""

# Characters that are read of a long text: pieces of this length, evenly spread.
_PIECE: Final = 750
_PIECES: Final = 8

# Code of the detector -> BCP 47 subtag that replaced it.
_RENAMED: Final = {"iw": "he", "jw": "jv"}
# Codes of scripts, jargons and undetermined texts.
_NO_LANGUAGE: Final = re.compile(r"un$|xx|zz|tlh")

# Bytes of letters that a language needs. Names and loanwords in a short Latin text look like some
# language that was not written, most often like a rare one.
_MIN_BYTES: Final = 12
_MIN_OTHER: Final = 36
_MIN_OTHER_WITH_ACCENTS: Final = 24
_MIN_RARE: Final = 150
_COMMON: Final = frozenset(
    {
        *("az", "cs", "da", "et", "fi", "hr", "hu", "id", "is", "lt", "lv", "no", "pl", "ro"),
        *("sk", "sl", "sq", "sv", "sw", "tr", "uz", "vi"),
    }
)
# Bytes of letters from which the most frequent language counts although others take up much.
_LONG: Final = 150

_PLACEHOLDER: Final = re.compile(r"lorem ipsum\b", re.IGNORECASE)
_ASCII_WORD: Final = re.compile(r"[!-~]+")
_IN_CODE: Final = re.compile(r"[@/\\_={}<>]")


def detect(text: str) -> str | None:
    """Return the BCP 47 code of the prevailing language, such as "de" or "zh-Hant".

    Returns None if the text is too short or the result unreliable, and on platforms for which the
    detector is not available. Reads at most 6,000 characters. Deterministic. Accepts any text.
    """
    detector = _detector()
    sample = " ".join(_clean(excerpt(text)).split())
    if detector is None or not sample:
        return None
    # With vectors, the detector finds where the language changes to the word.
    is_reliable, size, found, _ = detector.detect(
        sample.encode(), isPlainText=True, returnVectors=True
    )
    _, code, percent, _ = found[0]
    language: str = _RENAMED.get(code, code)
    is_clear = is_reliable or (size >= _LONG and percent >= 50)
    if _NO_LANGUAGE.match(code) or size < _min_bytes(language, sample) or not is_clear:
        # The detector does not know short pieces of the usual placeholder, which is bad Latin.
        return "la" if _PLACEHOLDER.match(sample) else None
    return language


def is_readable(language: str | None) -> bool:
    """Return True if the built-in engine can find something in a text of this language."""
    return language is None or language in READABLE


def excerpt(text: str) -> str:
    """Return the characters of a text that `detect` reads."""
    # With the line feeds below, so that an excerpt is its own excerpt.
    if len(text) < _PIECES * (_PIECE + 1):
        return text
    last = len(text) - _PIECE
    starts = (number * last // (_PIECES - 1) for number in range(_PIECES))
    return "\n".join(text[start : start + _PIECE] for start in starts)


def unsupported_note(language: str | None, engine: str | None) -> str | None:
    """Return the note for results of the built-in engine in a language that it does not support."""
    if language is None or language in SUPPORTED or not (engine or "").startswith("embedded/"):
        return None
    return f"The built-in engine does not support the language {language}; findings may be missing."


@functools.cache
def _detector() -> Any:
    """Load the detector, of 14 MB. None on platforms that it is not installed on."""
    try:
        return importlib.import_module("pycld2")
    except ImportError:
        return None


def _clean(text: str) -> str:
    """Remove addresses and code, and characters that the detector refuses."""
    text = nfc("".join(each if each.isprintable() else " " for each in text))
    return _ASCII_WORD.sub(lambda word: " " if _IN_CODE.search(word[0]) else word[0], text)


def _min_bytes(language: str, sample: str) -> int:
    letters = [each for each in sample if each.isalpha()]
    is_latin = sum(each > "\u024f" for each in letters) * 2 < len(letters)
    if language in SUPPORTED or not is_latin:
        return _MIN_BYTES
    if language not in _COMMON:
        return _MIN_RARE
    return _MIN_OTHER if sample.isascii() else _MIN_OTHER_WITH_ACCENTS
