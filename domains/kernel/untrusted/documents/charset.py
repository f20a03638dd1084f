"""Decoding of text whose encoding is unknown or wrongly declared."""

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Precedes UTF-16, whose little-endian mark is a prefix of the UTF-32 mark.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Encodings other than Unicode that are detected. On a tie the earlier one is chosen.
_LEGACY_ENCODINGS: Final = (
    "cp1252", "cp1251", "koi8_r", "cp1250", "cp1253",
    "cp932", "euc_jp", "cp949", "gb18030", "big5",
)  # fmt: skip

# Characters beyond ASCII of Western European and of Central European languages.
_WESTERN: Final = frozenset(
    "ÀÂÄÅÆÇÈÉÊÍÎÓÔÖØÙÚÜÁÑÕàâäåæãçèéêëíîïìòóôõöøùúûüáñßœ€£§°«»“”‘’„–—…•·¿¡®©™"
)
_CENTRAL: Final = frozenset(
    "ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžÁČĎÉĚÍŇŘŠŤÚŮÝŽőűöüÖÜäßăâîşţ„”“’–—…€§°»«"
)
_SYMBOLS: Final = frozenset("€£§°«»“”‘’„–—…•·®©™№\xa0")

# Characters of a text from which its encoding is detected.
_SAMPLE: Final = 20_000

# Control characters that text does not contain. NUL is counted separately.
_CONTROL_BYTES: Final = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b\x00")

# Returns how plausible a character is between the previous and the next one, from 0 to 1.
_Plausibility = Callable[[str, str, str], float]


class Detected(NamedTuple):
    """The encoding of a text: a name that `bytes.decode` accepts.

    `confidence` is between 0 and 1. It is 1 for a byte order mark and for a declared encoding in
    which the bytes are valid, and less for a guess.
    """

    encoding: str
    confidence: float


def decode(data: bytes, charset: str | None = None) -> str:
    """Decode text by its byte order mark, `charset`, UTF-8 or the likeliest legacy encoding.

    Raises ReadError if the bytes are not text.
    """
    return data.decode(detect_encoding(data, charset).encoding, "replace")


def detect_encoding(data: bytes, declared: str | None = None) -> Detected:
    """Detect the encoding of text by its byte order mark, `declared`, UTF-8 or likelihood.

    `data` may be a sample from the start of a text that ends within a character. A declared
    encoding that is unknown or in which the bytes are invalid is ignored.

    Raises ReadError if the bytes are not text.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return Detected(encoding, 1.0)
    for encoding, confidence in _candidates(data, declared):
        text = _decode_strictly(data, encoding)
        if text is not None:
            _check_control_characters(text)
            return Detected(encoding, confidence)
    text_bytes = len(data.translate(None, _CONTROL_BYTES))
    if text_bytes < 0.98 * len(data) or data.count(0) > 0.02 * len(data):
        raise ReadError(ExitCode.NOT_TEXT)
    return _detect_legacy(data)


def _candidates(data: bytes, declared: str | None) -> Iterator[tuple[str, float]]:
    """Iterate over the encodings to accept if the bytes are valid, with their confidence."""
    for encoding in _declared_encodings(declared):
        yield encoding, 1.0
    for encoding in _unmarked_unicode(data):
        yield encoding, 0.95
    if b"\x1b$" in data:
        yield "iso2022_jp", 0.95
    yield "utf-8", 0.99


def charset_in_markup(data: bytes) -> str | None:
    """Return the charset that an HTML or XML document declares in its first 1024 bytes."""
    head = data[:1024]
    declared = re.match(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""", head) or re.search(
        rb"""<meta[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)""", head, re.IGNORECASE
    )
    # The declaration was readable as ASCII, so the document is not in UTF-16 or UTF-32.
    charset = declared[1].decode("ascii", "replace").lower() if declared else None
    is_wide = charset and charset.startswith(("utf-16", "utf16", "utf-32", "ucs"))
    return None if is_wide else charset


def _declared_encodings(charset: str | None) -> list[str]:
    """Return the encodings to try for a declared charset; none if it is unknown."""
    try:
        name = codecs.lookup((charset or "").strip("\"' ")).name
        # LookupError if this is not an encoding of text, such as base64.
        "a".encode(name)
    except (LookupError, ValueError):
        return []
    # As browsers do, read Latin-1 and ASCII as their superset Windows-1252. UTF-8 comes first
    # because text in another encoding is practically never valid UTF-8.
    if name in ("iso8859-1", "cp1252", "ascii"):
        return ["utf-8", "cp1252"]
    # Slow, or not used for files.
    if name in ("punycode", "idna", "unicode_escape", "raw-unicode-escape", "undefined", "utf-7"):
        return []
    return ["cp932" if name == "shift_jis" else name]


