"""What a title is about: the feature that it names, if it names one."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from domains.intelligence.insights.wording import clean
from domains.intelligence.text import grammar, lexicon
from domains.intelligence.text.phrases import phrases
from domains.intelligence.text.words import STOP_WORDS, Lazy, tokens, word_set


def feature(name: str, quotes: Sequence[str]) -> str | None:
    """The phrase of the product that a title is about, lower case as the quotes say it."""
    said = " ".join(" ".join(clean(quote) for quote in quotes).lower().split())
    noun_follows = name.startswith(("Praise for ", "No "))
    unnamed = FRAME.match(name) or commands(name) or ASKED.match(name)
    subject = "" if unnamed else grammar.subject(name)
    for candidate in _candidates(name, subject, quotes, noun_follows=noun_follows):
        bare = candidate if noun_follows else _BARE().sub("", candidate.lower())
        phrase = _WHEN.sub("", bare.lower().rpartition(" of ")[2])
        if (
            phrase in said
            and not _PARTICLE.match(phrase)
            and _names(phrase, name)
            and (" " in phrase or candidate == subject or _is_noun(phrase, name))
        ):
            return phrase
    return None


_PARTICLE: Final = re.compile(r"(?:up|out|off|down|over|away|back)\b")
_WHEN: Final = re.compile(
    r" (?:overnight|today|yesterday|tomorrow|daily|weekly|monthly|always|again|now)$"
)


def _candidates(
    name: str, subject: str, quotes: Sequence[str], *, noun_follows: bool
) -> Iterator[str]:
    """What a title may be about: its subject, longer phrases, shorter ones, single words."""
    if subject:
        yield subject
    framed = FRAME.match(name)
    body = name[framed.end() :] if framed else name
    named = [
        part
        for phrase in grammar.phrases(body if noun_follows else VERB_FIRST().sub("", body))
        for part in (_BY_ACTION().split(phrase) if " " in phrase and not noun_follows else [phrase])
        if part
    ]
    if ASKED.match(name):
        # "What is the use of the screen?" is about the screen, "Does it support SSO?" about SSO.
        named = [*filter(str.isupper, named), *(reversed(named) if " of " in name else named)]
    yield from _longer(name, quotes, named)
    yield from named
    for phrase in named:
        yield from phrase.split()


def _longer(name: str, quotes: Sequence[str], named: Sequence[str]) -> Iterator[str]:
    """Feature phrases of several words that a title repeats from its quotes."""
    for quote in quotes:
        for phrase in phrases(clean(quote)):
            found = phrase.text.lower()
            if (
                " " in found
                and f" {found} " in f" {name.lower()} "
                and any(part.lower() in found for part in named)
                and _is_noun_phrase(found)
            ):
                yield found


def _names(phrase: str, name: str) -> bool:
    """Whether a phrase names something of a product, neither people nor what one does."""
    words = phrase.split() or [""]
    return not (
        is_vague(phrase)
        or words[-1] in _PEOPLE
        or (len(words) == 1 and words[0] in grammar.FINITE - lexicon.TOPIC_WORDS)
        or words[0] in _ACTORS_DO.findall(name.lower())
        or _NO_NAME.search(phrase)
    )


def _is_noun(word: str, name: str) -> bool:
    """Whether a single word stands in a title as a noun does."""
    if name.lower() in (f"no {word}", f"praise for the {word}"):
        return True
    if word in lexicon.TOPIC_WORDS or word.endswith("s"):
        return True
    words = name.replace(",", "").strip("?").split()
    return any(
        written.lower() == word
        and (
            written.isupper()
            or (at > 0 and (written[0].isupper() or words[at - 1].lower() in _BEFORE_NOUNS))
        )
        for at, written in enumerate(words)
    )


def is_vague(text: str) -> bool:
    """Whether no word of a text names anything."""
    return not any(grammar.is_topic(word) and word not in GENERIC for word in tokens(text))


def commands(name: str) -> bool:
    """Whether a title tells what to do: "Search by date" does, "Search is slow" does not."""
    words = tokens(name)
    return (
        bool(_STARTS_WITH_ACTION.match(name))
        and words[min(1, len(words) - 1)] not in grammar.FINITE
    )


def _is_noun_phrase(phrase: str) -> bool:
    words = phrase.lower().split()
    return (
        len(words) <= 4
        and grammar.is_topic(words[-1])
        and not any(word in STOP_WORDS for word in (words[0], words[-1]))
    )


ASKED: Final = re.compile(
    r"(?:how|what|which|where|when|why|who|does|do|did|is|are|can|could|will|would|has|have)\b"
    r"(?!.*\b(?:would be|should be) (?:nice|good|great)\b)",
    re.IGNORECASE,
)
FRAME: Final = re.compile(
    r"^(?:Praise for (?:the )?|No way to |No |Users (?:want|need|ask)(?: to| for|"
    r" how to)? (?:an? |the )?"
    r"|The team (?:wants|needs|asks)(?: to| for| how to)? (?:an? |the )?|Add |Missing )"
)
GENERIC: Final = word_set(
    """
    app apps application applications ap game games program tool product software service update
    version thing design concept stuff lot way time times day days week weeks month months year
    years hour hours
    minute minutes second seconds people person user users team everyone nobody somebody reviewers
    work job idea experience star stars phone download developers devs guys company part kind type
    yesterday today tomorrow old automatic return twice hand far one two three four five six ten
    hundreds older younger overnight
    apk solution click everything anything something absolute case bottom line point question
    """
)
_ACTIONS: Final = (
    r"(?:add|allow|answer|ask|be|click|compared|match|return|tap|bring|build|buy|change|check|"
    r"choose|compare|connect|consider|copy|create|"
    r"deactivate|delete|design|disable|do|download|edit|enable|export|filter|find|fix|freeze|get|"
    r"give|"
    r"have|hide|import|improve|include|integrate|invest|keep|let|link|load|log|lose|lost|make|"
    r"merge|move|"
    r"open|pick|post|print|provide|put|remove|rename|reset|run|save|schedule|search|see|select|"
    r"send|set|"
    r"share|show|sort|spend|start|stop|support|switch|sync|tag|take|track|try|turn|undo|update|"
    r"upload|"
    r"use|view|write)"
)
VERB_FIRST: Final = Lazy(
    rf"^(?:(?:Users|People|The team|We) (?:(?:can't|cannot|don't|couldn't|have to|want to|"
    rf"need to) )?)?"
    rf"(?:Not |Do not )?(?:{_ACTIONS}(?: and {_ACTIONS})?\b(?: (?:back|up|out|off|on|in|"
    rf"down)\b)?)?",
    re.IGNORECASE,
)
_STARTS_WITH_ACTION: Final = re.compile(rf"(?:Do not )?{_ACTIONS}(?:ed|d)?\b", re.IGNORECASE)
_BY_ACTION: Final = Lazy(rf"\s*\b{_ACTIONS}\b\s*", re.IGNORECASE)
_BARE: Final = Lazy(rf"^(?:{_ACTIONS} (?:(?:only|with|to|an?|the|my|their|our) )*)")
_BEFORE_NOUNS: Final = word_set(
    """
    the a an their some any more no with without for of in on and these love like praise best other
    new old different wrong
    """
) | (frozenset(lexicon.PRAISE_WORDS) | frozenset(lexicon.PAIN_WORDS))
_PEOPLE: Final = word_set(
    """
        clients client customers customer trainers learners reviewers agents agent
        managers colleagues executives kids wife husband nobody everybody members
        participants friends students teachers auditors asking doing working keeping
        different places freelancers freelancer marketing management
        """
)
_ACTORS_DO: Final = re.compile(r"\b(?:users|and) ([^\W_]+(?:['./&+-][^\W_]+)*)")
_NO_NAME: Final = re.compile(r"(?:\w+ly|\w+ed|'\w+)$")
