"""Detection of the encoding of a text by the frequencies of letters in languages.

Each pair of an encoding and a language that it was used for has a cost: the negative logarithm of
the probability of the text's letters. The pair with the lowest cost wins.
"""

import codecs
import functools
import itertools
import math
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from domains.kernel.untrusted.encodings.letter_models import is_letter, load_models

_WESTERN: Final = "en de fr es pt it nl sv da nb fi is ca ga"
_CENTRAL: Final = "pl cs sk hu ro hr sl sr_Latn sq de"
_BALTIC: Final = "lt lv et"

# Encodings with one byte per character: cost in nats of their being rare, and languages.
_CODE_PAGES: Final = (
    ("cp1252", 0.0, _WESTERN),
    ("cp1250", 3.0, _CENTRAL),
    ("cp1251", 1.0, "ru uk bg sr mk be"),
    ("cp1253", 1.0, "el"),
    ("cp1254", 1.0, "tr az"),
    ("cp1255", 1.0, "he"),
    ("cp1256", 1.0, "ar fa"),
    ("cp1257", 1.5, _BALTIC),
    ("cp1258", 1.5, "vi"),
    ("cp874", 1.5, "th"),
    ("iso8859_2", 3.0, _CENTRAL),
    ("iso8859_5", 3.0, "ru uk bg sr mk be"),
    ("iso8859_6", 3.0, "ar"),
    ("iso8859_7", 2.0, "el"),
    ("iso8859_8", 3.0, "he"),
    ("iso8859_9", 2.0, "tr"),
    ("iso8859_13", 3.0, _BALTIC),
    ("iso8859_15", 2.0, _WESTERN),
    ("koi8_r", 1.5, "ru bg"),
    ("koi8_u", 2.5, "uk ru"),
    ("mac_roman", 4.0, _WESTERN),
    ("mac_cyrillic", 4.0, "ru uk bg sr"),
    ("mac_latin2", 5.0, "pl cs sk hu"),
    ("cp850", 4.0, _WESTERN),
    ("cp437", 4.5, _WESTERN),
    ("cp852", 4.0, _CENTRAL),
    ("cp857", 5.0, "tr"),
    ("cp866", 2.5, "ru bg uk be"),
    ("cp737", 5.0, "el"),
    ("cp862", 5.0, "he"),
)

# Encodings with several bytes per character.
_MULTIBYTE: Final = (
    ("cp932", 1.0, "ja"),
    ("euc_jp", 1.5, "ja"),
    ("cp949", 1.0, "ko"),
    ("gb18030", 1.0, "zh_Hans"),
    ("big5", 1.0, "zh_Hant"),
    ("big5hkscs", 3.0, "zh_Hant"),
)

# Bytes of words that are not ASCII from which the encoding is detected.
_SAMPLE_BYTES: Final = 12_000
# Words in ASCII before and after each of them from which the language is detected.
_NEIGHBOURS: Final = 8
_NEIGHBOUR_BYTES: Final = 30

# Costs in nats.
_COMMON_SYMBOL: Final = 4.5
_RARE_SYMBOL: Final = 10.0
_NO_CHARACTER: Final = 14.0
_FOREIGN_PAIR: Final = 8.5
_ASCII_PAIR: Final = 3.5
_ASCII_LETTER: Final = 5.5
_CASE_CHANGE: Final = 4.0
_LETTER_BY_DIGIT: Final = 3.0
# Characters of languages without alphabets that the models do not have.
_COMMON_CHARACTER: Final = 8.5
_RARE_CHARACTER: Final = 12.0

_SYMBOLS: Final = frozenset("“”‘’„‚–—…•«»‹›·€£§°№©®™¿¡²³ªº½\xa0،؟؛")

# Symbols between two letters, except those that are used there.
_SYMBOL_WITHIN_WORD: Final = re.compile(
    r"(?<=[^\W\d_])[^\w\s\x00-\x7f’–—·\u0300-\u0323](?=[^\W\d_])"
)
_SYMBOL_WITHIN_WORD_COST: Final = 5.0

# Weight of words in ASCII, which are in the same language, but say nothing about the encoding.
_ASCII_WEIGHT: Final = 0.2
_MAX_ASCII_COST: Final = 6.0

