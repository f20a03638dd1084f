"""Labels at the beginning of a line: names of speakers, roles and headers such as "Subject"."""

import functools
import re
from typing import Final, Literal, NamedTuple

from domains.intelligence.text.words import STOP_WORDS, word_set

Section = Literal["", "pros", "cons", "wishes"]

# A name, as a part of a pattern.
NAME: Final = r"[^\W\d_][^:：<>{}|\[\]\n\t]{0,59}?"

_LABEL: Final = re.compile(
    rf"\s*\*{{0,2}}({NAME})\s*\*{{0,2}}(?::\*{{0,2}}(?=\s|$)|：\*{{0,2}})\s*"
)
_ADDRESS: Final = re.compile(r"[\w.+-]{1,40}@[\w.-]{1,40}")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_NAME_PARTICLES: Final = word_set(
    "and of the de da di van von der den la le el bin al for at from via y du"
)
# A year, or a comma before a number: a date such as "January 14, 2026" is no name.
_DATE_PART: Final = re.compile(r"\b\d{4}\b|,\s*\d")

# Characters of a line in which a label is looked for. It bounds the work on hostile lines.
LONGEST: Final = 200
# Names in scripts without case are short.
_LONGEST_CASELESS_NAME: Final = 16

ROLE_WORDS: Final = word_set(
    """
    agent interviewer support customer user rep representative host moderator facilitator
    researcher participant respondent client interviewee caller operator seller buyer prospect
    speaker sales analyst assistant member guest patient consultant kunde kundin
    cliente client entrevistador sprecher intervenant
    """
)
# Roles that are no part of a longer label: "Trust me: it fails" has no speaker.
_WHOLE_ROLES: Final = word_set("q a me them")

_TEXT_HEADERS: Final = word_set(
    """
    subject title summary description body message comment comments details feedback review text
    issue problem question answer request notes note expected actual steps background impact
    expectation finding findings recommendation recommendations opportunity theme themes overview
    conclusion update warning example result results context goal goals question re fwd
    """
)
_META_HEADERS: Final = word_set(
    """
    from to cc bcc date sent priority status id ticket assignee assigned tags tag plan version
    browser os environment account company email e-mail phone created updated channel category
    severity rating stars language attachments attachment sentiment type device platform
    customer-id requester reporter organization organisation group product source url link
    reply-to order reference region industry role seats score nps method sample duration location
    attendees participants recorded transcript recording
    """
)
# Words of headings that are capitalised like names.
_HEADING_WORDS: Final = word_set(
    """
    action items next follow agenda key takeaway takeaways decision decisions price pricing total
    error tip todo fyi ps bug feature case scenario reproduction behavior behaviour setup topic
    topics reason cause effect fix fixed workaround hint important caution attention risk risks
    objective objectives step problem problems issue issues meeting call minutes time day week
    """
)
SECTIONS: Final[dict[str, Section]] = {
    **dict.fromkeys(
        (
            *("pros", "likes", "the good", "good", "what i like", "what i liked", "what works"),
            *("what do you like best", "what do you like most", "strengths"),
        ),
        "pros",
    ),
    **dict.fromkeys(
        (
            *("cons", "dislikes", "the bad", "bad", "what i dislike", "what i don't like"),
            *("what i didn't like", "what do you dislike", "what do you like least"),
            *("what doesn't work", "weaknesses"),
            *("pain points", "frustrations"),
        ),
        "cons",
    ),
    **dict.fromkeys(
        (
            *("feature requests", "requests", "wishlist", "wish list", "wishes", "suggestions"),
            *("what could be better", "what could be improved"),
        ),
        "wishes",
    ),
}


class Label(NamedTuple):
    """A label "Name:" that a line begins with, and the offset of the text behind it."""

    name: str
    end: int


HeaderKind = Literal["text", "meta"]


def match(text: str, start: int, end: int) -> Label | None:
    """Return the label that the line begins with. Only its first colon can end one."""
    at = text.find(":", start, end)
    is_plain = at >= 0 and (at + 1 == end or text[at + 1].isspace() or text[at + 1] == "*")
    if not is_plain and text.find("：", start, end) < 0:
        return None
    found = _LABEL.match(text, start, min(end, start + LONGEST))
    return Label(found[1].strip(), found.end()) if found else None


def section_of(name: str) -> Section | None:
    """Return the section that a heading opens, such as "cons" for "What I don't like about it"."""
    heading, about, _ = name.lower().partition(" about ")
    if about and not heading.startswith("what "):
        return None
    return SECTIONS.get(heading.strip(" \t*_:?!").replace("’", "'"))


def header_kind(name: str) -> HeaderKind | None:
    """Return what a header introduces: text such as a description, or data such as a priority."""
    words = name.strip(" *_").lower().split()
    if not 0 < len(words) <= 3:
        return None
    if words[-1] in _META_HEADERS or words[0] in _META_HEADERS:
        return "meta"
    return "text" if words[0] in _TEXT_HEADERS else None


@functools.lru_cache(maxsize=1024)
def is_header(name: str) -> bool:
    """True for a label such as "Subject" or "Action items", which is no speaker."""
    words = name.strip(" *_").lower().split()
    if not words or is_role(name):
        return False
    return (
        words[0] in _TEXT_HEADERS
        or words[0] in _META_HEADERS
        or words[-1] in _META_HEADERS
        or section_of(name) is not None
        or all(word in _HEADING_WORDS or word in _TEXT_HEADERS for word in words)
    )


@functools.lru_cache(maxsize=1024)
def is_role(name: str) -> bool:
    """True for a role such as "Customer" or "Interviewer 2"."""
    if name.strip(" *_").lower() in _WHOLE_ROLES:
        return True
    words = _LETTERS.findall(name.lower())
    return 0 < len(words) <= 3 and any(word in ROLE_WORDS for word in words)


@functools.lru_cache(maxsize=1024)
def is_name(label: str) -> bool:
    """True if the label is written like a name: its words are capitalised, or have no case.

    A mail address is a name, too.
    """
    words = label.strip(" *_").split()
    if not 0 < len(words) <= 6 or label.strip()[-1:] in ".!?,;。！？、" or _DATE_PART.search(label):
        return False
    if (is_role(label) and len(words) <= 3) or _ADDRESS.fullmatch(label):
        return True
    first = words[0][:1]
    if not first.isalpha() or first.islower():
        return False
    if not first.isupper() and len(label) > _LONGEST_CASELESS_NAME:
        return False
    return all(
        not word[:1].isalpha() or not word[:1].islower() or word in _NAME_PARTICLES
        for word in words
    )


def is_personal(name: str) -> bool:
    """True for one to three capitalised words of letters that are no words of headings."""
    words = name.split()
    return (
        len(words) <= 3
        and is_name(name)
        and all(word.replace("-", "").replace(".", "").isalpha() for word in words)
        and not any(word.lower() in _HEADING_WORDS for word in words)
    )


def is_lower_name(label: str) -> bool:
    """True for one to three lower-case words, as captions of some programs write names."""
    words = label.split()
    return (
        0 < len(words) <= 3
        and all(word.replace("-", "").replace(".", "").isalpha() for word in words)
        and not is_header(label)
        and not any(word in STOP_WORDS for word in words)
    )
