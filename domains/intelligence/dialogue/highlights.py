"""Moments of a conversation that sellers look for: decisions, objections, rivals, prices."""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from domains.intelligence.dialogue.commitments import REQUEST
from domains.intelligence.dialogue.reported_speech import plain, question, reported
from domains.intelligence.dialogue.turns import Said, Talk
from domains.intelligence.insights.wording import reads_well
from domains.intelligence.text.words import STOP_WORDS, content_stems, tokens, word_set

MOST_ITEMS: Final = 8


class Item(Struct, frozen=True):
    """A line of a summary and the sentence that it was made from."""

    text: str
    said: Said


# What stands before "we" and a decision to do is one; what is only talked about is not.
_DECIDED: Final = re.compile(
    r"\b(?:(?P<firm>(?:we|i)(?:['’]ve| have)? (?:all )?(?:decided|agreed|settled|chosen|picked|"
    r"concluded|"
    r"signed|approved))\b|"
    r"(?:it['’]s|that['’]s|is|are|been|was) (?:decided|agreed|settled|approved|signed|confirmed)\b|"
    r"(?:we(?:['’]ll| will)|let['’]?s|we(?:['’]re| are) going to|i(?:['’]ll| will)) "
    r"(?:go(?:ing)? (?:with|ahead|live)|move (?:forward|ahead)|stick (?:with|to)|choose|sign|"
    r"drop|keep (?:it|the))\b|"
    r"(?:we|they)(?:['’]re| are) (?:going (?:with|ahead|for)|moving (?:forward|ahead)|all set)\b|"
    r"the decision (?:is|was)\b|(?:contract|order form|agreement) (?:is|was|has been) signed\b|"
    r"purchase order (?:went|is|was)|we want to go live\b|that['’]s a (?:deal|yes)\b|"
    r"we have a deal\b)",
    re.IGNORECASE,
)
_UNDECIDED: Final = re.compile(
    r"\b(?:if|whether|haven['’]t|have not|hasn['’]t|not (?:yet )?(?:decided|agreed)|should we|"
    r"once|until|before we|when we|unless|last (?:year|quarter|month)|other customers)\b",
    re.IGNORECASE,
)
_OBJECTION: Final = re.compile(
    r"\b(?:never signs?|(?:is|are) (?:difficult|hard) (?:to|for)|more than we (?:wanted|planned)|"
    r"liability cap|too (?:expensive|pricey|much money|costly|complicated|complex|risky|long|slow)|"
    r"(?:over|out of|beyond) (?:our )?budget|no budget|can['’]t (?:afford|justify|commit|sign)|"
    r"hard to justify|(?:price|cost)\w* (?:is|are|was|seems?|looks?) (?:\w+ )?(?:high|higher|steep|"
    r"a problem|an issue)|"
    r"not (?:a priority|convinced|ready|comfortable|sure (?:it|this|that|about|we|if))|hesitant|"
    r"hesitation|"
    r"(?:my|our|a|one|main|biggest|only) (?:\w+ )?(?:concern|worry|objection|hesitation|"
    r"reservation)|"
    r"(?:['’]m|['’]re|am|are|is|was|were) (?:\w+ )?(?:concerned|worried|afraid|skeptical|sceptical|"
    r"nervous)|"
    r"worr(?:y|ies) (?:me|us|about)|deal[- ]breaker|show[- ]stopper|won['’]t work for (?:me|us)|"
    r"redlines?|push(?:ed|ing)? back|lock(?:ed)?[- ]in|already (?:have|use|using|pay)|"
    r"need to think (?:about|it)|(?:need|have) to convince|needs? approval|don['’]t (?:need|"
    r"see (?:the|why|how|a reason)|want to switch|"
    r"trust)|"
    r"(?:legal|security|procurement|it|finance) (?:\w+ ){0,2}(?:won['’]t|will not|would never|"
    r"has (?:concerns|issues|redlines)|blocks?)|"
    r"their price was|lower price|cheaper|percent off|what if (?:it|you|the|we)|blocker)\b",
    re.IGNORECASE,
)
_PRICE: Final = re.compile(
    r"(?:[$€£]\s?\d[\d,.]*\s?(?:k|m|million|thousand)?\b|\b\d[\d,.]*\s?(?:k\b|dollars|euros|pounds|"
    r"usd|eur|gbp)|"
    r"\b(?:hundred|thousand|million|[a-z]+(?:teen|ty))\s+(?:dollars|euros|pounds)\b|"
    r"\b(?:discount|percent (?:off|cheaper)|% (?:off|cheaper)|per[- ](?:seat|user|month|year|host|"
    r"license|licence)|price|"
    r"prices|priced|pricing|"
    r"prepay|net (?:\d\d|thirty|forty|sixty)|list price|uplift|"
    r"quote|budget of|annual amount|late fees?|license fees?|cost(?:s|ing)? (?:us|about|around|\d|"
    r"too|more|less))\b)",
    re.IGNORECASE,
)
_NO_PRICE: Final = re.compile(
    r"\bcost cent(?:er|re)|\bquote[sd]? (?:from|the)|\bat any price", re.IGNORECASE
)
_RIVAL: Final = re.compile(
    r"\b(?:competitors?|(?:another|other|different|alternative|second) (?:vendors?|providers?|"
    r"suppliers?)|alternatives? to)\b|"
    r"\b(?:(?i:compared (?:to|with)|instead of|switch(?:ed|ing)? (?:from|to)|mov(?:ed|ing) (?:from|"
    r"off)|migrat(?:ed|ing) from|"
    r"(?:also )?(?:look(?:ing|ed) at|tried|tested|evaluated|talking to|evaluating|considering|"
    r"demoed|trialling|trialing|"
    r"comparing)|"
    r"went with|going with|(?:demo|trial|pilot|quote|proposal|offer|pitch) (?:of|from)|"
    r"go(?:ing)? with|versus|"
    r"vs\.?|alternative to|better than|cheaper than|currently (?:use|"
    r"using|on)|"
    r"(?:we|they|i) (?:currently )?use|"
    r"happy with)) (?:the )?(?P<name>[A-Z][\w.]+(?: [A-Z][\w.]+)?)",
)
_NO_RIVALS: Final = word_set(
    """excel google chrome monday tuesday wednesday thursday friday saturday sunday january february
    march april may june july august september october november december english i windows mac
    android iphone ios email slack outlook linux"""
)
# Repairs in mid-speech that a reader stumbles over.
_GARBLED: Final = re.compile(
    r"(?<!['’])\b(?![aiAIsd]\b)[a-zA-Z]\s|\b(\w+) \1\b|\b(?:th|wh|uh|um)\b|\b(?:or|and|the|to)\?$"
)
_POLITE: Final = re.compile(
    r"\b(?:how are you|how(?:'s| is) (?:it|everything|your day)|can you (?:hear|see)|"
    r"does that make sense|"
    r"any (?:other )?questions|is that (?:ok|okay|right|it)|shall we|right\?|okay\?|you know\?|"
    r"what do you think|anything else|really\?|isn't it\?|sorry\?|pardon|nice weather)",
    re.IGNORECASE,
)


