"""What people wish for and ask, as titles put it: "Users want to …", "Users ask how to …"."""

import re

from domains.intelligence.text.third_person import told
from domains.intelligence.text.words import Lazy


def wish(clause: str, *, internal: bool) -> str:
    """A request in the words of its title; one of no known form is told in the third person."""
    for pattern, template in _WISHES:
        match = pattern().search(clause)
        if not match:
            continue
        rest = match["rest"].strip(" ,.!?")
        if len(rest.split()) < (1 if template.startswith("Users want") else 2):
            continue
        if _SMALL_WORD.match(rest) and not template.startswith("{"):
            rest = rest[0].lower() + rest[1:]
        if template.endswith("to {}") and _NOT_A_VERB.match(rest):
            continue
        wished = template.format(told(rest, headline=False, internal=internal))
        return _by(_WANTED.sub(_wanted, wished), internal=internal)
    return told(clause, headline=True, internal=internal)


def _wanted(match: re.Match[str]) -> str:
    """ "Users would like it if the export kept filters" as "Users want the export to keep them"."""
    modal = match["modal"]
    to = (
        "to"
        if modal in ("could", "would", "can")
        else "not to"
        if modal.startswith("did")
        else f"to {_BASE_FORMS[modal]}"
    )
    return f"Users want {match['what'].strip()} {to} {match['rest']}"


def enquiry(clause: str, *, internal: bool) -> str:
    """A question in the words of its title, without its question mark."""
    clause = clause.rstrip(" ?")
    for pattern, template in _ENQUIRIES:
        match = pattern().search(clause)
        if match and len(match["rest"].split()) >= 1:
            rest = told(match["rest"].strip(" ,?"), headline=False, internal=internal)
            parts = match.groupdict() | {"rest": rest}
            return _by(template, internal=internal).format(rest, **parts)
    return told(clause, headline=False, internal=internal)


def _by(template: str, *, internal: bool) -> str:
    if not internal:
        return template
    return _USERS_DO.sub(lambda match: f"The team {_OF_ONE[match[1]]}", template)


