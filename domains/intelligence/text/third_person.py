"""The third person: "I can't find my reports" becomes "users can't find their reports"."""

import re


def told(clause: str, *, headline: bool, internal: bool) -> str:
    """ "I can't find my reports" becomes "users can't find their reports"."""
    if internal:
        return clause
    clause = _MY_SUBJECT.sub(r"\1 ", clause) if headline else _MY_SUBJECT_FULL.sub("the ", clause)
    if headline:
        clause = _BARE_VERB.sub(lambda match: _USERS + " " + match[0].lower(), clause)
    if _PERSON.search(clause):
        for pattern, replacement in _PERSONS:
            clause = pattern.sub(replacement, clause)
    # The first mention names the users, later ones in the same clause refer back to them.
    head, found, tail = clause.partition(_USERS)
    if found:
        tail = tail.replace(_USERS + _OBJECT, "them").replace(_USERS, "they")
        clause = head + "users" + tail
    return clause.replace(_OBJECT, "")


_MY_SUBJECT = re.compile(r"^(?:my|our) ((?!own\b)[\w'-]+(?: [\w'-]+)?)\s(?=\S)", re.IGNORECASE)
_MY_SUBJECT_FULL = re.compile(r"^(?:my|our) (?=\w)", re.IGNORECASE)
_BARE_VERB = re.compile(
    r"^(?:really |absolutely |just |also )*(?:love|loved|hate|like|liked|enjoy|can't|cannot|"
    r"couldn't|"
    r"(?:don't|didn't)(?! (?:work|load|open|show|sync|connect|respond|save|start|support))|wish|"
    r"prefer|miss|had to|have to|keep getting|tried|struggle|want|"
    r"need)\b(?! it\b$)"
    r"(?= \w+)",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"\b(?:[Ii]m?|[Ww]e|[Yy]ou|[Yy]a|[Mm]y|[Oo]ur|[Mm]e|us|mine|ours|myself|ourselves)\b"
)
"""Without one of these words no pattern of `_PERSONS` matches."""
_USERS = "\x02"
_OBJECT = "\x03"
"""Stand-ins that text cannot hold after cleaning, until it is known which mention comes first."""
_PERSONS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(?:[Ii]'m|[Ii] am|[Ii]m|[Ww]e're|[Ww]e are)\b", _USERS + " are"),
        (r"\b[Ii] was\b|\b[Ww]e were\b", _USERS + " were"),
        (r"\b[Ii] wasn't\b|\b[Ww]e weren't\b", _USERS + " weren't"),
        (r"\b(?:[Ii]|[Ww]e)'ve\b", _USERS + " have"),
        (r"\b(?:[Ii]|[Ww]e)'d\b", _USERS + " would"),
        (r"\b(?:[Ii]|[Ww]e)'ll\b", _USERS + " will"),
        (r"\b[Aa]m [Ii]\b|\b[Aa]re [Ww]e\b", "are " + _USERS),
        (
            r"\b(?:[Yy]ou|[Yy]a) (?=(?:can't|cannot|can|have to|don't know|need to|get|never)\b)",
            _USERS + " ",
        ),
        (r"\b(?:[Ii]|[Ww]e)\b(?!['.])", _USERS),
        (r"\b(?:[Mm]y|[Oo]ur)\b", "their"),
        (r"\b(?:mine|ours)\b", "theirs"),
        (r"\b(?:[Mm]e|us)\b", _USERS + _OBJECT),
        (r"\b(?:myself|ourselves)\b", "themselves"),
    )
)
