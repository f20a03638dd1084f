"""Decoding of text whose encoding is unknown or wrongly declared."""

import codecs
import contextlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Final, NamedTuple

from domains.kernel.untrusted.documents.reader_process import ExitCode, ReadError
from domains.kernel.untrusted.encodings.code_pages import guess_encoding

_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # Precedes UTF-16, whose little-endian mark is a prefix of the UTF-32 mark.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# Escape sequences of encodings that are written in ASCII.
_ESCAPES: Final = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp"))

# Names of encodings that Python does not know.
_LABELS: Final = {
    "dos-866": "cp866",
    "iso-8859-8-i": "iso-8859-8",
    "utf8mb4": "utf-8",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "windows-949": "cp949",
    "x-euc-jp": "euc_jp",
    "x-gbk": "gbk",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-roman": "mac_roman",
    "x-sjis": "cp932",
}

# What to read declared encodings as, like browsers: as supersets that software confuses them with.
# UTF-8 comes first where text in the encoding is practically never valid UTF-8.
_SUPERSETS: Final[Mapping[str, Sequence[str]]] = {
    **dict.fromkeys(("iso8859-1", "cp1252"), ("utf-8", "cp1252")),
    # Says nothing about text with other characters.
    "ascii": (),
    "big5": ("big5", "cp950", "big5hkscs"),
    "euc_kr": ("cp949",),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "iso8859-9": ("cp1254",),
    "iso8859-11": ("cp874",),
    "shift_jis": ("cp932",),
    "tis-620": ("cp874",),
}

_MARKED_CONFIDENCE: Final = 0.95
_UTF_8_CONFIDENCE: Final = 0.99
_DAMAGED_CONFIDENCE: Final = 0.9

# Characters of a text from which its encoding is detected.
_SAMPLE: Final = 20_000

# Control characters that text does not contain. NUL is counted separately.
_CONTROL_BYTES: Final = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b\x00")


_WHITE_SPACE: Final = str.maketrans("\t\n\v\f\r", "     ")


class Detected(NamedTuple):
    """The encoding of a text: a name that `bytes.decode` accepts.

    `confidence` is between 0 and 1. It is 1 for a byte order mark and for a declared encoding in
    which the bytes are valid, and less for a guess.
    """

    encoding: str
    confidence: float


# Guesses made within `recorded_guesses`.
_guesses: Final[ContextVar[list[Detected] | None]] = ContextVar("guesses", default=None)


def decode(data: bytes, charset: str | None = None) -> str:
    """Decode text by its byte order mark, `charset`, UTF-8 or the likeliest legacy encoding.

    Raises ReadError if the bytes are not text.
    """
    detected = detect_encoding(data, charset)
    guesses = _guesses.get()
    if guesses is not None and detected.confidence < 1:
        guesses.append(detected)
    return data.decode(detected.encoding, "replace")


@contextlib.contextmanager
def recorded_guesses() -> Iterator[list[Detected]]:
    """Record the encodings that `decode` guesses, without those that were declared or ASCII."""
    guesses: list[Detected] = []
    token = _guesses.set(guesses)
    try:
        yield guesses
    finally:
        _guesses.reset(token)


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
    if _is_damaged_utf8(data):
        return Detected("utf-8", _DAMAGED_CONFIDENCE)
    return Detected(*guess_encoding(data))


def _candidates(data: bytes, declared: str | None) -> Iterator[tuple[str, float]]:
    """Iterate over the encodings to accept if the bytes are valid, with their confidence."""
    for encoding in _declared_encodings(declared):
        yield encoding, 1.0
    for encoding in _unmarked_unicode(data):
        yield encoding, _MARKED_CONFIDENCE
    for escape, encoding in _ESCAPES:
        if escape in data:
            yield encoding, _MARKED_CONFIDENCE
    if _is_hz(data):
        yield "hz", _MARKED_CONFIDENCE
    yield "utf-8", 1.0 if data.isascii() else _UTF_8_CONFIDENCE


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


def _declared_encodings(charset: str | None) -> Sequence[str]:
    """Return the encodings to try for a declared charset; none if it is unknown."""
    label = (charset or "").strip("\"' ").lower()
    try:
        name = codecs.lookup(_LABELS.get(label, label)).name
        # LookupError if this is not an encoding of text, such as base64.
        "a".encode(name)
    except (LookupError, ValueError):
        return ()
    # Slow, or not used for files.
    if name in ("punycode", "idna", "unicode_escape", "raw-unicode-escape", "undefined", "utf-7"):
        return ()
    return _SUPERSETS.get(name, (name,))


def _unmarked_unicode(data: bytes) -> Iterator[str]:
    """Detect UTF-16 and UTF-32 without a byte order mark by the zero bytes of ASCII characters."""
    sample = data[: _SAMPLE * 4]
    zeros = [sample[at::4].count(0) for at in range(4)]
    quarter = len(sample) / 4
    if min(zeros[1:]) > 0.6 * quarter > zeros[0]:
        yield "utf-32-le"
    if min(zeros[:3]) > 0.6 * quarter > zeros[3]:
        yield "utf-32-be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if odd > even and _is_plausible(sample, "utf-16-le"):
        yield "utf-16-le"
    if even > odd and _is_plausible(sample, "utf-16-be"):
        yield "utf-16-be"


def _is_plausible(sample: bytes, encoding: str) -> bool:
    """Return whether nearly all characters are assigned and none of them controls the device."""
    text = sample.decode(encoding, "replace")[:2000].translate(_WHITE_SPACE)
    return sum(unicodedata.category(char)[0] == "C" for char in text) <= 0.02 * len(text)


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    """Decode valid bytes; None if they are invalid. The last character may be incomplete."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data)
        is_conclusive = not text.isascii() or data.isascii()
        return text if is_conclusive else data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _is_hz(data: bytes) -> bool:
    """Return whether text in ASCII has common Chinese characters between `~{` and `~}`."""
    if not (b"~{" in data and b"~}" in data and data.isascii()):
        return False
    text = _decode_strictly(data[:_SAMPLE], "hz") or ""
    others = re.sub("[\x00-\x7f]+", "", text).encode("gb2312", "ignore")
    # Punctuation, and the first level of the standard.
    common = sum(0xB0 <= byte <= 0xD7 or byte in (0xA1, 0xA3) for byte in others[::2])
    return len(others) >= 8 and common >= 0.9 * len(others) / 2


def _is_damaged_utf8(data: bytes) -> bool:
    """Return whether nearly all characters beyond ASCII are valid UTF-8.

    Text in another encoding has hardly any.
    """
    others = re.sub("[\x00-\x7f]+", "", data.decode("utf-8", "replace"))
    damaged = others.count("\ufffd")
    return len(others) > 10 * damaged


def _check_control_characters(text: str) -> None:
    """Raise ReadError if more than 2 % of the text are control characters."""
    sample = text[:_SAMPLE]
    controls = sum(char < " " and char not in "\t\n\v\f\r\x1b" for char in sample)
    if controls > 0.02 * len(sample):
        raise ReadError(ExitCode.NOT_TEXT)