_SMALL_WORD = re.compile(r"(?:An?|The|Some|More|Better|Having|Being|My|Our|Any|Another) ")
_OF_ONE = {
    "want": "wants",
    "need": "needs",
    "ask": "asks",
    "wonder": "wonders",
    "suggest": "suggests",
    "wish": "wishes",
    "would": "would",
}
_USERS_DO = re.compile(rf"^Users ({'|'.join(_OF_ONE)})(?= )")
_WISHES = tuple(
    (Lazy(pattern, re.IGNORECASE), template)
    for pattern, template in (
        (
            r"\bwish(?:ed)? (?:that )?(?:i|we|you|users|they|people|one) (?:could|can|"
            r"were able to|was able to) (?P<rest>.+)",
            "Users want to {}",
        ),
        (
            r"\bwish (?:that )?(?:there (?:was|were|is|would be)|(?:it|you|they|we|i|the app|"
            r"this app) (?:had|have|has|offered|would have|included)) (?P<rest>.+)",
            "Users want {}",
        ),
        (
            r"\bwish (?:that )?(?:it|you|they) (?:could|would|can|supported) (?P<rest>.+)",
            "{}",
        ),
        (r"\bwish (?:that )?(?P<rest>(?!i\b|we\b|you\b).+)", "Users wish {}"),
        (
            r"\b(?:would|'d|will|could) (?:\w+ )?be (?:[\w]+ ){1,4}?(?:if|when) (?:i|we|you|"
            r"users|one|people|they|customers|someone) (?:could|can|were able to|was able to|"
            r"would be able to|had the ability to) (?:also |just |at least )?(?P<rest>.+)",
            "Users want to {}",
        ),
        (
            r"\b(?:would|'d|will|could) (?:\w+ )?be (?:[\w]+ ){1,4}?if (?:there (?:was|were|"
            r"is|would be)|(?:it|you|they|we) (?:had|have|has|added|add|could add|offered|"
            r"would add|included|could have|could include)) (?P<rest>.+)",
            "Users want {}",
        ),
        (
            r"\b(?:would|'d|will|could) (?:\w+ )?be (?:[\w]+ ){1,4}?if (?P<rest>.+)",
            "Users would like it if {}",
        ),
        (
            r"\b(?:would|'d|will|could) (?:\w+ )?be (?:[\w]+ ){1,4}?to (?:be able to |"
            r"have the (?:ability|option) to |get to |also )(?P<rest>.+)",
            "Users want to {}",
        ),
        (
            r"\b(?:would|'d|will|could) (?:\w+ )?be (?:[\w]+ ){1,4}?(?:to (?:have|see|get)|"
            r"having|with) (?P<rest>.+)",
            "Users want {}",
        ),
        (
            r"\b(?:would|'d|will|could) (?:\w+ )?be (?:[\w]+ ){1,4}?to (?P<rest>.+)",
            "Users want to {}",
        ),
        (
            r"(?:\b(?:i|we|users|customers|people)(?: would|'d)|^would) (?:really |also |"
            r"absolutely |definitely |much |just )*(?:love|like|prefer|want)(?: to see|"
            r" to have| to get) (?P<rest>(?!how\b|what\b|if\b).+)",
            "Users want {}",
        ),
        (
            r"(?:\b(?:i|we|users|customers|people)(?: would|'d)|^would) (?:really |also |"
            r"absolutely |definitely |much |just )*(?:love|like|prefer|"
            r"want) (?:to be able )?to (?P<rest>.+)",
            "Users want to {}",
        ),
        (
            r"(?:^|[ ,])(?:i|we|users|customers|people)(?: would|'d) (?:really |also |"
            r"absolutely |definitely |much |just )*(?:love|like|prefer|"
            r"want) (?:for )?(?P<rest>(?!if\b|it\b).+)",
            "Users want {}",
        ),
        (
            r"\b(?:i|we) (?:really |also |still |all |just |desperately )*(?:need|"
            r"want) to (?:be able to |have the ability to )(?P<rest>.+)",
            "Users need to {}",
        ),
        (
            r"^(?:i|we) (?:really |also |still |all |just |desperately )*(?:need|"
            r"want) (?P<rest>(?!to\b).+)",
            "Users need {}",
        ),
        (r"\b(?:looking for|hoping for) (?P<rest>.+)", "Users want {}"),
        (
            r"\b(?:i|we|i'm|we're|am|are)? ?hop(?:e|ing) (?:that )?(?:you|"
            r"they)(?: guys)? (?:can|will|could|would|'ll) (?P<rest>.+)",
            "{}",
        ),
        (
            r"(?<!why )(?<!how )(?<!what )(?<!where )\b(?:could|can|would|"
            r"will) you (?:please |guys |maybe |possibly |also |at least |"
            r"just )*(?P<rest>(?!have\b|be\b).+)",
            "{}",
        ),
        (
            r"\b(?:any plans|are you planning|do you plan) (?:to|on) (?P<rest>.+)",
            "Users ask about plans to {}",
        ),
        (
            r"\b(?:suggest|propose|recommend|consider) (?:that )?(?:adding|to add) (?P<rest>.+)",
            "Add {}",
        ),
        (
            r"^(?:i|we)(?:'d| would)? (?:suggest|propose|recommend) (?P<rest>(?:an?|the|this|"
            r"another|\w+ing)\b.+)",
            "Suggested: {}",
        ),
        (r"\bhow about (?:adding )?(?P<rest>.+)", "Users suggest {}"),
        (r"\bthere (?:should|must|needs to|has to|ought to) be (?P<rest>.+)", "Users want {}"),
        (r"^(?:please|pls|plz|kindly) (?:also |just |do |at least )?(?P<rest>.+)", "{}"),
        (
            r"^.{0,120}[.!?,;]? (?:so )?(?:please|pls|plz) (?:also |just |"
            r"do )?(?P<rest>(?:add|make|fix|include|provide|implement|support|enable|allow|"
            r"bring|let|give|improve|change|remove|introduce) .+)",
            "{}",
        ),
        (r"^(?:missing|lacking|lacks) (?P<rest>.+)", "Missing {}"),
        (
            r"^(?P<rest>(?:an option|the option|option|the ability|ability|a way|"
            r"possibility) (?:to|for|of) .+?) (?:would|should|will) be .+",
            "Users want {}",
        ),
        (
            r"^(?P<rest>(?!(?:if|that|it|this|which|they|then|what|there|"
            r"or)\b).{4,80}?) (?:would|'d|will) (?:also |really )*be (?:very |really |so |"
            r"extremely |super |a |an )*(?:nice|great|good|cool|awesome|helpful|useful|"
            r"amazing|perfect|lovely|fantastic|ideal|handy|excellent|neat|wonderful|"
            r"appreciated|welcome)\b",
            "Users want {}",
        ),
    )
)
_BASE_FORMS = {
    "were": "be",
    "was": "be",
    "kept": "keep",
    "had": "have",
    "let": "let",
    "allowed": "allow",
    "supported": "support",
    "showed": "show",
    "worked": "work",
    "made": "make",
    "gave": "give",
    "remembered": "remember",
    "included": "include",
    "offered": "offer",
}
_WANTED = re.compile(
    r"^Users (?:would like it if|wish) (?P<what>(?:the|this|their|its|an?|[a-z]+s) "
    r"(?:[\w-]+ ){0,3}?|"
    r"[\w-]+ )(?P<modal>could|would|can|didn't|did not|"
    + "|".join(_BASE_FORMS)
    + r") (?P<rest>.+)$"
)
_NOT_A_VERB = re.compile(r"(?:the|a|an|some|more|my|your|this|that|it|them|if)\b", re.IGNORECASE)
_ENQUIRIES = tuple(
    (Lazy(pattern, re.IGNORECASE), template)
    for pattern, template in (
        (r"\bis there (?P<rest>(?:a|any|some) way (?:to|for|of) .+)", "Users ask for {}"),
        (
            r"\bis it possible (?:for (?:us|me) )?to (?P<rest>.+)",
            "Users ask whether it is possible to {}",
        ),
        (
            r"\bhow (?:do|can|would|should|could) (?:i|we|you|users|one|people) (?P<rest>.+)",
            "Users ask how to {}",
        ),
        (r"\bhow to (?P<rest>.+)", "Users ask how to {}"),
        (r"^(?:can|could) (?:i|we|users|people|one) (?P<rest>.+)", "Users ask whether they can {}"),
        (
            r"^(?:can|could) (?P<it>it|(?:the|this|an?) [\w-]+(?: plan)?) (?P<rest>.+)",
            "Users ask whether {it} can {rest}",
        ),
        (
            r"^(?:wondering|curious|not sure|unsure|i'm wondering|i wonder|i was wondering|"
            r"we were wondering|i'm curious) (?P<rest>(?:if|whether|how|what|about|why) .+)",
            "Users wonder {}",
        ),
        (r"^(?P<rest>how (?:much|long|many|often) .+)", "{}"),
    )
)
