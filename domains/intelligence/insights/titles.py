"""Titles as they stand on a roadmap card: the feature, and what is wrong or wanted of it."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from domains.intelligence.findings import Kind, Profile
from domains.intelligence.insights.coreference import IT, OLD_ONE, ONE, THEM, resolved
from domains.intelligence.insights.detection import score
from domains.intelligence.insights.feature_names import ASKED
from domains.intelligence.insights.title_checks import LEANS, stands
from domains.intelligence.insights.wording import MAX_TITLE, capitalised, clean, title
from domains.intelligence.text import grammar, lexicon
from domains.intelligence.text.words import STOP_WORDS, Lazy, content_stems, stem, tokens, word_set

TEMPLATE_WORDS: Final = word_set(
    """
    users want wants need needs ask asks about for to how whether they can no way praise
    general the is are not plans possible suggested team wonder would like it if add missing do
    them their themselves have suggest an
    """
)
"""All words that a title may hold and its quotes not: the words of the templates."""


GENERAL_PRAISE: Final = "General praise"


class Passage(Struct, frozen=True):
    """A statement to make a title of; `before` is what the same speaker said, the latest first."""

    text: str
    before: tuple[str, ...] = ()


class Title(Struct, frozen=True):
    """A title; `leans` tells which of what was said before the passage lent it a name."""

    text: str
    leans: int | None = None


def headline(passage: Passage, kind: Kind, profile: Profile, *, internal: bool) -> Title | None:
    """The title of one statement, or None if nothing in it can stand on a card."""
    said = clean(passage.text)
    cleaned = _WEAK_SPOT.sub(r"\g<x>", said)
    earlier = grammar.clauses(cleaned)
    # "One" is found in speech as in writing; what "it" is in speech, is anybody's guess.
    patterns = (ONE,) if profile == "transcript" else (IT, THEM, OLD_ONE)
    first = [cleaned] if cleaned != said and len(cleaned) <= MAX_TITLE else []
    parts = [*first, *_parts(cleaned, kind, profile)]
    if profile == "transcript":
        # "The dashboards are great, everybody loves them": rather what names its thing.
        parts.sort(key=lambda part: _LOVES_THEM.search(part) is not None)
    for part in parts:
        at = earlier.index(part) if part in earlier else 0
        named, leans = resolved(grammar.turned(part), patterns, earlier[:at], passage.before)
        if leans is None and named != grammar.turned(part) and len(cleaned) <= _FITS:
            # The name stands in the same sentence, which is short enough to be the title.
            named = cleaned
        if profile in _REVIEWS and (alone := grammar.first_statement(named)) != named:
            if score(alone, tokens(alone), profile)[kind] <= _SOME:
                continue
            named = alone
        name = _card(named, kind, internal=internal)
        if stands(name, kind, profile):
            return Title(name, leans)
    if kind == "praise" and profile != "transcript":
        return _general_praise(cleaned)
    return None


_LOVES_THEM: Final = re.compile(r"\b(?:it|them|those|these)$", re.IGNORECASE)
_REVIEWS: Final[tuple[Profile, ...]] = ("survey_response", "raw")


def covering(names: Sequence[str]) -> str:
    """One title for statements about one thing: "Exports are hard to find and slow".

    The first name leads; what later ones say of the same subject is added while there is room.
    """
    lead = names[0]
    match = _IS.match(lead)
    if not match:
        return lead
    said = content_stems(tokens(lead))
    for other in names[1:]:
        further = _IS.match(other)
        if not further or not _same(match["subject"], further["subject"]):
            continue
        predicate = further["predicate"]
        fresh = [each for each in content_stems(tokens(predicate)) if each not in said]
        if " and " in lead or not fresh or not _OPINION.match(predicate):
            continue
        joined = f"{lead} and {predicate}"
        if len(joined) <= MAX_TITLE and len(joined.split()) <= _MOST_WORDS:
            lead = joined
    return lead


_MOST_WORDS: Final = 14
_IS: Final = re.compile(r"(?P<subject>(?:[\w'-]+ ){1,4}?)(?P<be>is|are) (?P<predicate>.+)$")
_OPINION: Final = re.compile(
    r"(?:(?:not|too|hard|difficult|impossible|never) |\w+$|\w+ (?:to|in|on|for|with) )",
    re.IGNORECASE,
)


def _parts(cleaned: str, kind: Kind, profile: Profile) -> list[str]:
    """What of a statement to try, the clause that carries the finding first, at last all of it."""
    parts = grammar.clauses(cleaned)
    if len(parts) < 2:
        return [cleaned]
    weight = {
        part: score(part, tokens(part), profile)[kind]
        * (0.7 if LEANS.match(part) else 1.0)
        * (1.0 if len(part.split()) <= _LONG_CLAUSE else 0.8)
        for part in parts
    }
    strong = [part for part in parts if weight[part] > _SOME]
    strong.sort(key=lambda part: -weight[part])
    if strong and len(cleaned) <= MAX_TITLE and kind == "pain":
        # Too little on its own: "Clients keep asking". Speech has one title for all its clauses.
        whole = len(strong[0].split()) < 4 or (
            len(cleaned) <= _FITS
            and (
                any(_SAME_SUBJECT.match(part) for part in parts)
                or (profile == "transcript" and len(strong) > 1)
            )
        )
        strong = [cleaned, *strong] if whole else strong
    return [*dict.fromkeys(strong), *([] if len(cleaned) > _LONG else [cleaned])] or [cleaned]


_SAME_SUBJECT: Final = re.compile(r"(?:it|they) (?!is|are|was|')[a-z]+", re.IGNORECASE)
_FITS: Final = 66
_LONG: Final = 120
_SOME: Final = 0.2
"""More evidence than this makes a part of a statement one of its kind."""
_LONG_CLAUSE: Final = 16


def _card(clause: str, kind: Kind, *, internal: bool) -> str:
    """A clause in the words of a card."""
    lowered = clause.lower()
    for triggers, pattern, replacement in _BEFORE:
        if any(each in lowered for each in triggers):
            clause = pattern().sub(replacement, clause)
    if internal and kind == "request":
        clause = _WE_NEED.sub("we need", _OURS.sub("", clause))
    name = title(clause, kind, internal=internal)
    name = _LETS.sub("", name) if internal else name
    whole = len(clause) <= MAX_TITLE or clause.rstrip(" .!?").endswith(name.rpartition(" ")[2])
    hanging = (_HALF if whole else _HANGING).search(name)
    if hanging and not any(word in grammar.FINITE for word in tokens(hanging[0])[2:]):
        name = name[: hanging.start()]
    for triggers, pattern, words in _AFTER:
        if any(each in name for each in triggers):
            name = pattern().sub(words, name)
    if kind == "praise":
        name = _PRAISED().sub(_praised, name)
    if kind == "pain":
        name = _BAD.sub(_is_bad, name)
    name = _case(" ".join(name.split()).strip(" ,;:-"))
    if (kind == "question" and ASKED.match(name)) or name.lower().startswith("why "):
        name += "?"
    return capitalised(name)


def _case(name: str) -> str:
    """Shouted words in lower case; acronyms and names stay as they were written."""
    return " ".join(
        word.lower()
        if word.isupper()
        and (word.lower() in STOP_WORDS or word.lower() in _OPINIONS)
        and word != "I"
        else word
        for word in name.split()
    )


_OPINIONS: Final = frozenset(lexicon.PAIN_WORDS) | frozenset(lexicon.PRAISE_WORDS)
_ADVERBS: Final = tuple(
    sorted(
        word_set(
            """
            really very extremely incredibly simply totally absolutely completely definitely
            finally super pretty quite terribly truly honestly insanely ridiculously still also all
            just
            """
        )
    )
)
_ADVERB: Final = f"(?:{'|'.join(_ADVERBS)})"
_BAD_WORDS: Final = (
    "terrible|horrible|awful|poor|slow|sluggish|ugly|annoying|confusing|frustrating|clunky|"
    "unreliable|"
    "useless|buggy|bad|ridiculous|lousy|outdated|expensive|overpriced|cluttered"
)
_VERBS: Final = "|".join(sorted(grammar.FINITE))
# A pattern is tried where one of the parts occurs that stand before it.
_BEFORE: Final[tuple[tuple[tuple[str, ...], Lazy, str], ...]] = tuple(
    (triggers, Lazy(pattern, re.IGNORECASE), replacement)
    for triggers, pattern, replacement in (
        (
            ("complaint", "problem", "issue", "gripe", "frustration", "pain point", "annoyance"),
            rf"^(?:the |this |an? )?(?P<x>(?:{_BAD_WORDS}) [\w -]{{3,30}}?) (?:is|are) "
            r"(?:my|our|their|the) (?:\w+ )?(?:complaint|problem|issue|gripe|frustration|"
            r"pain point|annoyance)$",
            r"\g<x>",
        ),
        (
            ("when",),
            r"^when(?:ever)? (?:i|we|you|users|they) (?:[a-z]+ ){1,2}(?:it|this|that|them),? "
            r"(?=(?:the|my|our|nothing|everything) )",
            "",
        ),
        (
            ("it's ", "it is "),
            r"^(?P<x>(?:(?!(?:" + _VERBS + r")\b)[\w-]+ ){1,5})it(?:'s| is) ",
            r"\g<x>is ",
        ),
        ((" and it ",), r"(?<= is )(?P<p>[\w ]{3,30}) and it (?=[a-z]+s\b)", r"\g<p> and "),
        ((" and they ",), r"(?<= are )(?P<p>[\w ]{3,30}) and they (?!are)", r"\g<p> and "),
        (
            ("fix", "help", "add"),
            r"[,.!]? (?:please|pls|plz),? (?:fix|help|add)(?: (?:it|this|asap|that|soon|"
            r"now))*[.! ]*$",
            "",
        ),
        ((" to do what",), r" to do what\b.*$", ""),
        (
            ("more", "now", "moment", "honest", "far", "for me", "for us", "by the way"),
            r" (?:any ?more|right now|at the moment|to be honest|so far|for (?:me|us)|"
            r"by the way)(?=[,.]|$)",
            "",
        ),
    )
)
_WEAK_SPOT: Final = re.compile(
    r"^(?P<x>[\w' -]{2,40}?) (?:is|are) the (?:weak spot|problem|issue|worst part)"
    r"(?:: | - |, )(?:it|they)(?='| )",
    re.IGNORECASE,
)
_AFTER: Final[tuple[tuple[tuple[str, ...], Lazy, str | Callable[[re.Match[str]], str]], ...]] = (
    tuple(
        (triggers, Lazy(pattern), replacement)
        for triggers, pattern, replacement in (
            (("Your ",), r"^Your (?=[a-z])", ""),
            (("your ",), r"\byour (?=\w)", "the "),
            (
                ("There",),
                r"^There(?:'s| is| are|'re| was)(?: (?:currently|still|just|really))? no (?:way|"
                r"option) (?:for users )?to ",
                "No way to ",
            ),
            (
                ("There",),
                r"^There(?:'s| is| are|'re| was)(?: (?:currently|still|just|really))? no ",
                "No ",
            ),
            (
                ("There",),
                r"^There(?:'s| is| are|'re| was) (?:a |an |some )?(?=(?:[a-z]+ )?"
                r"(?:problems?|issues?|bugs?|errors?)\b)",
                "",
            ),
            (
                _ADVERBS,
                r"(?<=[a-z] )"
                + _ADVERB
                + r" (?=(?:"
                + _ADVERB
                + r" )*(?:[a-z]+ed|[a-z]+ing|"
                + "|".join(
                    sorted(
                        (set(lexicon.PAIN_WORDS) | set(lexicon.PRAISE_WORDS) | set(grammar.FINITE))
                        - {"works"}
                    )
                )
                + r")\b)",
                "",
            ),
            (
                ("The", "Those ", "All "),
                r"^(?:The|(?:These|Those)(?! days\b)|All these|All the) (?=[\w-]+)(?!team (?:needs|"
                r"wants|asks|suggests|wishes|wonders|would)\b|one\b|only\b"
                r"|(?:most|more|same|first|last|other)\b)",
                "",
            ),
            (
                ("This ", "That "),
                r"^(?:This|That) (?=(?:app|game|tool|update|version|program|application|product|"
                r"feature)\b)",
                "",
            ),
            (
                (
                    "Really",
                    "Very",
                    "So",
                    "Just",
                    "Absolutely",
                    "Extremely",
                    "Super",
                    "Truly",
                    "Defin",
                ),
                r"^(?:Really|Very|So|Just|Absolutely|Extremely|Super|Truly|Definitely) (?=[a-z])",
                "",
            ),
            (
                ("not ", "n't "),
                r"\b(?P<n>not|n't) (?:so|very|really|that) (?=[a-z])",
                r"\g<n> ",
            ),
            (
                (" so ",),
                r"\b(?:is|are) so (?P<a>[a-z]+)(?= |$)(?! that)",
                lambda m: m[0].replace(" so ", " "),
            ),
            (
                ("though", "however", "too", "as well", "either", "already"),
                r",? (?:though|however|too|as well|either|already)$",
                "",
            ),
            (("wanna",), r"\bdo wanna have\b|\bwanna have\b", "want"),
            (("wanna",), r"\bwanna\b", "want to"),
            (("gonna",), r"\bgonna\b", "going to"),
            (("a ", "A "), r"\b([Aa]) (?=[aeio][a-z]|u[mnp](?!i))(?!one\b|once\b|eu)", r"\1n "),
        )
    )
)
_OURS: Final = re.compile(
    r"^(?:(?:i|we) (?:should|could|must|have to) (?!not\b|be\b|have\b)|let's (?!see\b|say\b)"
    r"|you should (?:be )?(?!not\b|be\b|have\b|know\b|see\b))(?:also |just )?",
    re.IGNORECASE,
)
_LETS: Final = re.compile(r"^(?:Let's|We should|We could) (?!not\b|be\b|have\b|see\b|say\b)")
_WE_NEED: Final = re.compile(r"^we (?:just |also |still )?need to have", re.IGNORECASE)
_HALF: Final = re.compile(r" (?:how|which|who)\b(?:(?! to )[^,])*$")
_HANGING: Final = re.compile(r" (?:where|which|that|when|who|how|if)\b(?:(?! to )[^,])*$")
_GOOD_WORDS: Final = "|".join(
    sorted(
        set(lexicon.PRAISE_WORDS)
        - {
            "love",
            "loves",
            "loved",
            "like",
            "enjoy",
            "recommend",
            "thanks",
            "works",
            "helps",
            "appreciate",
            "enjoyed",
            "quickly",
            "easily",
        }
    )
)
_PRAISED: Final = Lazy(
    r"^(?:(?:An?|The|Its?|It's(?: an?)?|Such an?) )?(?:" + _ADVERB + r" )?"
    r"(?:(?:" + _GOOD_WORDS + r"|lovely|ever)[ ,]+(?:and )?)+"
    r"((?!to\b|for\b|in\b|with\b|and\b|as\b|if\b|than\b|at\b|on\b|of\b|when\b|how\b|but\b|it\b|"
    r"way\b|thing\b|i\b|"
    r"users\b|this\b|the\b|so\b|that\b)[\w-]+(?: (?!(?:"
    + "|".join(sorted(grammar.FINITE))
    + r")\b)"
    r"[\w-]+){0,2})$",
    re.IGNORECASE,
)
_BAD: Final = re.compile(
    rf"^(?:An? |The )?(?P<bad>{_BAD_WORDS}) (?P<what>(?!to\b|for\b|on\b|in\b|when\b|and\b|if\b|"
    r"at\b|as\b)[\w-]+(?: [\w-]+){0,2})$",
    re.IGNORECASE,
)


def _praised(match: re.Match[str]) -> str:
    """ "Great new search" as "Praise for the new search"; "Awesome nice" names nothing."""
    words = match[1].removesuffix(" ever").removesuffix(" Ever").split()
    if any(word.lower() in _OPINIONS or word.lower() in _NO_PRAISE for word in words):
        return match[0]
    if all(word.istitle() for word in words):
        words = [word.lower() for word in words]
    return "Praise for the " + " ".join(words)


_NO_PRAISE: Final = word_set("cuz until buy highly it this that job work ever one idea thing time")


def _is_bad(match: re.Match[str]) -> str:
    """ "Slow exports" as "Exports are slow"; troubles are named by their noun alone."""
    what, bad = match["what"], match["bad"].lower()
    if tokens(what)[-1] in lexicon.PAIN_WORDS:
        return what if " " in what else match[0]
    if grammar.verb_at(tokens(what)) is not None or not grammar.is_topic(tokens(what)[-1]):
        return match[0]
    return f"{what} {'are' if grammar.is_plural(what) else 'is'} {bad}"


def _general_praise(text: str) -> Title | None:
    """Praise that names no part of the product; it may at least say what product it is for."""
    for word in tokens(text):
        if word in (
            "app",
            "game",
            "application",
            "program",
            "tool",
            "product",
            "software",
            "service",
        ):
            return Title(f"Praise for the {word}")
    return Title(GENERAL_PRAISE) if len(text) < _LONG else None


def _same(one: str, other: str) -> bool:
    """Whether two subjects have the same last word, in singular or plural."""
    return stem(tokens(one)[-1]) == stem(tokens(other)[-1])
