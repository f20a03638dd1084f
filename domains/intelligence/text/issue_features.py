"""The form of an issue report as numbers: its title's mood, its template's headings, its voice.

Dense features for the detector of bugs, features and questions.
"""

import math
import re
from typing import Final

_PART: Final = 1600
"""Characters of a body that are looked at: what an issue is stands at its beginning."""


def _any(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)


_TITLE: Final[dict[str, re.Pattern[str]]] = {
    "bug_tag": _any(
        r"^\W*(?:\w+ )?bugs?\b|^\W*(?:regression|crash)\b|\bbug\]|^fix(?:es|ed|ing)?\b"
    ),
    "feature_tag": _any(
        r"\bfeature\b|\benhancement|\bproposal\b|\brfc\b|^\W*(?:suggestion|idea|feat|wish)\b"
        r"|\brequest\b"
    ),
    "question_tag": _any(r"^\W*(?:question|help|support)\b|\bquestion\b|\bclarif"),
    "asks": _any(r"\?\s*$"),
    "asks_first": _any(
        r"^\W*(?:\w+: )?(?:how|what|why|where|when|which|who|is|are|can|could|does|do|should|will|"
        r"has|did|any(?:one|body)?)\b"
    ),
    "how_to": _any(r"\bhow (?:to|do|can|does|should)\b|\b(?:best|right|recommended) way\b"),
    "order": _any(
        r"^\W*(?:[\w/@.-]{1,20}: ?|\[[^\]]*\] ?)*(?:add|allow|support|implement|provide|make|"
        r"expose|enable|improve|introduce|include|show|display|use|consider|remove|refactor|move|"
        r"replace|extend|extract|warn|create|optimi[sz]e|document|let|port|upgrade|update|give|"
        r"hide|increase|reduce|rename|convert|switch|unify|simplify|split|separate|deprecate|"
        r"drop|adopt|automatically|integrate|export|build|better|more|new|native|custom)\b"
    ),
    "adding": _any(
        r"^\W*(?:[\w-]{1,15}: ?)?(?:added?|adding|adds|adding|initial|ability|option)\b"
    ),
    "wish": _any(
        r"\b(?:support(?: for)?|option (?:to|for)|ability to|should|would be|please|nice to have|"
        r"a way to|configurable|customi[sz]able)\b"
    ),
    "faulty": _any(
        r"\b(?:crash\w*|leaks?|incorrect\w*|wrong\w*|regression|flak\w+|race|deadlock|freez\w+|"
        r"hangs?|broken|breaks?|unexpected\w*|missing|invalid|duplicate\w*|corrupt\w*|overflow\w*|"
        r"stale|flicker\w*|lost|loses|segfaults?|segmentation|misaligned|ignor\w+|stops?|"
        r"inconsisten\w+|overlap\w*|typo|slow\w*|abort\w*|assert\w*|jumps?|truncat\w+)\b"
    ),
    "fails": _any(r"\b(?:fail(?:s|ed|ing|ure|ures)?|throws?|raises?|returns?|causes?)\b"),
    "negated": _any(r"\b(?:does|is|are|do|did|was)(?:n't| not)\b|\bno longer\b|\bnever\b"),
    "not_working": _any(r"\bnot work\w*|\bdoesn'?t work|\bdont work|\bwon'?t (?:work|start|open)"),
    "unable": _any(r"\b(?:can'?t|cannot|can not|unable|not able|failed to|could not|couldn'?t)\b"),
    "error": _any(r"\berrors?\b|\bexception\b"),
    "named_error": _any(r"\w+(?:error|exception)\b|undefined reference|no module named"),
    "installing": _any(r"\b(?:install\w*|import\w*|setup|download\w*|tutorial|example|learn\w*)\b"),
    "mine": _any(r"\b(?:i|my|me|we|our|i'm)\b"),
    "vague": _any(r"\b(?:problems?|issues?|help|trouble|weird|strange|stuck)\b"),
    "getting": _any(r"^\W*(?:getting|trying|having|when|while|after|using|i)\b"),
    "circumstance": _any(r"\b(?:when|if|after|while|during|on)\b"),
    "code": _any(r"`|::|\(\)|\w\.\w+\(|\w_\w"),
    "scope": _any(r"^\[?[\w./-]{2,20}\]?: "),
}
_BODY: Final[dict[str, re.Pattern[str]]] = {
    "bug_headings": _any(
        r"^\W*(?:steps to reproduce|to reproduce|reproduction|repro\b|repro steps|"
        r"(?:the )?(?:expected|actual|current) (?:behaviou?r|results?)|actual\b|expected\b|"
        r"describe the bug|what happened|what did you expect|bug (?:report|description)|"
        r"error (?:message|log)|stack ?trace)"
    ),
    "feature_headings": _any(
        r"^\W*(?:.*describe the solution|.*alternatives|.*feature request related|"
        r".*feature related to|motivation|use cases?\b|propos\w+|.*feature (?:description|request)|"
        r".*describe the feature|feature\b|summary|goals?\b|tasks?\b|.*what problem)"
    ),
    "question_headings": _any(
        r"^\W*(?:.*your question|questions?\b|.*doc(?:umentation)? issue|documentation|help\b)"
    ),
    "said_bug": _any(r"type\W{1,16}bug\b|^\W*bug\W*$"),
    "said_feature": _any(r"type\W{1,16}feature|^\W*(?:a )?feature(?: request)?\W*$"),
    "said_question": _any(
        r"type\W{1,16}(?:support|question|other|documentation|performance|build)"
        r"|^\W*(?:support|question|others)\W*$"
    ),
    "patch": _any(
        r"pull request|this (?:pr|patch|change|commit)\b|\bchecklist\b|^merge|follow.?up|"
        r"\b(?:implements|introduces|this adds)\b"
    ),
    "repairs": _any(
        r"\b(?:fix(?:es|ed)?|resolves?|closes|solves) ?:? ?(?:#|url|the (?:bug|issue))"
    ),
    "trace": _any(
        r"traceback|^\s+at \w|core dumped|segmentation fault|exception\b|\w+error:|error:|stack"
    ),
    "fenced": _any(r"```"),
    "numbered": _any(r"^\s*1[.)] "),
    "versions": _any(r"version|\bos\b|platform|ubuntu|windows|macos"),
    "pictured": _any(r"!\[|screenshot|screen shot"),
    "pleads": _any(
        r"\b(?:any (?:help|idea|suggestion|advice|example)|help me|please (?:help|explain|advise|"
        r"tell|guide)|thanks|thank you|how (?:can|do|to|should|could) (?:i|we)?|is there (?:any|a) "
        r"(?:way|example|solution)|what am i|is it possible|can (?:i|someone|anyone|you)|"
        r"i want to know|wonder\w*|don't (?:know|understand)|not sure|confus\w+|no luck|"
        r"what should i|hello|hi\b|dear)\b"
    ),
    "asks_body": _any(r"\?(?:\s|$)"),
    "tries": _any(
        r"\b(?:i(?:'m| am) (?:trying|using|getting|new|working|not|running|doing|currently|"
        r"following)|i (?:tried|have tried|use|get|got|want|can't|cannot|followed|have been|"
        r"just|installed|need)|my (?:code|model|project|app|computer|laptop|pc|machine|own|"
        r"program|script|file))\b"
    ),
    "wishes": _any(
        r"\b(?:would be (?:nice|great|good|useful|helpful|handy|better|cool|beneficial|awesome)|"
        r"would like|i'd like|would love|i propose|we should|should (?:be able|support|allow|"
        r"have|be possible)|could (?:also )?(?:add|have|support|allow)|please (?:add|support)|"
        r"feature request|new feature|allows?|enables?|ability to|in order to|instead of|"
        r"more (?:flexible|convenient|consistent)|useful|it makes sense)\b"
    ),
    "lacks": _any(r"\b(?:currently|right now|today|at the moment|there is no|no way|only)\b"),
    "broken": _any(
        r"\b(?:bug|crash\w*|regression|incorrect\w*|wrong\w*|broken|unexpected\w*|fails?|failed|"
        r"failure|leak\w*|used to work|still (?:happens|occurs)|reproduc\w+)\b"
    ),
    "expects": _any(r"\b(?:expected|should (?:not|be|have)|instead|but)\b"),
}

NAMES: Final = (
    *(f"title_{name}" for name in _TITLE),
    *(f"body_{name}" for name in _BODY),
    "title_short",
    "title_long",
    "body_none",
    "body_short",
    "body_length",
    "first_person",
    "lower_case",
)
"""What the columns of `form` mean, in order."""


def form(title: str, body: str) -> list[float]:
    """One row for an issue."""
    body = body[:_PART].replace("\r", "")
    heading, text = title.lower().strip(), body.lower()
    words, said = heading.split(), text.split()
    own = sum(word in ("i", "my", "me", "i'm", "i've") for word in said)
    return [
        *(float(pattern.search(heading) is not None) for pattern in _TITLE.values()),
        *(float(pattern.search(text) is not None) for pattern in _BODY.values()),
        float(len(words) <= 3),
        min(2.0, len(words) / 10),
        float(not said),
        float(len(said) < 25),
        math.log1p(len(said)) / 5,
        min(2.0, 30 * own / (len(said) + 10)),
        float(title[:1].islower()),
    ]
