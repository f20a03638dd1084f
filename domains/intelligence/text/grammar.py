"""Just enough English to cut sentences into clauses and to find what they are about."""

import re
from collections.abc import Sequence
from typing import Final

from domains.intelligence.text import lexicon
from domains.intelligence.text.words import STOP_WORDS, word_set

_BE: Final = (
    "am is are was were be isn't aren't wasn't weren't it's that's there's i'm we're they're"
)
_MODAL: Final = """
    can can't cannot could couldn't will won't would wouldn't should shouldn't must may might
    do does did don't doesn't didn't has have had hasn't haven't hadn't i've we've i'd we'd i'll
    we'll you'll they'll they've
"""
_VERBS: Final = """
    add adds added allow allows allowed answers appear appears arrives ask asks asked became become
    becomes breaks broke came come comes connects cost costs crash crashes crashed cut cuts
    crashing disappear disappears disappeared drain drains drained duplicates export exports fail
    fails failed feel feels fell finds forces forgets forgot found freezes froze gave get gets gives
    go goes got hangs hate hates help helps keep keeps kept knew know knows lack lacks lag lags
    leaves let lets like likes load loads locks log logs look looks looked lose loses lost love
    loves made make makes means merges moved need needs never opens overlaps own pay pays performs
    pile play plays prefer prefers reads rejects requires resets restart restarts restarted run runs
    said save saves say says see seem seems sends serves shipped show shows shut shuts spend spends
    spent stands start starts started stays stop stops stopped struggle struggles supports sync
    syncs syncing take takes tells think think thinks time times took tried tries turns understand
    understands update updates use uses used vanished vanish vanishes want wants wants wastes went
    wish wishes work works worked
"""
FINITE: Final = word_set(_BE) | word_set(_MODAL) | word_set(_VERBS)
"""Words that can carry a clause. Some are nouns as well ("exports"), hence the care around them."""

_SURE: Final = word_set(_BE) | word_set(_MODAL)

_OPENERS: Final = word_set(
    "the a an this these those my our your their his her its it they we i you he she there nobody "
    "everyone everybody people users customers someone no one some many most all every each"
)
_PRONOUNS: Final = word_set(
    "i you he she it we they me him us them this that these those who which what there nobody "
    "everyone everybody somebody someone anybody anyone one ones something anything everything "
    "nothing users user people team customers"
)
_ADVERBS: Final = word_set("only still just also really often always never no longer not all both")
_NOT_FIRST: Final = word_set(
    "when if because since after before while which who that where whether as until unless than to "
    "of for with in on at by from into not never only just also so or even how what why instead"
)
_PREPOSITIONS: Final = word_set(
    "of for with in on at by from into to about after before since over under between through "
    "across during without within via when if that which who where than as"
)
_ARTICLES: Final = word_set(
    "the a an my our your their his her its this that these those some any no every each all both"
)
_DESCRIBING: Final = word_set(
    "different current latest last new recent next whole main real biggest few several better more"
)

BORDER: Final = re.compile(
    r"(?:,|;|:|\.|!| [-–—]) (?:(?:and|so|but|because|'cause|yet|plus) )?"
    r"| (?:and|so|but|because|'cause|yet) ",
    re.IGNORECASE,
)
# Reviews run their headline into the text: "Crashes all the time This service, and this app …"
_HEADLINE_END: Final = re.compile(
    r"(?<=[A-Za-z0-9!]{2}) (?=(?:This|It|It's|Its|The|Very|Really|Love|Loving|Great|Easy|Doesn't|"
    r"Can't|Won't|Thanks?|"
    r"Crashes|Works|Terrible|Nice|Good|Excellent|Best|Worth|Performs|Amazing|Awesome|Super|"
    r"Whenever|"
    r"Every time|Definitely|PLEASE|Please|I (?:love|like|give|wish|think|tried|hate|am|can't)|"
    r"I'm|I've (?:been|had|tried)) ?\b(?!['’]))"
)


def clauses(text: str) -> list[str]:
    """The independent clauses of a sentence in order, without the words that join them."""
    found: list[str] = []
    for stretch in _HEADLINE_END.split(text):
        for part in _by_opinion(stretch):
            found.extend(_coordinated(part))
    return found


def first_statement(text: str) -> str:
    """Up to where another statement was typed into it: "the app is great Two thumbs up"."""
    written = text.split(" ")
    if 2 * sum(word[:1].isupper() for word in written) > len(written):
        # A headline: capitals tell nothing.
        return text
    for at in range(2, len(written)):
        before, word = written[at - 1], written[at]
        after = written[at + 1] if at + 1 < len(written) else ""
        if not before[-1:].isalnum() or (before[0].isupper() and before[1:].islower()):
            continue
        anew = (
            word.partition("'")[0] == "I"
            and before.lower() in _OPINIONS
            and written[at - 2].lower() != "so"
        )
        capital = word[:1].isupper() and word[1:2].islower() and not after[:1].isupper()
        if anew or (capital and word.strip(_MARKS).lower() in _COMMON):
            return " ".join(written[:at])
    return text