def decisions(talk: Talk) -> list[Item]:
    """What was decided or agreed."""
    found = []
    for said in talk.said:
        match = _DECIDED.search(said.text)
        # "If you agree, we go ahead" decides nothing; "we agreed to it if it works" does.
        if (
            match is not None
            and len(said.text) < 300
            and not _UNDECIDED.search(said.text[: match.start()])
            and not said.text.rstrip().endswith("?")
            and (match["firm"] or not _UNDECIDED.search(said.text))
        ):
            found.append((_plainness(said), said))
    return _items(talk, found)


def objections(talk: Talk) -> list[Item]:
    """What speaks against it for people from outside."""
    return _items(talk, ((_matches(_OBJECTION, s), s) for s in talk.said if _from_outside(talk, s)))


def prices(talk: Talk) -> list[Item]:
    """What was said of money, by either side."""
    found = (
        (_matches(_PRICE, said), said)
        for said in talk.said
        if not _NO_PRICE.search(said.text) and len(said.text.split()) > 3
    )
    return _items(talk, found)


def rivals(talk: Talk) -> list[Item]:
    """Where other products or vendors are named or spoken of."""
    own = {word.lower() for name in talk.speakers for word in name.split()}
    found: list[tuple[float, Said]] = []
    for said in talk.said:
        match = _RIVAL.search(said.text)
        if match is None:
            continue
        name = (match["name"] or "").strip(".").lower()
        if not name or not set(name.split()) & (_NO_RIVALS | own):
            found.append((1.0, said))
    return _items(talk, found)


def questions(talk: Talk, *, everybody: bool = False) -> list[Item]:
    """What people from outside asked about; among ourselves, or of `everybody`, anybody."""
    found = []
    for said in talk.said:
        asked = said.text.rstrip().endswith("?") and (everybody or _from_outside(talk, said))
        if not asked:
            continue
        if REQUEST.search(said.text):
            continue
        words = tokens(question(said))
        topical = [word for word in words if word not in STOP_WORDS and len(word) > 2]
        if 4 <= len(words) <= 30 and len(topical) >= 2 and not _POLITE.search(plain(said.text)):
            found.append((min(5, len(topical)) / 5, said))
    return _items(talk, found)


def _from_outside(talk: Talk, said: Said) -> bool:
    return talk.audience == "INTERNAL" or not said.ours


def _plainness(said: Said) -> float:
    """Short and whole beats long and winding."""
    return 1.0 if 5 <= len(said.text.split()) <= 28 else 0.5


def _matches(pattern: re.Pattern[str], said: Said) -> float:
    return float(len({match[0].lower() for match in pattern.finditer(said.text)}))


def _items(talk: Talk, found: Iterable[tuple[float, Said]]) -> list[Item]:
    """The strongest, each said once, in the order of the talk."""
    ranked = sorted(
        ((weight, said) for weight, said in found if weight > 0),
        key=lambda each: (-each[0], each[1].turn, each[1].start),
    )
    chosen: list[Item] = []
    seen: list[frozenset[str]] = []
    for _, said in ranked:
        stems = frozenset(content_stems(tokens(said.text)))
        if any(len(stems & other) > 0.6 * min(len(stems), len(other)) for other in seen):
            continue
        asking = said.text.rstrip().endswith("?")
        text = question(said) if asking else reported(talk, said)
        if len(text.split()) < 3 or not reads_well(text) or _GARBLED.search(text):
            continue
        seen.append(stems)
        chosen.append(Item(text, said))
        if len(chosen) == MOST_ITEMS:
            break
    return sorted(chosen, key=lambda item: (item.said.turn, item.said.start))
