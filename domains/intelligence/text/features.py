"""The form of sentences and reviews as numbers, who does what in which mood: dense features.

Words are looked up in sets and by position, without patterns, as every sentence passes here.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.text.cue_evidence import Cue
from domains.intelligence.text.words import word_set

_LEADS = word_set(
    """
    and also or but so then just please pls plz kindly maybe perhaps additionally instead ideally
    hi hello hey ok okay well plus furthermore moreover finally first firstly second secondly
    third lastly better yet even again simply rather either ms microsoft google apple guys
    """
)
_ASKED_VERBS = word_set(
    """
    add allow let give make provide include enable support introduce create bring expose offer
    implement improve fix extend expand open remove replace change increase integrate restore
    simplify separate consider permit
    """
)
_VERBS = word_set(
    """
    show display hide use put merge port return detect disable keep turn store send split ship
    rename sync synchronize warn reduce lower raise publish drop release default pin notify remind
    remember prevent ask stop ensure enhance limit relax revert apply connect combine customize
    customise automate link play print tag track select set share view zoom move switch save load
    upload download update upgrade rework redesign speed treat pay get have revise enforce grant
    unify standardize standardise adopt build develop design consolidate automatically group sort
    filter search start begin end close lock unlock charge refund render cache compress encrypt
    log report record capture scan import export copy paste drag edit delete clear undo mark flag
    highlight preview resize rotate scale swap toggle tie bundle embed invite accept reject
    require force block unblock mute adjust align center hook handle launch run call work rethink
    relocate generate bind broadcast attach append insert validate verify document explain clarify
    push pull fetch refresh reload reset optimize optimise minimize increase decrease
    """
)
_NOT_ORDERS = word_set(
    """
    see help note find let's read check try look click go tap press contact vote excuse correct
    imagine suppose thank thanks consider following below attached feel hold wait refer
    """
)
_AUXILIARIES = word_set(
    """
    is are was were do does did has have had can could will would should am isn't doesn't don't
    may might must
    """
)
_ASKING = word_set("how what when where which who whose why whom")
_WANTED = word_set(
    """
    nice great good cool awesome helpful useful amazing perfect lovely fantastic ideal better
    easier simpler faster handy excellent neat wonderful appreciated terrific super brilliant
    beneficial interesting improvement best convenient welcome fine pleasant sufficient enough
    """
)
_FEATURES = word_set(
    """
    option options ability feature features support way api apis possibility setting settings mode
    button shortcut integration functionality control controls widget access filter tool tools
    """
)
_ASK_WORDS = word_set(
    """
    suggest suggestion suggestions propose proposal recommend request requesting idea wish hope
    hopefully prefer appreciate love want wants
    """
)
_PRONOUNS = word_set("i we my our me us")
_PAST = word_set(
    """
    was were had tried found got bought went took said told did been used made thought noticed
    """
)
_LACKS = word_set(
    """
    can't cannot don't doesn't didn't won't isn't aren't not never no nothing unable lacks missing
    impossible without couldn't wasn't
    """
)
_BENEFITS = word_set("help save solve make allow enable be give improve bring open increase")
_TECHNICAL = frozenset("(){}[]<>=_/\\")

NAMES = (
    "order_asked",
    "order_other",
    "order_refused",
    "please_order",
    "please_other",
    "let_me",
    "should_thing",
    "should_i",
    "should_be",
    "should_you",
    "must",
    "needs",
    "would_be",
    "would_be_wanted",
    "would_be_open",
    "would_like",
    "wish",
    "could_thing",
    "could_i",
    "can_you",
    "why_not",
    "how_about",
    "asking",
    "ends_asking",
    "past",
    "lacks",
    "benefit",
    "feature_words",
    "ask_words",
    "opens_i",
    "opens_it",
    "opens_noun",
    "if_clause",
    "thanks",
    "technical",
    "short",
    "long",
    "bare",
    "order_inner",
    "need_thing",
    "can_we_have",
    "request",
    "pain",
    "praise",
    "question",
)
"""What the columns of `forms` mean, in order."""


def form(text: str, words: list[str], scores: Mapping[Cue, float]) -> list[float]:
    """One row for a sentence with its lower-case words and cue evidence for each kind."""
    lead = 0
    while lead < len(words) and words[lead] in _LEADS:
        lead += 1
    head = words[lead] if lead < len(words) else ""
    after = words[lead + 1] if lead + 1 < len(words) else ""
    politely = "please" in words[:lead] or "pls" in words[:lead] or "kindly" in words[:lead]
    asked = head in _ASKED_VERBS
    other = head in _VERBS and after not in _AUXILIARIES
    refused = head in ("don't", "stop") or (head == "do" and after == "not")
    found = _moods(words)
    first = words[0] if words else ""
    asks = text.rstrip().endswith("?")
    present = set(words)
    mine = first in _PRONOUNS
    pointing = first in ("it", "this", "that", "these", "it's", "that's")
    count = len(words)
    return [
        float(asked and after != "me"),
        float(other),
        float(refused),
        max(found["please_order"], float(politely and (asked or other))),
        max(found["please_other"], float(head in _NOT_ORDERS)),
        float(head in ("let", "let's") and (after == "me" or head == "let's")),
        found["should_thing"],
        found["should_i"],
        found["should_be"],
        found["should_you"],
        found["must"],
        found["needs"],
        found["would_be"],
        found["would_be_wanted"],
        found["would_be_open"],
        found["would_like"],
        float("wish" in present or "wished" in present),
        found["could_thing"],
        found["could_i"],
        float(first in ("can", "could", "would", "will") and len(words) > 1 and words[1] == "you"),
        float(first == "why" and count > 1 and words[1] in ("not", "can't", "don't")),
        float(first in ("how", "what") and count > 1 and words[1] == "about"),
        float(first in _ASKING or first in _AUXILIARIES),
        float(asks),
        float(bool(present & _PAST)) or float(count > 1 and mine and words[1].endswith("ed")),
        float(bool(present & _LACKS) and not refused),
        float(pointing and bool(present & {"would", "will", "could"}))
        * float(bool(present & _BENEFITS)),
        float(bool(present & _FEATURES)),
        float(bool(present & _ASK_WORDS)),
        float(mine),
        float(pointing),
        float(first in ("the", "a", "an", "some", "more", "all", "each", "every", "users")),
        float("if" in present),
        float(bool(present & {"thanks", "thank"})),
        float(bool(_TECHNICAL & set(text))),
        float(count <= 4),
        min(2.0, count / 25),
        float(not present & _FINITE),
        float(_INNER_ORDER.search(text.lower()) is not None),
        found["need_thing"],
        float(first in ("can", "could", "can't") and words[1:3] in _WE_HAVE),
        scores["request"],
        scores["pain"],
        scores["praise"],
        scores["question"],
    ]


_MODALS = word_set(
    "please pls plz kindly should must need needs needed would could ought it'd i'd we'd shouldn't"
)
_MOODS = (
    "should_thing",
    "should_i",
    "should_be",
    "should_you",
    "must",
    "needs",
    "would_be",
    "would_be_wanted",
    "would_be_open",
    "would_like",
    "could_thing",
    "could_i",
    "please_order",
    "please_other",
    "need_thing",
)
_WE_HAVE = (["we", "have"], ["we", "get"], ["i", "have"], ["i", "get"], ["you", "add"])
_NEEDED = word_set("a an the some more better support real native access proper at simple")
_INNER_ORDER = re.compile(
    r"[,;:.)–—-] (?:then |at least |please |just |so |and |or |also |instead,? )*"
    r"(?:add|allow|let|give|make|provide|enable|include|support|show|use|create|bring|remove|"
    r"change|put|keep|offer|have)\b"
)
_POLITE = word_set("please pls plz kindly")
_OUGHT = word_set("should ought shouldn't")
_OUGHT_WHAT = word_set("be have not also allow support let to only")
_NEEDS = word_set("need needs needed")
_LIKING = word_set("like love prefer rather")
_OPENS = word_set("if to having when that with for")
_FINITE = word_set(
    """
    is are was were be am been has have had do does did can could will would should must need needs
    want like get it's i'm don't doesn't can't may might
    """
)


def _moods(words: list[str]) -> dict[str, float]:
    """Which of `_MOODS` occur, 1 or 0."""
    found = dict.fromkeys(_MOODS, 0.0)
    for index, word in enumerate(words):
        if word not in _MODALS:
            continue
        before = words[index - 1] if index else ""
        following = words[index + 1 : index + 7]
        if word in _POLITE:
            orders = any(each in _ASKED_VERBS or each in _VERBS for each in following[:2])
            found["please_order" if orders else "please_other"] = 1.0
        elif word in _OUGHT:
            _ought(before, following, found)
        elif word == "must":
            # "A must have" is praise.
            found["must"] = float(before not in ("", "a", "the", "real", "absolute", "is"))
        elif word in _NEEDS:
            _needs(before, following, found)
        elif word == "could":
            found["could_i" if before in ("i", "we") else "could_thing"] = 1.0
        else:
            _would(word, following, found)
    return found


def _ought(before: str, following: list[str], found: dict[str, float]) -> None:
    found["should_i" if before in ("i", "we") else "should_thing"] = 1.0
    if following and following[0] in _OUGHT_WHAT:
        found["should_be"] = 1.0
    if before in ("you", "this", "that", "it"):
        found["should_you"] = 1.0


def _needs(before: str, following: list[str], found: dict[str, float]) -> None:
    after = following[0] if following else ""
    found["needs"] = 1.0
    if after in _NEEDED or (before in ("we", "users", "developers") and after != "to"):
        found["need_thing"] = 1.0


def _would(word: str, following: list[str], found: dict[str, float]) -> None:
    after = following[0] if following else ""
    if after in _LIKING or (word == "would" and after in ("really", "suggest")):
        found["would_like"] = 1.0
        if word != "would":
            return
    if "be" in following[:3]:
        found["would_be"] = 1.0
    if any(each in _WANTED for each in following):
        found["would_be_wanted"] = 1.0
        if any(each in _OPENS for each in following):
            found["would_be_open"] = 1.0


def forms(rows: list[list[float]]) -> NDArray[np.float32]:
    """The rows as an array of shape (sentences, features)."""
    return np.asarray(rows, np.float32).reshape(len(rows), len(NAMES))


_KINDS: Final[tuple[Cue, ...]] = ("request", "pain", "praise", "question")
_REVIEW: Final = 2 * len(_KINDS) + 2 + 7 + 6
_CAUTION: Final = np.float32(0.5)
"""Scale of a review's dense features against its n-grams: the smaller, the less they count."""


def review(
    text: str,
    rating: int | None,
    evidence: Sequence[Mapping[Cue, float]],
    suggested: Sequence[float],
) -> list[float]:
    """One row for a review: what its sentences carry, its shape, its stars (1 to 5 or unknown).

    `evidence` and `suggested` have an item for each of its sentences, at least one.
    """
    count = len(text.split())
    return [
        *(max(each[kind] for each in evidence) for kind in _KINDS),
        *(sum(each[kind] for each in evidence) / len(evidence) for kind in _KINDS),
        max(suggested),
        sum(suggested) / len(suggested),
        min(count, 60) / 30,
        math.log1p(count) / 3,
        float(count < 6),
        float("!" in text),
        float("?" in text),
        min(len(evidence), 12) / 4,
        float(text[:1].isupper()),
        *(float(rating == stars) for stars in range(1, 6)),
        float(rating is None),
    ]


def reviews(rows: list[list[float]]) -> NDArray[np.float32]:
    """The rows as an array of shape (reviews, features)."""
    return np.asarray(rows, np.float32).reshape(len(rows), _REVIEW) * _CAUTION