# Mean cost of a byte in a text that is certainly not in the language.
_IMPLAUSIBLE_COST: Final = 7.0
# Doubt about a text with a single byte beyond ASCII. It shrinks with the number of these.
_FEW_BYTES_DOUBT: Final = 0.4


class Guess(NamedTuple):
    """The likeliest encoding. `confidence` is between 0 and 1."""

    encoding: str
    confidence: float


def guess_encoding(data: bytes) -> Guess:
    """Return the likeliest encoding of text that is neither ASCII nor Unicode.

    Reads at most 12,000 bytes of the words that are not ASCII. Takes at most 0.2 s for them.
    """
    sample, ascii_words = _sample(data)
    costs = [
        *_single_byte_costs(sample, _language_costs(ascii_words, len(sample))),
        *_multibyte_costs(sample, _other_script_cost(ascii_words, len(sample))),
    ]
    costs.sort()
    best, encoding = costs[0]
    text = sample.decode(encoding, "replace")
    worse = (cost for cost, other in costs if sample.decode(other, "replace") != text)
    margin = next(worse, math.inf) - best
    plausibility = (_IMPLAUSIBLE_COST - best / max(len(sample), 1)) / 4
    confidence = (1 - math.exp(-margin / 2)) * min(max(plausibility, 0.1), 1.0)
    count = sum(byte > 0x7F for byte in sample)
    limit = 0.99 - _FEW_BYTES_DOUBT / max(count, 1)
    return Guess(encoding, round(min(confidence, limit), 2))


def _sample(data: bytes) -> tuple[bytes, bytes]:
    """Return the first words with other bytes than ASCII, and words in ASCII next to them.

    Bytes below 0x30 end a word. They are no part of a character in any encoding.
    """
    words: list[bytes] = []
    neighbours: list[bytes] = []
    before: deque[bytes] = deque(maxlen=_NEIGHBOURS)
    size = following = 0
    for match in re.finditer(rb"[\x30-\xff]+[\x00-\x2f]?", data):
        word = match[0]
        if word.isascii():
            if following:
                neighbours.append(word[:_NEIGHBOUR_BYTES])
                following -= 1
            else:
                before.append(word[:_NEIGHBOUR_BYTES])
            continue
        words.append(word[: _SAMPLE_BYTES - size])
        size += len(words[-1])
        if size >= _SAMPLE_BYTES:
            break
        neighbours += before
        before.clear()
        following = _NEIGHBOURS
    return b"".join(words), b"".join(neighbours)


# ---- encodings with one byte per character


class _Byte(NamedTuple):
    """Meaning of a byte in an encoding."""

    letter: str
    """The letter in lower case, or a space."""
    cost: float
    """Cost of a character that is not a letter."""
    is_ascii: bool
    is_upper: bool
    is_lower: bool
    is_digit: bool


@functools.cache
def _bytes_of(encoding: str) -> Sequence[_Byte]:
    return [_describe(bytes([code]).decode(encoding, "replace")) for code in range(256)]


def _describe(char: str) -> _Byte:
    is_ascii = char.isascii()
    if is_letter(char):
        # The lower case of "İ" is two characters.
        lower = char.lower()[0]
        return _Byte(lower, 0.0, is_ascii, char != lower, char == lower, is_digit=False)
    cost = _RARE_SYMBOL
    if is_ascii:
        cost = 0.0
    elif char in _SYMBOLS:
        cost = _COMMON_SYMBOL
    elif char == "\ufffd" or char < "\xa0":
        cost = _NO_CHARACTER
    return _Byte(" ", cost, is_ascii, is_upper=False, is_lower=False, is_digit=char.isdigit())


def _other_script_cost(ascii_words: bytes, sample_bytes: int) -> float:
    """Return the cost of a few words in another script within words in ASCII."""
    return math.log(1 + len(ascii_words) / max(sample_bytes, 1))


