"""Whether a title can stand on a card by itself: whole, and saying what it is about."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from domains.intelligence.findings import Kind, Profile
from domains.intelligence.insights.feature_names import ASKED, FRAME, GENERIC, commands, is_vague
from domains.intelligence.insights.wording import reads_well
from domains.intelligence.text import grammar, lexicon
from domains.intelligence.text.words import tokens, word_set


def stands(name: str, kind: Kind, profile: Profile) -> bool:
    """Whether a title is whole and says what it is about."""
    words = tokens(name)
    if len(words) < 2 or not reads_well(name) or _LOOSE.search(name):
        return False
    if kind != "question" and name.startswith("Where "):
        return False
    if LEANS.match(name) and (profile == "transcript" or not grammar.phrases(name)):
        return False
    if kind != "question" and _VERB_LEADS.match(name):
        return False
    if kind in ("pain", "praise") and ASKED.match(name) and not _NO_QUESTION.match(name):
        return False
    if profile == "transcript" and not _spoken_whole(name, kind, words):
        return False
    if profile != "transcript" and not _CHAT_WORDS.isdisjoint(words):
        return False
    loose = _PRONOUN.search(name)
    if kind != "question" and loose and not grammar.phrases(name[: loose.start()]):
        return False
    if kind == "praise" and _EMPTY_PRAISE.search(name):
        return False
    if kind == "praise" and is_vague(_OWN_WORDS.sub("", name)):
        return name.startswith("Praise for the") and not _vague_only(name)
    troubles = [
        word for word in words if lexicon.PAIN_WORDS.get(word, 0) >= 0.45 and word not in _BLUNT
    ]
    return not is_vague(_OWN_WORDS.sub("", name)) or (
        kind == "pain" and bool(troubles) and len(words) > 2
    )


_NO_QUESTION: Final = re.compile(r"(?:Why|When)\b")
_VERB_LEADS: Final = re.compile(
    r"(?:Are|Is|Was|Were|Has|Have)\b|(?:This|That|It) (?:should|must|has to)\b"
)
_PRONOUN: Final = re.compile(r" (?:it|them|they)\b(?! (?:if|is|would)\b)")
_THEN: Final = re.compile(
    r"\bthen (?:you|we|i|it)\b|\bit will [A-Z]|^Users do |\ba bit a\b|^Usually this\b|\b(?:the|"
    r"a) \w+ the \w+ that\b|\bwow\b|^Not (?:an?|the)\b"
)


def _spoken_whole(name: str, kind: Kind, words: Sequence[str]) -> bool:
    """Whether a title made of speech is a whole statement and no stretch of thinking aloud."""
    if _repeats(words) or _THEN.search(name) or _UNFINISHED.search(name):
        return False
    if FRAME.match(name) or name.startswith(("Suggested", "Users ", "The team ")):
        return True
    if name.startswith("Only ") and kind == "request":
        return True
    if (kind == "question" and ASKED.match(name)) or (kind == "request" and commands(name)):
        return True
    return grammar.is_statement(name) and words[0] not in _NO_SUBJECTS


_CHAT_WORDS: Final = word_set(
    """
    u ur tho jst dat bt dis gr8 awsum awsome awsm sumtime ty lv ths cuz coz wid widout realy prblms
    aps lol omg fav
    """
)
_UNFINISHED: Final = re.compile(
    r" (?:is|are|was|that|it|doing|what|why|to|go|back|above|about|very|of|for|as soon)$"
    r"|(?<!for)(?<!at) all$|\bmaybe\b|\bsame (?:thing|way)$"
    r"|\b(?:is|are) (?:where|when|is|are)\b|\bI\b|\bmy\b|\bwhy \w+ (?:is|are) \w+$",
)
_NO_SUBJECTS: Final = word_set(
    """
    our what's minus reason suggestion intention thing third one what according going saying clearly
    huh especially
    once at to suddenly no but will makes needs don't there guess let also like mr if switching
    especially maybe probably basically usually note
    """
)
_EMPTY_PRAISE: Final = re.compile(
    r"\b[Uu]sers (?:love|like|enjoy|loved|liked) (?:it|this)$|^Best \w+ ever$|^An? \w+(?: \w+)?$"
)


def _repeats(words: Sequence[str]) -> bool:
    """Whether two words come twice in a row of each other: somebody began anew."""
    pairs = list(pairwise(words))
    return len(set(pairs)) < len(pairs)


_BLUNT: Final = word_set(
    "ridiculous terrible horrible awful worst useless hate sucks suck crap rubbish garbage "
    "disappointed disappointing annoying frustrating unhappy poor pointless"
)
_OWN_WORDS: Final = re.compile(r"\b(?:Users|The team|Praise for|Suggested)\b")
_LOOSE: Final = re.compile(
    r"^(?:(?:If|When|While)\b(?!.*, )|Because|Meaning|Whether|Than|To the|And|Or|Of|"
    r"Either way|You|I|I'm|He|She|Me|"
    r"That|There's|Also|Well|Even|Then|Instead)\b|[\]\[]|—|\b(?:them|it) (?:it|them)\b|\b(?:of|"
    r"for|with) (?:it|them|that)$|\bthis one$",
)


def _vague_only(name: str) -> bool:
    return not any(word in GENERIC for word in tokens(name)) and is_vague(name)


LEANS: Final = re.compile(
    r"(?:it|it's|its|they|they're|this|that|that's|these|those|which)\b", re.IGNORECASE
)
