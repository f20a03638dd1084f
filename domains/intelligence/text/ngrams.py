"""Word and character n-grams of many texts at once, as buckets of a hash: one pass of numpy.

Training and inference read texts with these functions alone, so that a weight means the same in
both. The hashes use wrapping 64-bit arithmetic and nothing of the platform.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_BASE: Final = np.uint64(0x9E3779B97F4A7C15)
_INVERSE: Final = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_SHIFT: Final = np.uint64(32)


_BYTES: Final = np.arange(256)
_LETTERS: Final = np.isin(_BYTES, list(b"abcdefghijklmnopqrstuvwxyz0'_")) | (_BYTES >= 0x80)
_MARKS: Final = np.isin(_BYTES, list(b"?!"))


class Grams(NamedTuple):
    """The n-grams of one family: occurrence k lies in text `rows[k]` and in bucket `buckets[k]`.

    Both arrays are of type int64 and equally long.
    """

    rows: NDArray[np.int64]
    buckets: NDArray[np.int64]


class Texts(NamedTuple):
    """Lower-case UTF-8 bytes of texts in a row, each within spaces; `rows`: whose each byte is."""

    units: NDArray[np.uint64]
    rows: NDArray[np.int64]


def read(texts: Sequence[str]) -> Texts:
    """The texts as bytes: lower case, plain apostrophes, single spaces, digits as 0."""
    encoded = [
        b" " + " ".join(text.lower().replace("’", "'").split()).encode() + b" " for text in texts
    ]
    units = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    # One number says as much as another.
    units = np.where((units >= 0x31) & (units <= 0x39), np.uint8(0x30), units)
    lengths = np.fromiter((len(each) for each in encoded), dtype=np.int64, count=len(encoded))
    rows = np.repeat(np.arange(len(encoded), dtype=np.int64), lengths)
    return Texts(units.astype(np.uint64), rows)


def characters(texts: Texts, shortest: int, longest: int, bits: int) -> Grams:
    """All n-grams of `shortest` to `longest` bytes within a text, in 2**bits buckets."""
    found: list[tuple[NDArray[np.int64], NDArray[np.uint64]]] = []
    units = texts.units + np.uint64(1)
    rolling = np.zeros_like(units)
    for length in range(1, longest + 1):
        last = len(units) - length + 1
        if last <= 0:
            break
        rolling = rolling[:last] * _BASE + units[length - 1 :]
        if length < shortest:
            continue
        inside = texts.rows[:last] == texts.rows[length - 1 :]
        found.append((texts.rows[:last][inside], rolling[inside] + np.uint64(length)))
    return _together(found, bits)


def words(texts: Texts, longest: int, bits: int) -> Grams:
    """All n-grams of one to `longest` words within a text, in 2**bits buckets.

    Words are runs of letters, digits and apostrophes; `?` and `!` count as words.
    """
    hashes, rows = _word_hashes(texts)
    found: list[tuple[NDArray[np.int64], NDArray[np.uint64]]] = []
    rolling = np.zeros_like(hashes)
    for length in range(1, longest + 1):
        last = len(hashes) - length + 1
        if last <= 0:
            break
        rolling = rolling[:last] * _BASE + hashes[length - 1 :]
        inside = rows[:last] == rows[length - 1 :]
        found.append((rows[:last][inside], rolling[inside] + np.uint64(length)))
    return _together(found, bits)


def _word_hashes(texts: Texts) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    units = texts.units
    places = units.astype(np.uint8)
    letter, mark = _LETTERS[places], _MARKS[places]
    before = np.concatenate(([False], letter[:-1])) if len(units) else letter
    starts = np.flatnonzero((letter & ~before) | mark)
    after = np.concatenate((letter[1:], [False])) if len(units) else letter
    ends = np.flatnonzero((letter & ~after) | mark) + 1
    # Σ unit_i · B^i over the word, times B^-start: the same word hashes alike wherever it stands.
    powers = np.cumprod(np.full(len(units), _BASE), dtype=np.uint64)
    total = np.concatenate((np.zeros(1, np.uint64), np.cumsum(units * powers, dtype=np.uint64)))
    back = np.cumprod(np.full(len(units), _INVERSE), dtype=np.uint64)
    return (total[ends] - total[starts]) * back[starts] * _MIX, texts.rows[starts]


def _together(found: list[tuple[NDArray[np.int64], NDArray[np.uint64]]], bits: int) -> Grams:
    if not found:
        nothing = np.zeros(0, np.int64)
        return Grams(nothing, nothing)
    rows = np.concatenate([each for each, _ in found])
    hashes = np.concatenate([each for _, each in found])
    hashes = (hashes ^ (hashes >> _SHIFT)) * _MIX
    return Grams(rows, (hashes >> np.uint64(64 - bits)).astype(np.int64))