def _unmarked_unicode(data: bytes) -> Iterator[str]:
    """Detect UTF-16 and UTF-32 without a byte order mark by the zero bytes of ASCII characters."""
    sample = data[: _SAMPLE * 4]
    zeros = [sample[at::4].count(0) / (len(sample) / 4 or 1) for at in range(4)]
    if len(data) % 4 == 0:
        if min(zeros[1:]) > 0.6 > zeros[0]:
            yield "utf-32-le"
        if min(zeros[:3]) > 0.6 > zeros[3]:
            yield "utf-32-be"
    if len(data) % 2 == 0:
        even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
        if odd > 0.4 and even < odd / 4:
            yield "utf-16-le"
        if even > 0.4 and odd < even / 4:
            yield "utf-16-be"


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    """Decode valid bytes; None if they are invalid. The last character may be incomplete."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
        is_conclusive = not text.isascii() or data.isascii()
        return text if is_conclusive else data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _check_control_characters(text: str) -> None:
    """Raise ReadError if more than 2 % of the text are control characters."""
    sample = text[:_SAMPLE]
    controls = sum(char < " " and char not in "\t\n\v\f\r\x1b" for char in sample)
    if controls > 0.02 * len(sample):
        raise ReadError(ExitCode.NOT_TEXT)


def _detect_legacy(data: bytes) -> Detected:
    """Detect the legacy encoding in which the characters are most plausible."""
    best, best_score = "cp1252", -1.0
    for encoding in _LEGACY_ENCODINGS:
        text = _decode_strictly(data, encoding)
        if text is None and encoding == "cp1252":
            # Five bytes are undefined in the encoding, but occur in files.
            text = data.decode(encoding, "replace")
        if text is not None and (score := _score(text, encoding)) > best_score:
            best, best_score = encoding, score
    return Detected(best, round(0.9 * best_score, 2))


def _score(text: str, encoding: str) -> float:
    """Return the mean plausibility of the text's characters beyond ASCII, from 0 to 1."""
    plausibility = _PLAUSIBILITIES[encoding]
    total = count = 0.0
    for match in re.finditer(r"(?s)(?<=(.))?([^\x00-\x7f])(?=(.))?", text):
        total += plausibility(match[1] or " ", match[2], match[3] or " ")
        count += 1
        if count >= _SAMPLE:
            break
    return total / count if count else 0.0


def _latin(common: frozenset[str]) -> _Plausibility:
    """Plausibility in languages of Latin script that use these characters beyond ASCII."""

    def plausibility(before: str, char: str, after: str) -> float:
        if char in _SYMBOLS:
            return 1.0
        # Accented letters are surrounded by plain ones. Several in a row suggest another script.
        isolated = not all(other.isalpha() and not other.isascii() for other in (before, after))
        # An upper-case letter does not follow a lower-case one.
        has_case = not (char.isupper() and before.islower())
        return float(char in common and isolated and has_case)

    return plausibility


def _alphabet(first: str, last: str, common: str) -> _Plausibility:
    """Plausibility in another alphabet, given its first, last and most common letters."""

    def plausibility(before: str, char: str, after: str) -> float:
        if char in _SYMBOLS:
            return 1.0
        if not first <= char <= last:
            return 0.0
        if any(other.isascii() and other.isalpha() for other in (before, after)):
            return 0.0
        if char.islower():
            return 1.0 if char in common else 0.8
        return 0.3 if before.islower() else 0.8

    return plausibility


def _japanese(_before: str, char: str, _after: str) -> float:
    if "\u3000" <= char <= "\u30ff" or char in "！？（）：":
        return 1.0
    if "\uff61" <= char <= "\uff9f":
        return 0.0
    # Level 1 of JIS X 0208: the characters in common use.
    return 0.9 if "一" <= char <= "龯" and char.encode("cp932", "replace") < b"\x98\x9f" else 0.1


def _korean(_before: str, char: str, _after: str) -> float:
    return float("가" <= char <= "힣" and len(char.encode("euc_kr")) == 2)


def _simplified_chinese(_before: str, char: str, _after: str) -> float:
    if "\u3000" <= char <= "\u3011" or char in "，。！？；：、（）“”‘’":
        return 1.0
    encoded = char.encode("gb2312", "replace")
    return 0.99 if b"\xb0" <= encoded < b"\xd8" and len(encoded) > 1 else 0.0


def _traditional_chinese(_before: str, char: str, _after: str) -> float:
    if "\u3000" <= char <= "\u3011" or char in "，。！？；：、（）":
        return 1.0
    encoded = char.encode("big5", "replace")
    return 0.98 if b"\xa4" <= encoded < b"\xc7" and len(encoded) > 1 else 0.0


_cyrillic: Final = _alphabet("Ё", "ё", "оеаинтсрвлкмдпу")

_PLAUSIBILITIES: Final[Mapping[str, _Plausibility]] = {
    "cp1252": _latin(_WESTERN),
    "cp1251": _cyrillic,
    "koi8_r": _cyrillic,
    "cp1250": _latin(_CENTRAL),
    "cp1253": _alphabet("Ά", "ώ", "αοιετσνυρπκμληίόά"),
    "cp932": _japanese,
    "euc_jp": _japanese,
    "cp949": _korean,
    "gb18030": _simplified_chinese,
    "big5": _traditional_chinese,
}
