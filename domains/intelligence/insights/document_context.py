"""The setting that a text comes from, as one label."""

from collections import Counter

from domains.intelligence.findings import Document, Profile
from domains.intelligence.insights.classifiers import issue_label
from domains.intelligence.text.lexicon import CONTEXT_CUES
from domains.intelligence.text.words import tokens

_PRIORS: dict[Profile, dict[str, float]] = {
    "transcript": {"user_interview": 1.5},
    "support_ticket": {"support_request": 6.0},
    "survey_response": {"feature_feedback": 6.0},
    "discovery_report": {"market_research": 6.0},
    "feedback_record": {"feature_feedback": 6.0},
    "raw": {},
}
_NEEDED = 1.5
_ASKS = 8.0
# Characters of a title that are read. A first line may be a whole paragraph.
_TITLE_LENGTH = 500
_MOST_PER_WORD = 3
"""A word counts this often at most, so that one topic does not decide on its own."""


def label(document: Document, speakers: frozenset[str]) -> str:
    """The best label for the document, or "other" where nothing speaks for one.

    Weighs the words of the text, of the names of its speakers and, doubly, of the additional
    context, on top of what the profile makes likely. Of a ticket its first line is the title.
    """
    counts = Counter(tokens(document.text))
    counts.update(word for name in speakers for word in tokens(name) * 2)
    stated = Counter(tokens(document.additional_context or ""))
    scores = dict.fromkeys(CONTEXT_CUES, 0.0)
    for name, weights in CONTEXT_CUES.items():
        scores[name] = _PRIORS[document.profile].get(name, 0.0) + sum(
            weight * (min(counts[word], _MOST_PER_WORD) + 2 * min(stated[word], _MOST_PER_WORD))
            for word, weight in weights.items()
        )
    if document.profile == "support_ticket":
        # What comes as a ticket and asks for a feature is feedback.
        title, _, body = document.text.strip().partition("\n")
        kind, probability = issue_label(title[:_TITLE_LENGTH], body)
        if kind == "feature":
            scores["feature_feedback"] += _ASKS * probability
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] >= _NEEDED else "other"
