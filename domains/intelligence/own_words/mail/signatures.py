"""Signatures: "-- ", closings with a name block below, lines that mobile mail programs add."""

import re
from collections.abc import Sequence
from typing import Final

from domains.intelligence.own_words.mail.lines import Line, paragraphs
from domains.intelligence.own_words.phrases.signatures import (
    CLOSINGS,
    COMPANIES,
    DEVICES,
    GET_PROGRAM,
    GREETINGS,
    PRONOUNS,
    REGISTERS,
    SENT_FROM,
    SENT_FROM_LAST,
)
from domains.intelligence.text.words import word_set

_MAX_LINES: Final = 60  # a signature and the notices below it
_MAX_DELIMITED: Final = 20  # lines behind "-- "
_MAX_BLOCK: Final = 14  # lines below a closing
_MAX_UNDER_RULE: Final = 2  # lines without an address below a longer rule
_MAX_LINE: Final = 120  # characters of a line of a name block
_MAX_REGISTER: Final = 400
_MAX_NAME_WORDS: Final = 5
_SENTENCE_WORDS: Final = 5  # words from which a line with a full stop is a sentence
_MAX_WORDS: Final = 12

_DELIMITER: Final = re.compile(r"(?:[-—–_]{2,60}|—)$")
_CLOSING: Final = re.compile(
    rf"(?P<core>{'|'.join(CLOSINGS)})(?P<border>[\s,;.!…:–—。！、，-]*)(?P<rest>.*)", re.IGNORECASE
)
_SENT_FROM: Final = re.compile(
    rf"(?:{'|'.join(SENT_FROM)})\b.{{0,30}}?(?:{DEVICES}).{{0,60}}"
    rf"|{GET_PROGRAM}|(?:{'|'.join(SENT_FROM_LAST)})",
    re.IGNORECASE,
)
_CONTACT: Final = re.compile(
    r"@|www\.|https?://|\+\d|\b(?:tel|phone|fon|fax|mobile?|mobil|cell|tél|móvil|cel)\b"
    r"|\d{2,5}[ /().-]{1,3}\d{2,4}[ /.-]?\d{2,}",
    re.IGNORECASE,
)
_REGISTER: Final = re.compile(rf"(?<!\w)(?:{REGISTERS})", re.IGNORECASE)
_COMPANY: Final = re.compile(rf"(?<!\w)(?:{COMPANIES})(?!\w)")
_SEPARATED: Final = re.compile(r"[|•·]")
_PRONOUN: Final = re.compile(rf"(?<!\w)(?:{PRONOUNS})(?!\w)")
_GREETING: Final = re.compile(
    rf"(?:{'|'.join(GREETINGS)})\b[^.!?。！？，;]{{0,30}}[,!.:，。！：]?", re.IGNORECASE
)
_WORD: Final = re.compile(r"[^\W_][\w'’.-]*")
_PARTICLES: Final = word_set(
    "van von de del der den di da la le el al bin y e zu ter ten i i.a i.v p pp ppa"
)


def find_signature(lines: Sequence[Line], skipped: frozenset[int] = frozenset()) -> list[Line]:
    """Lines of the signature that ends a mail's own lines, empty if there is none.

    `skipped` holds the starts of lines that are boilerplate; they count as blank.
    """
    lines = [
        line._replace(text="") if line.start in skipped else line for line in _last_lines(lines)
    ]
    found = [line for line in lines if is_sent_from(line.text) or _is_register(line.text)]
    mobile = {line.start for line in found}
    rest = [line._replace(text="") if line.start in mobile else line for line in lines]
    at = _delimited(rest)
    closed = _closed(rest[:at])
    at = at if closed is None else closed
    if at is None:
        at = _name_block(rest)
    if at is None:
        return found
    return found + [line for line in rest[at:] if line.start not in mobile]


def _last_lines(lines: Sequence[Line]) -> Sequence[Line]:
    """The last lines, `_MAX_LINES` without the blank ones."""
    count = 0
    for index in range(len(lines) - 1, -1, -1):
        count += bool(lines[index].text)
        if count > _MAX_LINES:
            return lines[index + 1 :]
    return lines


def without_signature(lines: Sequence[Line]) -> list[Line]:
    """The lines without signature and greeting."""
    signature = {line.start for line in find_signature(lines)}
    return [
        line
        for line in lines
        if line.start not in signature
        and not (len(line.text) <= 60 and _GREETING.fullmatch(line.text))
    ]


def is_sent_from(text: str) -> bool:
    """True for the footer of a mobile mail program, such as "Sent from my iPhone"."""
    return 8 <= len(text) <= 120 and _SENT_FROM.fullmatch(text.strip(" \t*_-—–[]()<>.")) is not None