def _language_costs(ascii_words: bytes, sample_bytes: int) -> Mapping[str, float]:
    """Return how unlikely each language is by the words in ASCII."""
    other_script_cost = _other_script_cost(ascii_words, sample_bytes)
    text = re.sub("[^a-z]+", " ", f" {ascii_words.decode().lower()} ")
    counts = Counter(itertools.pairwise(text))
    costs = {
        language: sum(count * pairs.get(pair, _FOREIGN_PAIR) for pair, count in counts.items())
        for language, pairs in load_models().pairs.items()
    }
    least = min(costs.values())
    return {
        language: min(_ASCII_WEIGHT * (costs[language] - least), _MAX_ASCII_COST)
        if ("e", "e") in pairs
        else other_script_cost
        for language, pairs in load_models().pairs.items()
    }


def _single_byte_costs(
    sample: bytes, language_costs: Mapping[str, float]
) -> Iterator[tuple[float, str]]:
    counts = Counter(zip(b" " + sample, sample + b" ", strict=True))
    models = load_models().pairs
    for encoding, rarity, languages in _CODE_PAGES:
        table = _bytes_of(encoding)
        pairs, cost = _letter_pairs(counts, table)
        text = sample.decode(encoding, "replace")
        cost += _SYMBOL_WITHIN_WORD_COST * len(_SYMBOL_WITHIN_WORD.findall(text))
        yield (
            rarity
            + cost
            + min(
                _pairs_cost(pairs, models[language]) + language_costs[language]
                for language in languages.split()
            ),
            encoding,
        )


def _letter_pairs(
    counts: Mapping[tuple[int, int], int], table: Sequence[_Byte]
) -> tuple[Mapping[tuple[str, str], int], float]:
    """Return how often letters follow each other, and the cost that no language changes."""
    pairs: Counter[tuple[str, str]] = Counter()
    total = 0.0
    for (first_code, second_code), count in counts.items():
        first, second = table[first_code], table[second_code]
        pairs[first.letter, second.letter] += count
        cost = second.cost
        if not (first.is_ascii and second.is_ascii):
            if first.is_lower and second.is_upper:
                cost += _CASE_CHANGE
            if (first.is_digit and second.letter != " ") or (
                second.is_digit and first.letter != " "
            ):
                cost += _LETTER_BY_DIGIT
        total += count * cost
    del pairs[" ", " "]
    return pairs, total


def _pairs_cost(
    counts: Mapping[tuple[str, str], int], costs: Mapping[tuple[str, str], float]
) -> float:
    return sum(
        count * (costs[pair] if pair in costs else _foreign_cost(*pair))
        for pair, count in counts.items()
    )


def _foreign_cost(first: str, second: str) -> float:
    return _ASCII_PAIR if first.isascii() and second.isascii() else _FOREIGN_PAIR


# ---- encodings with several bytes per character


def _multibyte_costs(sample: bytes, script_cost: float) -> Iterator[tuple[float, str]]:
    models = load_models().characters
    for encoding, rarity, language in _MULTIBYTE:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(sample, final=True)
        costs = models[language]
        yield (
            rarity
            + script_cost
            + sum(
                count * (costs[char] if char in costs else _character_cost(char, encoding))
                for char, count in Counter(text).items()
            ),
            encoding,
        )


def _character_cost(char: str, encoding: str) -> float:
    """Return the cost of a character that is not among the most common ones of the language."""
    if char.isascii():
        return _ASCII_LETTER if char.isalpha() else 0.0
    if char == "\ufffd" or "\ue000" <= char <= "\uf8ff":
        return _NO_CHARACTER
    if "\uff61" <= char <= "\uff9f":
        return _COMMON_CHARACTER
    if "\u3000" <= char <= "\u30ff" or "\uff00" <= char <= "\uff60":
        return _COMMON_CHARACTER
    first, last = _COMMON_RANGES[encoding]
    is_common = first <= char.encode(encoding, "ignore")[:1] <= last
    return _COMMON_CHARACTER if is_common else _RARE_CHARACTER


# First bytes of the characters that the standards list as the common ones.
_COMMON_RANGES: Final = {
    "cp932": (b"\x88", b"\x98"),
    "euc_jp": (b"\xb0", b"\xcf"),
    "cp949": (b"\xb0", b"\xc8"),
    "gb18030": (b"\xb0", b"\xd7"),
    "big5": (b"\xa4", b"\xc6"),
    "big5hkscs": (b"\xa4", b"\xc6"),
}
