"""Lines that name the author of the comment, reply or mail below them, in tickets and issues."""

import re
from typing import Final

from domains.intelligence.text.labels import NAME, is_name
from domains.intelligence.text.words import word_set

_HANDLE: Final = r"@?[^\W\d_][\w.-]{0,39}"
_ROLE: Final = r"(?: ?\([^()\n]{1,40}\))?"
_MONTH: Final = r"[^\W\d_]{3,9}\.?"
_DAY: Final = rf"(?:{_MONTH} \d{{1,2}}|\d{{1,2}}\.? {_MONTH}|\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}})"

_HEADS: Final = (
    # Such as: Comment by @ana (maintainer)
    re.compile(
        r"[\s#*_-]*(?:comment|reply|answer|update|note|message|kommentar|antwort|comentario"
        r"|commentaire|réponse|respuesta|resposta|comentário|commento|risposta)\s"
        rf"(?:by|from|von|de|di|por|da)\s(?P<name>(?:{_HANDLE}|{NAME}){_ROLE})[\s*_:]*$",
        re.IGNORECASE,
    ),
    # Such as: **ana-k (maintainer)** commented on 4 March
    re.compile(
        rf"[\s#*_-]*(?P<name>{_HANDLE}(?: {_HANDLE}){{0,2}}{_ROLE})[*_]{{0,2}}{_ROLE}\s"
        r"(?:commented|replied|answered|wrote|added|opened (?:this|an) issue|kommentierte|schrieb"
        r"|antwortete|escribió|comentó|respondió|a écrit|a répondu|ha scritto|escreveu|schreef)"
        r"(?P<date> (?:on|at|am|le|el|em|il|op) [^:\n]{1,40}| \d{1,3} \w{3,7} (?:ago|later))?"
        r"[\s*_:]*$",
        re.IGNORECASE,
    ),
    # Such as: Ana Ruiz (Acme), Mar 4, 10:05 GMT
    re.compile(
        rf"\s*\*{{0,2}}(?P<name>{NAME})\*{{0,2}}\s*[,·|–—-]\s*{_DAY},?(?: \d{{4}})?,?"
        r"(?: (?:at|um|à|a las|às|alle|om))? \d{1,2}[:.]\d{2}(?::\d{2})?[^\n]{0,16}$"
    ),
    # Such as: Ana Ruiz <ana@acme.example>    Mon, Mar 4, 2026 at 10:05
    re.compile(
        rf"\s*\"?(?P<name>{NAME})\"?\s*<[^<>\s]{{1,64}}@[^<>\s]{{1,64}}>[\s,]+"
        rf"(?:[^\W\d_]{{2,10}}\.?, )?{_DAY}[^\n]{{0,40}}$"
    ),
)
_MAIL: Final = re.compile(
    r"\s*\*{0,2}(?:From|Von|De|Da|Van):\*{0,2}[ \t]+\"?(?P<name>[^<>\"\n]{1,60}?)\"?"
    r"[ \t]*(?:<[^<>\n]{1,80}>)?\s*$"
)
_PRONOUNS: Final = word_set("i we you he she they it ich wir er je nous yo eu io ik wij")
_LONGEST: Final = 160


def author(text: str, start: int, end: int) -> str | None:
    """Return the author that the line names as a whole, or None if it is no such line."""
    if end - start > _LONGEST:
        return None
    for head in _HEADS:
        found = head.match(text, start, end)
        if found:
            name = found["name"].replace("**", "").strip(" *_,")
            if _PRONOUNS & set(name.lower().split()):
                return None
            is_handle = any(mark in name for mark in "@-(") or (
                " " not in name and found.groupdict().get("date") is not None
            )
            return name.lstrip("@") if is_handle or is_name(name) or head is _HEADS[0] else None
    return None


def sender(text: str, start: int, end: int) -> str | None:
    """Return the name in a line "From: Ana Ruiz <ana@acme.example>"."""
    found = _MAIL.match(text, start, end) if end - start <= _LONGEST else None
    return found["name"].strip() if found else None
