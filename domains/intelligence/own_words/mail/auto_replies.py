"""Automatic replies: out-of-office notes, receipts of tickets, notes of mail servers."""

import re
from collections.abc import Sequence
from typing import Final

from domains.intelligence.own_words.mail.lines import Line
from domains.intelligence.own_words.phrases.auto_replies import CERTAIN, MENTIONS, STRONG, WEAK

_CERTAIN: Final = re.compile("|".join(CERTAIN), re.IGNORECASE)
_STRONG: Final = re.compile("|".join(STRONG), re.IGNORECASE)
_WEAK: Final = re.compile("|".join(WEAK), re.IGNORECASE)
_MENTION: Final = re.compile("|".join(MENTIONS), re.IGNORECASE)
_BORDER: Final = re.compile(r"(?<=[^\d\s][.!?;])\s+|(?<=[。！？])\s*|\n\s*\n|\n(?=[-*•])")
_LETTER: Final = re.compile(r"[^\W\d_]")

_LONGEST: Final = 3000  # characters
_LEAST_SHARE: Final = 0.6  # of sentences that belong to an automatic reply


def is_auto_reply(lines: Sequence[Line]) -> bool:
    """True if the own lines of a mail, without signature, are an automatic reply.

    One sentence must say so, and most others must be of the kind that such replies have; a single
    sentence must be of both kinds. A mail that mentions an automatic reply is none.
    """
    if sum(line.end - line.start for line in lines) > _LONGEST:
        return False
    texts = [line.text for line in lines if line.text]
    if not texts:
        return False
    if any(_CERTAIN.match(text) for text in texts[:2]):
        return True
    joined = "\n".join(line.text for line in lines)
    sentences = [" ".join(s.split()) for s in _BORDER.split(joined) if _LETTER.search(s)]
    strong = sum(1 for s in sentences if _STRONG.search(s) and not _MENTION.search(s))
    if not strong:
        return False
    known = sum(
        1 for s in sentences if not _MENTION.search(s) and (_STRONG.search(s) or _WEAK.search(s))
    )
    if len(sentences) == 1:
        return _WEAK.search(sentences[0]) is not None
    return known >= _LEAST_SHARE * len(sentences)