def is_closing(text: str) -> bool:
    """True for a closing such as "Best regards", alone or with a name."""
    if len(text) > 80:
        return False
    found = _CLOSING.fullmatch(text.strip(" \t*_"))
    if found is None or not found["rest"]:
        return found is not None
    if found["rest"][0] in "/|" or found["border"].strip():
        second = _CLOSING.fullmatch(found["rest"].strip(" /|"))
        if second and not second["rest"]:
            return True
    # "Best price" is no closing, "Best, Ana" is.
    plain = " " not in found["core"] and not found["border"].strip()
    named = found["rest"][0].isupper() and found["core"].lower() != "best"
    return is_name(found["rest"]) and bool(found["border"]) and (named or not plain)


def is_name(text: str) -> bool:
    """True if the line can be a person's name."""
    words = _WORD.findall(text.strip(" ,.*_–—-"))
    if not 0 < len(words) <= _MAX_NAME_WORDS or len(text) > 60 or text[-1:] in "?!:":
        return False
    if len(words) == 1 and words[0].isalpha() and text[-1] != ".":
        return True
    return all(not word[0].islower() or word.lower().strip(".") in _PARTICLES for word in words)


def _delimited(lines: Sequence[Line]) -> int | None:
    """Index of the last line of dashes behind which only a signature follows."""
    for index in range(len(lines) - 1, -1, -1):
        text = lines[index].text
        if _DELIMITER.match(text):
            rest = [line.text for line in lines[index + 1 :] if line.text]
            strict = text == "--" and lines[index].end - lines[index].body >= len("-- \n")
            if not rest or (strict and len(rest) <= _MAX_DELIMITED):
                return index
            contact = any(map(_CONTACT.search, rest))
            named = bool(rest) and is_name(rest[0])
            fits = len(rest) <= _MAX_BLOCK and all(map(_fits_block, rest))
            short = len(text) < len("---") or len(rest) <= _MAX_UNDER_RULE
            return index if fits and (contact or (named and short)) else None
    return None


def _closed(lines: Sequence[Line]) -> int | None:
    """Index of the first closing below which only a name block follows."""
    found: int | None = None
    count = 0
    for index in range(len(lines) - 1, -1, -1):
        text = lines[index].text
        if not text:
            continue
        if is_closing(text):
            below = [line.text for line in lines[index + 1 :] if line.text]
            if not below or is_name(below[0]) or is_closing(below[0]) or _CONTACT.search(below[0]):
                found = index
        elif not _fits_block(text):
            break
        count += 1
        if count > _MAX_BLOCK:
            break
    return found


def _name_block(lines: Sequence[Line]) -> int | None:
    """Index of a last paragraph that is a name with a title, a phone number or an address."""
    parts = paragraphs(lines)
    if len(parts) < 2 or len(parts[-1]) > _MAX_BLOCK:
        return None
    texts = [lines[index].text for index in parts[-1]]
    if len(texts) == 1:
        texts = _SEPARATED.split(texts[0])
    plain = [text for text in texts if text.strip() and not _CONTACT.search(text)]
    if not plain or len(plain) == len(texts) or not is_name(plain[0].strip()):
        return None
    return parts[-1].start if all(_fits_block(lines[i].text) for i in parts[-1]) else None


def _is_register(text: str) -> bool:
    """True for a company's entry in a register, as in "Shop Ltd, registered in England"."""
    if not 20 <= len(text) <= _MAX_REGISTER or _speaks(text):
        return False
    entries = {found[0].lower() for found in _REGISTER.finditer(text)}
    return len(entries) > 1 or (len(entries) == 1 and _COMPANY.search(text) is not None)


def _speaks(text: str) -> bool:
    """True if the line has a word such as "we" or "is". The acronym "IT" does not count."""
    return _PRONOUN.search(text[0].lower() + text[1:]) is not None


def _fits_block(text: str) -> bool:
    """True if the line can belong to a name block: it is short and no sentence."""
    if len(text) > _MAX_LINE:
        return False
    if _CONTACT.search(text) or _SEPARATED.search(text) or is_closing(text):
        return text[-1] != "?" and not _speaks(text)
    words = text.split()
    if len(words) > _MAX_WORDS or _speaks(text) or text[-1] in "?:;。？！":
        return False
    if text.lower().startswith(("p.s", "ps:", "ps ", "- ", "* ", "1.", "2.")):
        return False
    if is_name(text):
        return True
    return text[-1] not in ".!" or len(words) < _SENTENCE_WORDS