def _by_opinion(text: str) -> list[str]:
    """Cut "the app is great I use it daily" where a new statement follows the opinion."""
    if " I" not in text and " there " not in text:
        return [text]
    start, found = 0, []
    for border in _ANEW.finditer(text):
        if border["opinion"].lower() in _OPINIONS and border["before"].lower() != "so":
            found.append(text[start : border.end("opinion")])
            start = border.end()
    return [*found, text[start:]]


_ANEW: Final = re.compile(
    r"(?P<before>[\w']+) (?P<opinion>[A-Za-z]+) "
    r"(?=I(?:'[a-z]+)? [a-z]|there (?:is|are) )"
)
_OPINIONS: Final = (lexicon.PRAISE_WORDS.keys() | lexicon.PAIN_WORDS.keys()) - word_set(
    "best worst thanks love loves like enjoy recommend hate works helps problem problems issue "
    "issues bug bugs error errors crash crashes glad happy disappointed unfortunately"
)


def _coordinated(text: str) -> list[str]:
    found: list[str] = []
    start = 0
    for border in BORDER.finditer(text):
        left, right = text[start : border.start()], text[border.end() :]
        if _is_clause(left) and _opens_clause(right):
            found.append(left.strip())
            start = border.end()
    found.append(text[start:].strip())
    return [each for each in found if each]


def verb_at(words: Sequence[str]) -> int | None:
    """Where the first word stands that can carry the clause; not at its beginning."""
    for index, word in enumerate(words):
        if index and word in FINITE and (word in _SURE or words[index - 1] not in _ARTICLES):
            after = [each for each in words[index + 1 : index + 3] if each not in _ADVERBS]
            following = after[0] if after else ""
            # "exports are", "the updates keep": the noun, its verb follows.
            if word not in _SURE and (following in FINITE or words[index - 1] in _PREPOSITIONS):
                continue
            before = [each for each in words[:index] if not _is_adverb(each)]
            if word in _BASES and not _takes_base_form(before[-1] if before else ""):
                # "invoice export": a verb without ending wants a plural before it.
                continue
            return index
    return None


def _is_adverb(word: str) -> bool:
    return word in _ADVERBS or (word.endswith("ly") and len(word) > 4)


def _takes_base_form(word: str) -> bool:
    return not word or word in _PLAIN_SUBJECTS or word.endswith("s")


_BASES: Final = frozenset(
    word for word in word_set(_VERBS) if word + "s" in FINITE or word + "es" in FINITE
)
_PLAIN_SUBJECTS: Final = word_set(
    "i we you they people users who to and not never always only also just"
)


def _is_clause(text: str) -> bool:
    """Whether a stretch can stand alone: it has a verb, or is a fragment with an opinion."""
    words = _words(text)
    if turned(text) != text:
        return True
    if len(words) < 2 or words[0] in _NOT_FIRST - {"only", "just", "not", "never"}:
        return False
    if words[0] in FINITE or verb_at(words) is not None:
        return True
    return any(word in lexicon.PRAISE_WORDS or word in lexicon.PAIN_WORDS for word in words)


def _opens_clause(text: str) -> bool:
    """Whether a stretch begins with a subject of its own and its verb."""
    words = _words(text)[:9]
    if len(words) < 3 or words[0] in _NOT_FIRST:
        return False
    at = verb_at(words)
    if at is None or at > 6:
        return False
    if words[0] in _OPENERS:
        return True
    if words[0] in FINITE or words[0] in lexicon.PRAISE_WORDS or words[0] in lexicon.PAIN_WORDS:
        return False
    return not any(word in _PREPOSITIONS for word in words[: at - 1])


def subject(clause: str) -> str:
    """What a clause is about, as written, without its article; "" if that is not named."""
    words = clause.split()
    plain = _plain_words(clause)
    at = verb_at(plain) if len(plain) == len(words) else None
    if at is None:
        return ""
    kept = words[:at]
    while kept and kept[-1].lower() in _ADVERBS:
        kept = kept[:-1]
    return _named(kept)


def is_statement(text: str) -> bool:
    """Whether a sentence can follow "says that": it begins with a subject and has a verb."""
    words = _words(text)
    if len(words) < 3 or words[0] in _SUBORDINATORS:
        return False
    if words[0] in FINITE:
        return words[0] in _NOUNS_TOO and _is_subject(words)
    if words[0] == "the" and words[1] in ("best", "worst", "only", "first"):
        # "The best tool we have had": its verb belongs to the side clause.
        return any(word in _SURE for word in words[2:4])
    at = verb_at(words)
    return at is not None and (words[0] in _OPENERS or at < _NEAR)


def _is_subject(words: Sequence[str]) -> bool:
    """Whether a clause begins with a noun that could be a verb: "exports crash every week"."""
    at = verb_at(words)
    return at == 1 or (at == 2 and is_topic(words[1]))


