"""NFC, the normal form of Unicode in which texts are compared."""

import unicodedata
from typing import Final

# Combining marks in a row up to which a text is normalized, as in the Stream-Safe Text Format of
# Unicode. Sorting them takes quadratic time.
_MAX_MARKS: Final = 30


def nfc(text: str) -> str:
    """NFC of a text. A text with more than 30 combining marks in a row is returned unchanged.

    The SQL function of the same name does the same.
    """
    if text.isascii() or _has_long_run_of_marks(text):
        return text
    return unicodedata.normalize("NFC", text)


def _has_long_run_of_marks(text: str) -> bool:
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks > _MAX_MARKS:
            return True
    return False
