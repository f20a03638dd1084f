"""What "it" and "they" stand for, so that a title can name it."""

import re
from collections.abc import Sequence
from typing import Final

from domains.intelligence.insights.feature_names import VERB_FIRST, is_vague
from domains.intelligence.insights.wording import clean
from domains.intelligence.text import grammar


def resolved(
    part: str, patterns: Sequence[re.Pattern[str]], earlier: Sequence[str], before: Sequence[str]
) -> tuple[str, int | None]:
    """The clause with a name in place of "it" or "they", and which statement before lent it."""
    match = next((found for pattern in patterns if (found := pattern.search(part))), None)
    if not match:
        return part, None
    pronoun = match["it"].lower()
    plural = pronoun not in ("it", "its") and match.re is not OLD_ONE
    reach = len(before) if pronoun == "one" else 1
    if _antecedent(part[: match.start("it")], plural=plural):
        return part, None
    sources: list[tuple[str, int | None]] = [(each, None) for each in reversed(earlier)]
    sources += [(clean(each), index) for index, each in enumerate(before[:reach])]
    for text, leans in sources:
        name = _antecedent(text, plural=plural, acting=match.re is OLD_ONE)
        if not name or (leans is None and name.lower() in part.lower()):
            continue
        if match.re is ONE:
            name = "one " + " ".join(name.removesuffix("s").split()[-2:])
        verb = {"'s": " is", "'re": " are", "": ""}.get(match["be"] or "", "")
        start, end = match.start("it"), match.end("be") if match["be"] else match.end("it")
        name = name if start else name[0].upper() + name[1:]
        return part[:start] + name + verb + part[end:], leans
    return part, None


_VERB: Final = "|".join(sorted(grammar.FINITE))
IT: Final = re.compile(
    rf"^(?P<it>it|they|these)(?P<be>'s|'re)?(?= (?:[a-z]+ ){{0,2}}(?:{_VERB}|has to|"
    r"hard|slow|easy|too|not|so)\b)",
    re.IGNORECASE,
)
THEM: Final = re.compile(r"(?<=\w )(?P<it>them)\b(?P<be>)(?! (?:all )?to\b)")
OLD_ONE: Final = re.compile(r"\bthe (?:old|previous|original) (?P<it>one)\b(?P<be>)")
ONE: Final = re.compile(r"\b(?:have|want|need|had) (?P<it>one)\b(?P<be>)(?= for all\b)")


def _antecedent(text: str, *, plural: bool, acting: bool = False) -> str:
    """What "it" or "they" can stand for: the subject of a clause before, else its last name.

    `acting` takes subjects only.
    """
    if not text:
        return ""
    names = [
        subject
        for clause in reversed(grammar.clauses(text))
        if (subject := grammar.subject(clause))
    ]
    listed = [VERB_FIRST().sub("", phrase).strip() for phrase in grammar.phrases(text)]
    names = names[::-1] + [phrase for phrase in reversed(listed) if phrase and not acting]
    for name in names:
        if grammar.is_plural(name) == plural and not is_vague(name):
            return _within(name) if text.startswith(name) else name
    return ""


def _within(name: str) -> str:
    """A name from a sentence's beginning as it stands within one; "CSV" and "iPad" stay."""
    first, _, rest = name.partition(" ")
    return name[0].lower() + name[1:] if first[1:].islower() and not rest[:1].isupper() else name
