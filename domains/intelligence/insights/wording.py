"""Titles and descriptions: what was said, in the third person and nothing more."""

import functools
import re

from domains.intelligence.findings import Kind
from domains.intelligence.insights.request_titles import enquiry, wish
from domains.intelligence.text.third_person import told
from domains.intelligence.text.words import word_set

MAX_TITLE = 78
"""Longest title in characters, below the 80 that `Insight.name` promises."""

_MAX_STATEMENT = 240


def title(text: str, kind: Kind, *, internal: bool = False) -> str:
    """A headline for a statement, or "" if what is left of it is too little to stand alone.

    `internal` says that the makers talk among themselves: their "we" are not the users.
    """
    clause = clean(text)
    if not clause or _PLEA.match(clause):
        return ""
    if kind == "request":
        clause = wish(clause, internal=internal)
    elif kind == "question":
        clause = enquiry(clause, internal=internal)
    else:
        clause = told(clause, headline=True, internal=internal)
    clause = _HEADLINE_IT.sub("", clause)
    clause = _shortened(clause)
    words = clause.split()
    if len(words) < 2 or not _LETTERS.search(clause):
        return ""
    return capitalised(clause)


def statement(text: str, *, internal: bool = False) -> str:
    """The whole statement cleaned and in the third person, at most 240 characters, unfinished."""
    clause = told(clean(text), headline=False, internal=internal)
    if len(clause) > _MAX_STATEMENT:
        cut = clause.rfind(" ", 0, _MAX_STATEMENT - 1)
        clause = clause[: cut if cut > 0 else _MAX_STATEMENT - 1].rstrip(" ,;:") + "…"
    return capitalised(clause.rstrip(" .!,;:?"))


@functools.lru_cache(maxsize=1 << 12)
def clean(text: str) -> str:
    """The statement without fillers, stutters, markup and the words that only lead up to it."""
    clause = " ".join(text.replace("’", "'").split())
    if clause.isupper() and clause.count(" ") > 1:
        clause = clause.lower()
    clause = _MARKUP.sub(" ", _DOTS.sub(". ", clause))
    if "_" in clause:
        clause = _ACRONYM.sub(lambda match: match[0].replace("_", ""), clause)
    clause = _COMMAS.sub(", ", _SPACES.sub(" ", _FILLERS.sub(" ", clause)))
    if " like " in clause:
        clause = _HOURS_LIKE.sub("", clause)
    for _ in range(3):
        shorter = _FALSE_START.sub("", _STUTTER.sub(r"\1", clause))
        if shorter == clause:
            break
        clause = shorter
    clause = _BROKEN_OFF.sub(lambda m: m[0] if m[1] in _COMPLETE_WORDS else "", clause)
    clause = _COMMAS.sub(", ", _SPACES.sub(" ", clause)).strip(" ,;:.!-–—*_~")
    for _ in range(8):
        shorter = _LEAD.sub("", clause, count=1).lstrip(" ,;:.!-–—")
        if shorter == clause or len(shorter.split()) < 2:
            break
        clause = shorter
    if " they " in clause:
        clause = _ECHO.sub(r"\1 ", clause)
    return _TAIL_TAG.sub("", clause).rstrip(" ,;:.!-–—")


def _shortened(clause: str) -> str:
    """Down to the main clause and below the limit, never ending on a dangling word."""
    clause = whole = clause.strip(" ,;:.!?-–—")
    for border in _SIDE_CLAUSE.finditer(clause):
        least = 2 if border[0][0] in ".!?" else 4
        if len(clause[: border.start()].split()) >= least:
            clause = clause[: border.start()]
            break
    if len(clause) > MAX_TITLE:
        clause = _OPENING_CLAUSE.sub("", clause)
    if len(clause) > MAX_TITLE:
        borders = [m.start() for m in _SOFT_BORDER.finditer(clause) if 30 <= m.start() <= MAX_TITLE]
        cut = borders[-1] if borders else clause.rfind(" ", 0, MAX_TITLE + 1)
        clause = clause[: cut if cut > 0 else MAX_TITLE]
        before, comma, after = clause.rpartition(", ")
        if comma and len(after.split()) <= 2 and len(before.split()) >= 4:
            clause = before
    while clause != whole:
        clause = clause.strip(" ,;:.!?-–—\"'(")
        shorter = _DANGLING.sub("", clause)
        if shorter == clause:
            break
        clause = shorter
    if clause.count("(") > clause.count(")"):
        clause = clause[: clause.rfind("(")].rstrip(" ,")
    return clause


def capitalised(clause: str) -> str:
    """The clause with a capital, unless it begins with a name such as "iPad"."""
    return clause if _MIXED_CASE.match(clause) else clause[:1].upper() + clause[1:]


