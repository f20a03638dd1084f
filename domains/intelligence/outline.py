"""The outline of a conversation: what kind it is, and under headings what was said in it."""

import re
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Kind
from domains.intelligence.segmentation import sentences

Audience = Literal["EXTERNAL", "INTERNAL"]

_MOST_ITEMS: Final = 10
_LONGEST_ITEM: Final = 300

# Somebody takes something on, or asks another to.
_COMMITMENT: Final = re.compile(
    r"""
    \b(?:i|we)(?:['’]ll|\s+will|(?:['’]m|['’]re|\s+am|\s+are)\s+going\s+to)\s+(?:\w+\s+){0,2}?
        (?:send|share|schedule|set\s+up|follow\s+up|get\s+back|check|prepare|write|update|introduce
        |book|draft|review|confirm|forward|circle\s+back|look\s+into|reach\s+out|put\s+together
        |loop\s+in|e-?mail|arrange|provide|talk\s+to|work\s+on|find\s+out|file|fix|bring)\b
    | \blet(?:['’]s|\s+us)\s+(?:\w+\s+){0,2}?
        (?:schedule|set\s+up|book|meet|plan|sync|follow\s+up|reconvene|catch\s+up)\b
    | \b(?:can|could|would)\s+you\s+(?:please\s+)?
        (?:send|share|forward|introduce|schedule|set\s+up|confirm)\b
    | \b(?:next\s+steps?|action\s+items?)\s+(?:is|are|would\s+be|will\s+be)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)

_HEADINGS: Final[dict[Kind, str]] = {
    "pain_point": "Pain Points",
    "request": "Requests",
    "praise": "Praise",
    "question": "Questions",
}

# The first that fits, of each audience; else what the text's context says.
_CATEGORIES: Final[dict[Audience, tuple[tuple[str, str], ...]]] = {
    "EXTERNAL": (
        ("interview", r"\b(?:job interview|candidate interview|interview with candidate)\b"),
        ("investor_call", r"\binvestors?\b"),
        ("advisor_call", r"\badvisors?\b"),
        ("customer_onboarding", r"\b(?:onboarding|kick-?off|implementation)\b"),
        ("prospect_negotiation", r"\b(?:negotiat\w+|redlines?|procurement)\b"),
        ("customer_commercials", r"\b(?:renewal|upsell|expansion)\b"),
        ("prospect_trial", r"\b(?:trial|pilot|proof of concept|poc)\b"),
        ("prospect_demo", r"\b(?:demo|demonstration)\b"),
        ("prospect_discovery", r"\b(?:discovery|intro(?:duction)?|first call)\b"),
        ("user_research", r"\b(?:user research|user interview|usability)\b"),
        ("customer_support", r"\b(?:support|ticket|incident|troubleshoot\w*)\b"),
        ("customer_checkin", r"\b(?:check-?in|qbr|business review|catch-?up)\b"),
        ("vendor_call", r"\bvendor\b"),
    ),
    "INTERNAL": (
        ("one_on_one", r"\b(?:1\s*[:-]\s*1|1 on 1|one on one|one-on-one)\b"),
        ("company_wide", r"\b(?:all[- ]hands|town hall|company[- ]wide)\b"),
        ("sales_team", r"\b(?:sales|pipeline|forecast)\b"),
        ("customer_team", r"\b(?:customer success|support team|cs team)\b"),
        ("marketing_team", r"\bmarketing\b"),
        ("engineering_team", r"\b(?:engineering|sprint|stand-?up|retro(?:spective)?|deploy\w*)\b"),
        ("product_team", r"\b(?:product|roadmap|design review)\b"),
        ("hr_team", r"\b(?:hr|hiring|people team|recruiting)\b"),
        ("finance_team", r"\b(?:finance|budget|accounting)\b"),
        ("operations_team", r"\b(?:operations|ops)\b"),
        ("investment_team", r"\b(?:investment committee|deal flow)\b"),
    ),
}
_OF_CONTEXT: Final[dict[str, str]] = {
    "user_interview": "user_research",
    "market_research": "user_research",
    "support_request": "customer_support",
    "feature_feedback": "customer_checkin",
    "sales_call": "prospect_discovery",
}


class Turn(Struct, frozen=True):
    """Something said by one speaker; `ours`: by one of the workspace's own people."""

    speaker: str
    text: str
    ours: bool = False


class Outline(Struct, frozen=True):
    """A category of the revenue record, and texts of the conversation under headings.

    Headings without anything to stand under them are there, empty.
    """

    category: str
    summary: dict[str, list[str]]


def outline(turns: Iterable[Turn], audience: Audience, title: str) -> Outline:
    """What was said, and of what kind the conversation is.

    Pure and deterministic. With people from outside, pain points, requests, praise and questions
    are theirs alone: what the workspace's own people say of their product is no finding.
    """
    said = tuple(turns)
    theirs = [each for each in said if audience == "INTERNAL" or not each.ours]
    findings = analyse(Document(text=_written(theirs), profile="transcript"))
    summary = {
        heading: _some(each.name for each in findings.insights if each.kind == kind)
        for kind, heading in _HEADINGS.items()
    }
    summary["Next Steps"] = _some(next_steps(said))
    return Outline(_category(title, audience, findings.context), summary)


def next_steps(turns: Iterable[Turn]) -> Iterable[str]:
    """The sentences in which somebody takes something on, with who said them."""
    for turn in turns:
        for sentence in sentences(turn.text, "raw"):
            if _COMMITMENT.search(sentence.text):
                yield f"{turn.speaker}: {' '.join(sentence.text.split())}"


def _written(turns: Iterable[Turn]) -> str:
    return "\n".join(f"{' '.join(each.speaker.split())}: {each.text}" for each in turns)


def _some(items: Iterable[str]) -> list[str]:
    distinct = dict.fromkeys(
        each if len(each) <= _LONGEST_ITEM else each[: _LONGEST_ITEM - 1].rstrip() + "…"
        for each in items
    )
    return list(distinct)[:_MOST_ITEMS]


def _category(title: str, audience: Audience, context: str) -> str:
    for category, words in _CATEGORIES[audience]:
        if re.search(words, title, re.IGNORECASE):
            return category
    return _OF_CONTEXT.get(context, "other") if audience == "EXTERNAL" else "other"
