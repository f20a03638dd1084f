"""Extractive summary of an English conversation: its topics and its most telling sentences.

A point names the topics of the meeting or of a part, or is the sentence of a part that a summary
would most likely have, in the speaker's own words. Only words of templates are added.
"""

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from domains.intelligence.dialogue import dialogue_acts
from domains.intelligence.dialogue.dialogue_acts import KINDS, Floats, Scores, Utterance
from domains.intelligence.text.words import STOP_WORDS, stem, word_set
from domains.intelligence.wording.titles import own_words

PARTS: Final = 2
"""Parts of a meeting. Summaries with more points are further from the references of QMSum."""


class Source(NamedTuple):
    """Where a point comes from: `utterances[utterance].text[start:end] == quote`."""

    utterance: int
    start: int
    end: int
    quote: str


class Point(NamedTuple):
    """One line of the summary, and at least one source for all that it says.

    It names topics, or is a sentence of a speaker.
    """

    text: str
    sources: tuple[Source, ...]


class Sentence(NamedTuple):
    """One sentence of an utterance, its words and punctuation marks without stutters.

    `start_time` is that of the utterance.
    """

    source: Source
    speaker: str
    words: list[str]
    start_time: float | None = None


def digest(
    utterances: Sequence[Utterance], parts: int = PARTS, *, with_topics: bool = True
) -> list[Point]:
    """Return the summary in the order of the meeting; empty if nothing was said.

    `parts` is the largest number of parts. Pure and deterministic.
    """
    said = sentences(utterances)
    if not said:
        return []
    meeting = _meeting(said, dialogue_acts.score(spoken(said)), with_topics=with_topics)
    used: set[str] = set()
    points = list(_opening(meeting, used))
    count = max(1, min(parts, -(-len(said) // _SENTENCES_OF_PART)))
    for number, part in enumerate(_parts(meeting, count)):
        points += _part(meeting, part, _opener(number, count), used)
    return points


def spoken(said: Sequence[Sentence]) -> list[Utterance]:
    """The sentences as utterances of their own, for `dialogue_acts.score`."""
    return [Utterance(each.speaker, each.source.quote, each.start_time) for each in said]


def text(points: Sequence[Point]) -> str:
    """The points as one paragraph."""
    return " ".join(each.text for each in points)


def sentences(utterances: Sequence[Utterance]) -> list[Sentence]:
    """The sentences of all utterances, each an exact slice."""
    found = []
    for number, each in enumerate(utterances):
        start = 0
        for end, following in (*(cut.span() for cut in _BORDER.finditer(each.text)), (None, 0)):
            quote = each.text[start:end]
            if quote.strip():
                source = Source(number, start, start + len(quote), quote)
                words = _WORD.findall(dialogue_acts.plain(quote).replace("_", ""))
                found.append(Sentence(source, each.speaker, words, each.start_time))
            start = following
    return found


_SENTENCES_OF_PART: Final = 12
_BORDER: Final = re.compile(
    r"(?<=[.!?])(?<!\bMr\.)(?<!\bMs\.)(?<!\bDr\.)(?<!\bMrs\.)(?<!\bHon\.)(?<!\bSt\.)\s+(?=\S)"
)
_WORD: Final = re.compile(r"[^\W\d_][\w'’\-]*|\d[\d.,%]*|[.,;:?!]")

Key = tuple[str, ...]


class _Mention(NamedTuple):
    """A topic in a sentence, as it was put there."""

    sentence: int
    form: str


class _Meeting(NamedTuple):
    """Sentences and topics of a meeting. `gist`: probability that a summary has the sentence."""

    said: Sequence[Sentence]
    gist: Floats
    topics: dict[Key, list[_Mention]]
    speakers: int


def _meeting(said: Sequence[Sentence], scores: Scores, *, with_topics: bool) -> _Meeting:
    return _Meeting(
        said,
        scores.near[:, KINDS.index("abstract")],
        topics(said) if with_topics else {},
        len({each.speaker for each in said}),
    )


def _parts(meeting: _Meeting, count: int) -> list[NDArray[np.int64]]:
    """The sentences of each of `count` parts of the meeting, equal in words."""
    lengths = np.array([len(each.words) + 1 for each in meeting.said], np.float64)
    middle = (np.cumsum(lengths) - lengths / 2) / lengths.sum()
    number = np.minimum((middle * count).astype(np.int64), count - 1)
    return [np.flatnonzero(number == each) for each in range(count)]


def _opener(number: int, count: int) -> str:
    if count == 1:
        return ""
    if number == count - 1:
        return "Lastly, "
    return ("First, ", "Then, ", "After that, ", "Later, ")[min(number, 3)]


def _opening(meeting: _Meeting, used: set[str]) -> Iterator[Point]:
    values = {
        key: _mass(meeting, mentions) * _LONGER[len(key) - 1]
        for key, mentions in meeting.topics.items()
    }
    keys = _best(values, 3, used)
    if keys:
        told, sources = _named(meeting, [meeting.topics[key] for key in keys], "")
        yield Point(f"The meeting was about {told}.", sources)


def _part(
    meeting: _Meeting, part: NDArray[np.int64], opener: str, used: set[str]
) -> Iterator[Point]:
    """Iterate over the topics of a part and its most telling sentence."""
    inside = frozenset(part.tolist())
    local = {
        key: here
        for key, mentions in meeting.topics.items()
        if len(here := [each for each in mentions if each.sentence in inside]) > 1
    }
    values = {
        key: _mass(meeting, here) ** 2
        / (_mass(meeting, meeting.topics[key]) + 1e-9)
        * _LONGER[len(key) - 1]
        for key, here in local.items()
    }
    keys = _best(values, 4, used)
    if keys:
        speaker = _leading(meeting, part)
        told, sources = _named(meeting, [local[key] for key in keys], speaker)
        clause = f"{opener}{_subject(meeting, speaker)} {told}."
        yield Point(clause[:1].upper() + clause[1:], sources)
    key_point = _key_point(meeting, part)
    if key_point:
        yield key_point


_LONGER: Final = (1.0, 1.5, 1.7)
"""A phrase of more words says more than each of its words."""


def _mass(meeting: _Meeting, mentions: Sequence[_Mention]) -> float:
    return float(sum(meeting.gist[each.sentence] for each in mentions))


def _best(values: dict[Key, float], most: int, used: set[str]) -> list[Key]:
    """The topics of the highest values that share no word with another or with `used`."""
    chosen: list[Key] = []
    for key in sorted(values, key=lambda each: (-values[each], each)):
        if len(chosen) < most and not used.intersection(key):
            used.update(key)
            chosen.append(key)
    return chosen


def _named(
    meeting: _Meeting, topics: Sequence[Sequence[_Mention]], speaker: str
) -> tuple[str, tuple[Source, ...]]:
    """The topics in one enumeration, and for each the sentence that stands for it.

    The form shown is the one most used, and its sentence one of the speaker's if there is one.
    """
    names, sources = [], []
    for mentions in topics:
        forms = Counter(each.form for each in mentions)
        form = min(forms, key=lambda each: (-forms[each], not each.islower(), each))
        best = max(
            (each.sentence for each in mentions if each.form == form),
            key=lambda at: (meeting.said[at].speaker == speaker, meeting.gist[at], -at),
        )
        names.append(f"the {form}" if form[0].islower() else form)
        sources.append(meeting.said[best].source)
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return listed, tuple(dict.fromkeys(sources))


def _leading(meeting: _Meeting, part: NDArray[np.int64]) -> str:
    """Return the speaker of most of what matters in a part, or "" if there are several."""
    shares: defaultdict[str, float] = defaultdict(float)
    for at in part.tolist():
        shares[meeting.said[at].speaker] += float(meeting.gist[at]) * len(meeting.said[at].words)
    speaker = max(shares, key=lambda each: (shares[each], each))
    return speaker if shares[speaker] > _LEADS * sum(shares.values()) else ""


_LEADS: Final = 0.6


def _subject(meeting: _Meeting, speaker: str) -> str:
    if speaker:
        return f"{called(speaker)} talked about"
    return "the group discussed" if meeting.speakers > 2 else "both sides discussed"


_ROLES: Final = word_set(
    """
    manager designer expert interface agent customer interviewer interviewee chair moderator host
    participant facilitator client caller operator representative
    """
)


def called(speaker: str) -> str:
    """A speaker within a sentence: roles with an article, no parentheses."""
    bare = re.sub(r"\s*\([^)]*\)+", "", " ".join(speaker.split())).removeprefix("The ")
    words = bare.lower().split()
    if not words:
        return "someone"
    return f"the {bare}" if words[-1] in _ROLES else bare


# Topics: nouns with what stands before them, told by the small words around them.

_BEFORE: Final = word_set(
    """
    the a an our your their its his her my this these those of for in on with about some any no
    every each
    """
)
_GENERIC: Final = word_set(
    """
    thing things lot lots way ways bit kind sort people guy guys time times day days idea ideas
    point points question questions stuff case cases example part parts end beginning fact minute
    minutes hour hours week weeks month months year years problem problems reason reasons sense set
    couple number side place hand head course meeting meetings today tomorrow yesterday chair mr
    mrs ms dr hon honourable member members minister thank thanks person level order area areas
    work name half moment past rest job morning afternoon hello hi bye welcome ourself okay sorry
    possibility aspect aspects option options individual individuals situation terms term issue
    issues information show hear click look looks smallest biggest choice matter matters everybody
    dollar dollars committee business call conversation
    """
)
_NO_NOUN: Final = word_set(
    """
    is are was were said saying thought thinking guess mean means told telling asked talking talked
    speak speaking looking looked working worked trying doing happen happens happened happening
    called put putting works coming got wanna let need used found based first second third last
    whole huge big small different fine true important possible certain main real full long short
    high low hard easy simple nice best better worse worst cheap expensive able ready clear
    interesting available two three four five six seven eight nine ten hundred thousand million
    young old soft additional disadvantaged previous current same particular similar extra
    normal special original basic common general rest public private various
    basically actually maybe born say says ask take took made read run
    """
)
_SUFFIXES: Final = ("ly", "est", "self", "selves")


def topics(said: Sequence[Sentence]) -> dict[Key, list[_Mention]]:
    """The phrases of up to three words that come up at least twice, and where, by their stems."""
    runs = [(at, run, led) for at, each in enumerate(said) for run, led in _runs(each.words)]
    stems = {word: stem(word.lower()) for word in {word for _, run, _ in runs for word in run}}
    total = Counter(stems[word] for _, run, _ in runs for word in run)
    nouns = Counter(stems[run[-1]] for _, run, led in runs if led)
    heads = {each for each, count in nouns.items() if count >= max(_LEAST, _NOUN * total[each])}
    found: defaultdict[Key, list[_Mention]] = defaultdict(list)
    for at, run, _ in runs:
        for first in range(len(run)):
            for last in range(first, min(len(run), first + 3)):
                if stems[run[last]] not in heads:
                    continue
                words = run[first : last + 1]
                if _GENERIC.isdisjoint((words[0].lower(), words[-1].lower())):
                    found[tuple(stems[word] for word in words)].append(
                        _Mention(at, " ".join(words))
                    )
    return {key: mentions for key, mentions in found.items() if len(mentions) > 1}


_LEAST: Final = 2
_NOUN: Final = 0.3
"""Least share of a noun's occurrences that close a phrase behind an article or the like."""


def _runs(words: Sequence[str]) -> Iterator[tuple[list[str], bool]]:
    """Runs of up to four topic words, and whether an article or the like leads to them."""
    run: list[str] = []
    led = False
    before = ""
    for word in (*words, "."):
        low = word.lower()
        fits = _is_topic(low)
        if run and (not fits or len(run) == 4):
            yield run, led
            run = []
        if fits:
            led = led if run else before in _BEFORE
            run.append(word)
        before = low


@functools.lru_cache(maxsize=1 << 14)
def _is_topic(low: str) -> bool:
    return (
        len(low) > 2
        and low[0].isalpha()
        and low not in STOP_WORDS
        and low not in _NO_NOUN
        and "'" not in low
        and not low.endswith(_SUFFIXES)
    )


# Key points: one sentence of each part, if it can be understood on its own.


def _key_point(meeting: _Meeting, part: NDArray[np.int64]) -> Point | None:
    """Return the sentence that a summary would have of this part, among the readable ones."""
    ranked = sorted(part.tolist(), key=lambda at: (-meeting.gist[at], at))
    best: tuple[float, int, str] | None = None
    for at in ranked:
        if best and meeting.gist[at] <= best[0]:
            break
        text = statement(meeting.said[at])
        value = float(meeting.gist[at]) * _readability(text)
        if text and (best is None or value > best[0]):
            best = (value, at, text)
    return Point(best[2], (meeting.said[best[1]].source,)) if best else None


def _readability(text: str) -> float:
    """Return a factor that is lower for short and long sentences, and for those about an "it"."""
    count = len(text.split())
    length = 1.0 if 9 <= count <= 27 else 0.6
    return length * (0.6 if _POINTS_BACK.search(text) else 1.0)


_POINTS_BACK: Final = re.compile(
    r"^[^:]{0,60}: (?:(?:so|and|but|well|i think|we think) )?(?:it|that|this|those|these|he|she)\b",
    re.IGNORECASE,
)
_LEAD: Final = re.compile(
    r"(?:(?:so|and|but|well|okay|ok|yeah|yes|no|right|now|then|oh|also|actually|basically|like|"
    r"because|'cause|cause|you know|i mean|alright|all right|sure|plus|anyway|however|first of all|"
    r"thank you(?: very much)?|mr\.? chair|chair|maybe|i guess|i suppose|of course|again|in fact|"
    r"what|which|hi|hello|great|perfect|thanks|sorry|please|firstly|secondly|finally|"
    r"honestly)\b[,.]?\s*)+",
    re.IGNORECASE,
)
_OPINION: Final = re.compile(
    r"(?:i|we) (?:think|thought|believe|guess|feel|felt|would say|'d say|assume|suppose|hope)"
    r"(?: that)? ",
    re.IGNORECASE,
)
_SUBJECT: Final = re.compile(
    r"(?:(?:i|we|you|they|it|there|he|she|people|users|customers|everyone|everybody|nobody|most|"
    r"some|all|both|one|the|a|an|our|their|my|your|this|these|those|if|when)\b|"
    r"(?:i|we|you|they|it|there|that)'|"
    r"(?:in|on|for|with|at|as|by|after|before) [^,]{3,50}, |[A-Z])",
)
_VERB: Final = re.compile(
    r"\b(?:is|are|was|were|has|have|had|do|does|did|can|could|will|would|should|must|may|might|"
    r"needs?|wants?|uses?|works?|gets?|goes|takes?|makes?|costs?|looks?|likes?|prefers?|\w+ed)\b|"
    r"'(?:s|re|ll|ve|d|m)\b|n't\b",
    re.IGNORECASE,
)
_UNFIT: Final = re.compile(
    r"[?@]|\b(?:welcome|thank|thanks|you know|i mean|i wonder|i don't know|let me|let's|slide|"
    r"sorry|good (?:morning|afternoon|evening)|have (?:the floor|a (?:great|good|nice))|"
    r"i'm just|that's it|whatever)\b|"
    r"\b(?:i|we|you|they|he|she|it) (?:i|we|you|they|he|she|it)\b|\b(?:the|a|an|of|to|by|with) "
    r"(?:i|we|is|are|and|but|or|a an|the a|if|so)\b|\b\w\b(?<![aAiI\d])(?<!'\w)|-(?:\s|$)|,$",
    re.IGNORECASE,
)
_DANGLING: Final = word_set(
    """
    a an the to of and or but with for in on at by from that which is are was be when if as than so
    because their its your this these those very really not can will would could should has have
    had like just into about even more i we you they it where what how my our do does sure
    """
)


def statement(sentence: Sentence) -> str:
    """Return the speaker and the sentence in own words.

    Returns "" for a question, a fragment and a sentence that breaks off.
    """
    quote = sentence.source.quote.replace("’", "'")
    bare = " ".join(dialogue_acts.plain(quote).replace("_", "").split())
    if bare.endswith(("?", "-", "—", "…")):
        return ""
    bare = bare.rstrip(" .,;:!")
    for opening in (_LEAD, _OPINION):
        match = opening.match(bare)
        bare = bare[match.end() :] if match else bare
    if not _is_readable(bare):
        return ""
    speaker = " ".join(sentence.speaker.split())
    words = own_words(" ".join(quote.replace("_", "").split()), "en", _LONGEST)
    lead = _LEAD.match(words)
    words = words[lead.end() :] if lead else words
    words = words[:1].upper() + words[1:]
    return f"{speaker}: {words}" if speaker else words


def _is_readable(bare: str) -> bool:
    words = bare.split()
    return (
        _FEWEST <= len(words) <= _MOST
        and _begins_well(bare)
        and bool(_VERB.search(bare))
        and not _UNFIT.search(bare)
        and words[-1].lower() not in _DANGLING
    )


def _begins_well(bare: str) -> bool:
    """Return True if it begins with a subject, or a word with a capital letter."""
    first = bare.partition(" ")[0].lower()
    if bare[0].isupper() and first not in STOP_WORDS:
        return True
    return bool(_SUBJECT.match(bare[0].lower() + bare[1:]))


_FEWEST: Final = 6
_MOST: Final = 30
_LONGEST: Final = 200
"""Characters of a sentence."""