_MIXED_CASE = re.compile(r"[a-z]+[A-Z]")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_PLEA = re.compile(
    r"(?:(?:please|pls|just|and) )*fix(?: (?:it|this|that|asap|them|soon)\b.{0,24})?[.! ]*$",
    re.IGNORECASE,
)
_SPACES = re.compile(r"\s{2,}|[^\S ]")
_COMMAS = re.compile(r"\s*,(?:\s*,)*(?!\d)\s*")
_MARKUP = re.compile(
    r"[\x00-\x1f]+|<!-*|-+>|[*`#>|~]+|</?\w{1,10}>|[\u200b-\u200f\ufe0f\u2600-\u27bf\U0001F000-\U0001FAFF]+|"
    r"(?:^|(?<=\s))(?:[:;]-?[)(DP]+|-\))(?=\s|$)|\[[^\]\n]{0,30}\]|[\"“”«»]|(?<=\w)!{2,}"
)
_DOTS = re.compile(r"\.{2,}\s*")
_ACRONYM = re.compile(r"\b(?:[A-Z]+_)+[A-Z]*")
_FILLERS = re.compile(
    r"(?:(?<=\s)|^|,\s*)(?:um+|uh+|er+m?|hmm+|mm+|ah+|eh|you know|i mean|kind of|kinda|sort of|"
    r"basically|actually|honestly|literally|obviously|like,|to be honest|to be fair|as i said|"
    r"let's see|you see|of course|well(?=,)|so to speak|or whatever|"
    r"or something(?: like that)?(?! else)|"
    r"and stuff(?: like that)?|"
    r"and so on|really really|'kay)(?=[\s,.!?]|$),?",
    re.IGNORECASE,
)
_HOURS_LIKE = re.compile(
    r"(?<=[a-z] )like (?=(?:\d+|two|three|four|five|six|ten|twenty|half an|an) (?:seconds?|"
    r"minutes?|hours?|"
    r"days?|weeks?|clicks|steps|times|different))"
)
_ECHO = re.compile(r"^((?:[\w-]+ ){1,3}?[\w-]+s) they (?=are|were|have|don't|can't|should)")
_STUTTER = re.compile(r"\b([\w']+(?: [\w']+){0,2})[,.]? \1\b(?=[\s,.?!]|$)", re.IGNORECASE)
_BROKEN_OFF = re.compile(r"\b([a-z]{2,6}) (?=\1[a-z]{1,10}\b)")
_COMPLETE_WORDS = word_set(
    """
    to do no so we he be in on as an is it of or if up us
    me my by at go the a for out over under any some every not with there can
    all back her his man car set pass form art one two see hand key work play care
    real near even head port test late other side time week
    """
)
_FALSE_START = re.compile(
    r"(?<![\w'.-])(?:([b-df-hj-np-tv-z]{1,2}) (?=\1\w)|[b-hj-np-tv-z] (?=[a-z]{2})|"
    r"([eiou]) (?=\2\w))"
)
_LEAD = re.compile(
    r"^(?:as (?:you|i|we) (?:said|indicated|mentioned)(?: earlier| before)?|"
    r"the most important thing is(?: that)?|and|ha|or|but|so|because|cause|'cause|also|then|well|"
    r"okay|ok|yeah|yep|yes|no(?=,)|nope|"
    r"right(?=[, ])|"
    r"alright|oh|hey|hi|hello|plus|anyway|anyways|however|although|though|still(?=,)|sure|"
    r"exactly|true|"
    r"since(?= i )|is(?= we| i)|first of all|firstly|first(?=,)|secondly|second(?=,)|finally|"
    r"lastly|overall(?=,)|in general|"
    r"for example|for instance|in addition|additionally|moreover|on top of that|that said|"
    r"unfortunately|sadly|frankly|personally|apparently|currently(?=,)|maybe|perhaps|now(?=,|"
    r" people| users)|like(?=,)|"
    r"of course|in fact|in my opinion|imo|imho|for (?:me|us)(?=,)|at the moment(?=,)|"
    r"right now(?=,| people| users)|"
    r"the (?:only |main |biggest |other |real |first |second |one |big )*(?:problem|issue|"
    r"thing|complaint|point|"
    r"downside|drawback|gripe|frustration|challenge|pain point)(?: (?:i|we)(?:'d| would| have|'ve)?"
    r"(?: have| say| had| see| hear)?)?(?: with (?:it|this|that))?(?: for (?:me|us))? (?:is|"
    r"was)(?: that|,)?|"
    r"(?:what|the thing) (?:bothers|annoys|frustrates) (?:me|us)(?: (?:most|"
    r"the most))? is(?: that)?|"
    r"(?:my|our|the) (?:only|main|biggest|one|other) (?:real |big )?\w+(?: right now| today|"
    r" currently)? is(?: that)?(?= [a-z']+ \w+)|"
    r"i (?:do |really |still |also |just |would |personally |kind of )?(?:think|feel|guess|"
    r"believe|suppose|"
    r"find|found|noticed|notice|imagine|say|said|mean|know|assume|understand|must say|"
    r"have to say)(?: that| like)?(?= (?!out|the way|a way)[\w']+ \w+)|i would(?:'ve|"
    r" have) thought(?: that)?|what (?:i|we|they|people) (?:would )?(?:suggest|found|find|see|"
    r"think|noticed?|heard|said)(?: here)? (?:is|was)(?: that)?|that(?= (?:they|we|i|it|the|"
    r"if|there) )|"
    r"i(?:'d| would) say(?: that)?|i'm (?:afraid|sure|guessing)(?: that)?|"
    r"it (?:seems|looks|appears|feels)(?: to me)? (?:that|like|as if)|it's (?:just|more) that|"
    r"it's like|"
    r"(?:several |many |some |most |a few |a lot of |other |both |all |\w+ of (?:the |"
    r"our )?)?(?:reviewers?|customers?|"
    r"respondents?|interviewees?|participants?|people|clients|teams|managers?|"
    r"they) (?:\w+ )?(?:mention(?:ed|s)?|"
    r"said|say|says|report(?:ed|s)?|told (?:me|us)|complain(?:ed|s)?|note[ds]?|noted|"
    r"state[ds]?|described?|"
    r"found|find|feel|felt|think|thought|explain(?:ed)?)(?: that)|"
    r"\w+ complain(?:ed|s)? that|(?:we|i)(?:'ve| have)? (?:also )?(?:noticed|realized|"
    r"realised|heard|seen|found)(?: that))(?=[\s,.:!]|$)[,:]?\s*",
    re.IGNORECASE,
)
_TAIL_TAG = re.compile(
    r"[,.]?\s+(?:right|okay|ok|yeah|you know|isn't it|doesn't it|don't you think|i think|"
    r"i guess|though|"
    r"thanks|thank you|please|pls|plz|as well|too|at all|haha|lol|anyway|so|uh|um|but|and)[?.!]*$",
    re.IGNORECASE,
)
_HEADLINE_IT = re.compile(
    r"^(?:it|this|that|they|these|those|which)(?:'s| is| was|'re| are| were)? (?:just |"
    r"really |also |still |all |so |very )*"
    r"(?=(?:takes?|took|crash|fail|keeps?|doesn't|does|didn't|won't|can't|isn't|hard|"
    r"difficult|slow|confus|"
    r"freez|lacks?|makes?|saves?|works?|stopp|easy|great|too|drain|hangs?|break|lost|loses?|"
    r"logs?|says|"
    r"shows|needs|unclear|impossible|expensive|missing|not|never|impossible|much|more|been)\w*)",
    re.IGNORECASE,
)
_SIDE_CLAUSE = re.compile(
    r",? (?:because|'?cause|so that|which (?:is|makes|means|was|i|we)|and then|and (?:i|we|"
    r"users|they|it|that|this|then|"
    r"there|also) |so (?:i|we|users|they|it|that|now) |but |although |even though |"
    r"(?<!way )(?<!same )as (?:it|i|"
    r"we|users|they) |"
    r"since (?:it|i|we|users|they) |otherwise)(?=\b|\w)|;| [-–—] |[.!?]\s|: | \(",
    re.IGNORECASE,
)
_OPENING_CLAUSE = re.compile(
    r"^(?:if|when|whenever|since|instead|after|while|because|"
    r"as)\b[^,]{0,120}, (?=[\w']+(?: [\w']+){3})",
    re.IGNORECASE,
)
_SOFT_BORDER = re.compile(
    r", | (?=(?:and|or|when|if|while|where|after|before|instead|rather|with|without|for|from|in|on|"
    r"every|whenever|unless|until|by|using|like|such|than|about|during|into) )"
)
_DANGLING = re.compile(
    r"(?:^|\s|,)(?:a|an|the|to|of|and|or|but|with|for|in|on|at|by|from|that|which|is|are|was|"
    r"be|when|if|as|"
    r"than|so|because|their|its|your|this|these|those|very|really|not|can|will|would|could|should|"
    r"has|have|had|like|just|into|about|even|more|e\.g|i\.e|such|while|where|users|they|it|"
    r"you|also|"
    r"every|whenever|until|without|some|any|then|there|who|what|how|my|our|being|do|does|"
    r"without|uh|um|"
    r"(?:could|would|should|do|does|did|is|are|was|were|has|have|ca|wo)n't)$",
    re.IGNORECASE,
)

# Two words that do not follow each other in a finished English sentence: a repair in mid-speech.
_REPAIR = re.compile(
    r"\b(?:an?|the|their|our) (?:an?|the|and|or|all|i|we|you|it|that|they)\b|\band and\b"
    r"|\b(?:to|of|for|with) (?:and|or|the i|to)\b|\bbe(?:en)? (?:or|and) \w+ be$",
    re.IGNORECASE,
)
_NO_SUBJECT = re.compile(
    r"(?:that|which) (?:can|could|will|would|should|may|must)\b"
    r"|(?:it|they|he|she|this) (?:between|in|on|at|of|with|for|under|from)\b",
    re.IGNORECASE,
)


def reads_well(name: str) -> bool:
    """Whether a title made from speech can stand as one: whole, with a subject, without repairs."""
    return not _REPAIR.search(name) and not _NO_SUBJECT.match(name)
