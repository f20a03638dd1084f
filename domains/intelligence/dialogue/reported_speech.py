"""What somebody said, told by another: fillers gone, "I" is the speaker, nothing added."""

import re
from typing import Final

from domains.intelligence.dialogue.turns import Said, Talk
from domains.intelligence.insights.wording import clean

LONGEST: Final = 220

_BASE_VERBS: Final = (
    "want|need|think|like|love|use|see|know|feel|hope|believe|prefer|expect|wonder|work|get|go|"
    "run|pay|have to|guess|agree|understand|look|wish|say|care|worry|handle|manage|spend|lose"
)
_SINGULAR: Final = tuple(
    (re.compile(rf"\b{pattern}", re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"i(?:'m| am)\b(?! i\b)", "{} is"),
        (r"am i\b", "is {}"),
        (r"i've\b(?= (?:got|been|had|seen|done|\w+ed)\b)", "{} has"),
        (r"i(?:'ve| have)\b", "{} has"),
        (r"i'd\b", "{} would"),
        (r"i'll\b", "{} will"),
        (r"i don't\b", "{} doesn't"),
        (r"i haven't\b", "{} hasn't"),
        (r"do i\b", "does {}"),
        (rf"i ((?:really |also |just |still )?)({_BASE_VERBS})\b", r"{} \1\2s"),
        (r"i\b(?!['.-])", "{}"),
    )
)
_OWN: Final = tuple(
    (re.compile(rf"\b{pattern}\b", re.IGNORECASE), replacement)
    for pattern, replacement in (
        ("my", "their"),
        ("mine", "theirs"),
        ("me", "them"),
        ("myself", "themselves"),
    )
)
_PLURAL: Final = tuple(
    (re.compile(rf"\b{pattern}\b", re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"we're", "they are"),
        (r"we've", "they have"),
        (r"we'd", "they would"),
        (r"we'll", "they will"),
        ("we", "they"),
        ("(?-i:us|Us)", "them"),
        ("our", "their"),
        ("ours", "theirs"),
        ("ourselves", "themselves"),
    )
)
# After these words "you" is no subject.
YOU_OBJECT: Final = re.compile(
    r"\b(send|give|show|tell|help|for|to|with|of|ask|get|let|at|from|on|about|gives|sent|gave|"
    r"call|charge|offer|want|need|between|thank|see|hear|keep|reach|email|provide|introduce|"
    r"invite|connect|remind|train|update|bring|put|walk|join|meet|grant|ship|pay|owe|point) you\b",
    re.IGNORECASE,
)
_YOU: Final = tuple(
    (re.compile(rf"\b{pattern}\b", re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"your", "their"),
        (r"you're", "they are"),
        (r"you've", "they have"),
        (r"you'd", "they would"),
        (r"you'll", "they will"),
        (r"you", "they"),
    )
)
_S_ES: Final = re.compile(r"\b(go|wish)s\b")


def reported(talk: Talk, said: Said) -> str:
    """The sentence in the third person, at most 220 characters.

    "I" becomes the speaker's name, "you" becomes "they". "We" becomes "they" if the speaker is from
    outside; that of the workspace's own people stays.
    """
    text = told(said.text)
    for pattern, replacement in _SINGULAR:
        text = pattern.sub(replacement.replace("{}", "\x02"), text)
    text = _S_ES.sub(r"\1es", text).replace("have tos", "has to")
    text = YOU_OBJECT.sub(r"\1 them", text)
    for pattern, replacement in (*_OWN, *_YOU):
        text = pattern.sub(replacement, text)
    if talk.audience == "EXTERNAL" and not said.ours:
        for pattern, replacement in _PLURAL:
            text = pattern.sub(replacement, text)
    return capitalised(shortened(text.replace("\x02", said.speaker)))


_ASKING: Final = re.compile(
    r"(?:what|how|why|when|where|which|who|whose|can|could|do|does|did|is|are|was|were|will|would|"
    r"should|shall|have|has|any)\b(?!\s+(?:about|because)\b.{0,12}$)",
    re.IGNORECASE,
)
_BEFORE_ASKING: Final = re.compile(r"[,;:–—]\s+(?:and\s+|but\s+|so\s+)?")
_FILLERS: Final = re.compile(
    r"\b(?:um+|uh+|er+|erm|(?<!let )you know|i mean|kind of|sort of|i guess|maybe|basically)\b,?\s*"
    r"(?=\S)",
    re.IGNORECASE,
)
_STUTTER: Final = re.compile(r"\b(\w+),? \1\b|\b(?![aAiI]\b)[a-zA-Z]\b(?!['.])", re.IGNORECASE)
_LEADING: Final = re.compile(
    r"(?:(?:so|and|but|or|well|okay|ok|yeah|yes|no|right|now|then|oh|also|just|great|nice|sure|"
    r"thanks|thank you|hi|hello|hmm|alright)\b[,.]?\s*)+",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """With plain apostrophes and single spaces."""
    return " ".join(text.replace("’", "'").replace("_", "").split())


def told(text: str) -> str:
    """The statement without fillers and what leads up to it; garbled speech is tidied further."""
    light = _FILLERS.sub("", plain(text))
    lead = _LEADING.match(light)
    light = light[lead.end() :] if lead else light
    return clean(text) if _STUTTER.search(light) else light


def question(said: Said) -> str:
    """The question of a sentence as it was asked, without what leads up to it; "" if none."""
    text = _FILLERS.sub("", plain(said.text)).rstrip(" ?!.")
    lead = _LEADING.match(text)
    text = text[lead.end() :] if lead else text
    for part in (text, *reversed(_BEFORE_ASKING.split(text)[1:])):
        if _ASKING.match(part):
            return capitalised(f"{shortened(part)}?")
    return ""


def shortened(text: str, longest: int = LONGEST) -> str:
    """At most so many characters, cut at a word."""
    if len(text) <= longest:
        return text.rstrip(" .,;:")
    cut = text.rfind(" ", 0, longest)
    return text[: cut if cut > 0 else longest - 1].rstrip(" .,;:") + "…"


def capitalised(text: str) -> str:
    """With a capital first."""
    return text[:1].upper() + text[1:]