_COMMON: Final = (
    STOP_WORDS | FINITE | lexicon.PRAISE_WORDS.keys() | lexicon.PAIN_WORDS.keys()
) - word_set("people user users")
_NOUNS_TOO: Final = word_set(
    """
    answers cost costs crash crashes export exports freezes help load loads lock locks log logs
    loads support sync syncs time times update updates
    """
)
_NEAR: Final = 6
_SUBORDINATORS: Final = word_set(
    "not never just only or and but how what why who where whether which than"
)


def within(text: str) -> str | None:
    """A sentence as it goes on behind "that", or None if its first word may be a name.

    "The export" becomes "the export", "CSV" and "iPad" stay; of "Atlas" nobody can tell.
    """
    first = text.partition(" ")[0]
    if first == "I" or first.startswith("I'") or (len(first) > 1 and not first[1:].islower()):
        return text
    return text[0].lower() + text[1:] if _is_common(first.lower().strip(",")) else None


def _is_common(word: str) -> bool:
    return (
        word in STOP_WORDS
        or word in _OPENERS
        or word in _NOT_FIRST
        or word in lexicon.TOPIC_WORDS
        or word in lexicon.PAIN_WORDS
        or word in lexicon.PRAISE_WORDS
        or word in FINITE
        or word in _DESCRIBING
        or (
            len(word) > 5
            and word.endswith(("ing", "tion", "tions", "ment", "ments", "ers", "ies", "ity"))
        )
    )


def _named(words: Sequence[str]) -> str:
    """A noun phrase without article, up to its first preposition; "" if it names nothing."""
    kept: list[str] = []
    for word in words:
        plain = word.lower().strip(",;:")
        if plain in _PREPOSITIONS:
            break
        if not kept and (plain in _ARTICLES or plain in _DESCRIBING):
            continue
        kept.append(word.strip(",;:\"'()"))
    if not 0 < len(kept) <= 4 or any(word.lower() in _PRONOUNS for word in kept):
        return ""
    return " ".join(kept) if is_topic(kept[-1].lower()) else ""


def phrases(text: str) -> list[str]:
    """Runs of words that name something, bounded by function and opinion words, in order."""
    found: list[str] = []
    run: list[str] = []
    for word in [*re.findall(r"[^\W_]+(?:['’./&+-][^\W_]+)*|[,;:.!?()]", text), "."]:
        plain = word.lower()
        if is_topic(plain) and plain not in _DESCRIBING:
            run.append(word)
        elif run:
            found.append(" ".join(run))
            run = []
    return [each for each in found if len(each.split()) <= 4]


def is_topic(word: str) -> bool:
    """Whether a word names what is talked about rather than how it is liked."""
    return (
        word not in STOP_WORDS
        and word not in lexicon.PAIN_WORDS
        and word not in lexicon.PRAISE_WORDS
        and word not in _SURE
        and (len(word) > 2 or word in _SHORT or not word.isascii())
        and any(map(str.isalpha, word))
    )


_SHORT: Final = word_set("ui ux tv pc ai os qa hr")


def is_plural(phrase: str) -> bool:
    """Whether a noun phrase takes "are"."""
    last = phrase.rpartition(" ")[2].lower()
    return last in _PLURALS or (last[-1] == "s" and not last.endswith(("ss", "us", "is", "'s")))


_PLURALS: Final = word_set("people children data media users")


_CONTRACTED: Final = re.compile(r"\b(it|that|there|i|we|they|you|he|she)'(s|m|re|ve|d|ll)\b")


def _words(text: str) -> list[str]:
    """The plain words of a stretch; "it's" counts as subject and verb."""
    lowered = text.lower().replace("’", "'")
    return _plain_words(_CONTRACTED.sub(r"\1 is", lowered) if "'" in lowered else lowered)


def _plain_words(text: str) -> list[str]:
    return [
        word.strip(_MARKS).lower().replace("’", "'") for word in text.split() if word.strip(_MARKS)
    ]


_MARKS: Final = '.,;:!?"()*-–—'


def turned(clause: str) -> str:
    """ "After the update it crashes" as "it crashes after the update"."""
    return _OPENED.sub(lambda m: f"{m['main']} {m['opening'][0].lower()}{m['opening'][1:]}", clause)


_OPENED: Final = re.compile(
    r"^(?P<opening>(?i:after|since|ever since|every time|whenever) [^,]{3,80}?),? "
    r"(?P<main>(?:I|i|we|We|it|It|they|you|users|the [\w-]+|my [\w-]+|our [\w-]+|[A-Z]\w+) "
    r"(?:can't|cannot|takes|crashes|keeps|won't|doesn't|don't|is|are|has|have|logs|fails|lost|had|"
    r"gets?|freezes|stopped|could|couldn't|did|didn't)\b[^.;]{0,90})$"
)
