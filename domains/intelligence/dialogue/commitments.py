"""Next steps: who takes what on, or is asked to, and by when."""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from domains.intelligence.dialogue import dialogue_acts
from domains.intelligence.dialogue.dialogue_acts import Utterance
from domains.intelligence.dialogue.due_dates import due_date
from domains.intelligence.dialogue.reported_speech import told
from domains.intelligence.dialogue.turns import Said, Talk
from domains.intelligence.text.words import content_stems, tokens, word_set

MOST_STEPS: Final = 10
_LONGEST: Final = 140

# Each is compared with all before it.
_MOST_FOUND: Final = 300

# Sentences of a long meeting, and what the detector must say of a step in one.
_LONG: Final = 80
_LIKELY: Final = 0.03


class Step(Struct, frozen=True):
    """Something to be done after the talk.

    `text` says it in the third person with its due date; `owner` is None where nobody is named;
    `due` only where the words name a time and the day of the talk is known. `about` are the stems
    of the task's words.
    """

    text: str
    owner: str | None
    due: date | None
    said: Said
    about: frozenset[str]
    weight: float


class _Duty(Struct, frozen=True):
    """A match: what is to be done, by whom; `asked`: somebody asks for it and nobody agreed."""

    owner: str | None
    task: str
    weight: float
    asked: bool = False


_ADVERBS: Final = (
    r"(?:(?:also|just|then|definitely|certainly|gladly|probably|go ahead and|try to|make sure to|"
    r"be sure to|quickly|personally|actually)\s+)*"
)
_WILL: Final = r"(?:['’]ll|\s+will|\s+shall|(?:['’]m|['’]re|\s+am|\s+are)\s+(?:going\s+to|gonna))"

# Said of this very moment, of opinions or of nothing in particular: no task for later.
_NEVER: Final = word_set(
    """
    admit agree allow always answer assume be begin believe bet bring briefly buy click continue
    decide describe end explain face first focus generally guess hear hold hope indicate keep know
    like lose love mention miss never not offer only pass probably pull read remember remind repeat
    right say sell show sit skip start stay stop summarise summarize switch think turn wait want
    """
)
# Tasks with some words behind them alone: "get back to you", "look into it", "let you know".
_SELDOM: Final = word_set(
    "come do draw get give go hand have jump leave let look move need pay put save see speak take "
    "talk tell use walk"
)
_WITH: Final = re.compile(
    r"\w+\s+(?:back\s+(?:to|with)|in\s+touch|on\s+a\s+call|a\s+look\s+(?:at|into)|care\s+of|"
    r"(?:you|them|him|her|everyone|everybody)\s+know|over\s+(?:the|your)|together|it\s+to|"
    r"into\s+(?:it|that|this|the|why|how)|the\s+(?:action|notes|minutes)|"
    r"(?:it|that|this)\s+(?:done|over|by|for|to|back)|you\s+(?:a|an|the|some|access|more)|"
    r"(?:my|our)\s+\w+\s+(?:send|review|check|call|write|sign|fix)|"
    r"(?:to|with)\s+(?:my|our|the)\s+(?:\w+\s+)?(?:team|manager|boss|legal|engineers?))\b",
    re.IGNORECASE,
)
_IDLE: Final = re.compile(r"(?:call|open)\s+(?:it|that|this)\b", re.IGNORECASE)


def _is_task(task: str) -> bool:
    verb = task.split(maxsplit=1)[0].lower()
    if verb in _NEVER or _IDLE.match(task):
        return False
    return verb not in _SELDOM or _WITH.match(task) is not None


_REQUESTED: Final = (
    r"(?:send|re-?send|share|forward|introduce|schedule|set\s+up|confirm|e-?mail|provide|invite|"
    r"add|"
    r"call\s+(?:me|us|him|her|them)|fill\s+(?:in|out)|write\s+up|get\s+back|check\s+with|ask|"
    r"review|sign|extend|"
    r"follow\s+up|look\s+into|prepare|put\s+together|reach\s+out|loop\s+in|draft|book|submit|"
    r"upload|escalate|investigate|find\s+out|let\s+(?:me|us)\s+know)\b(?!\s+my\s+screen)"
)
_MEETING: Final = (
    r"(?:schedule|set\s+up|book|meet|plan|sync|reconvene|catch\s+up|regroup|touch\s+base|"
    r"follow\s+up|talk\s+again|speak\s+again|reconnect|get\s+together)\b"
)
_PERSONS: Final = (
    r"(?P<who>(?:our|my|their|your)\s+(?:[\w-]+\s+){0,2}?[\w-]+|legal|procurement|finance|"
    r"engineering|marketing|"
    r"support|security|(?-i:IT)|the\s+[\w-]*\s?team|somebody|someone)"
)
_DOING: Final = (
    r"(?:send|share|schedule|set\s+up|follow\s+up|get\s+back|check|prepare|write|update|introduce|"
    r"book|draft|review|confirm|forward|reach\s+out|put\s+together|arrange|provide|talk\s+to|"
    r"work\s+on|find\s+out|file|fix|bring|import|export|configure|train|sign|approve|contact|"
    r"call|e-?mail|test|deliver|investigate|create|build|run|join|present|set|roll|deploy|ship|"
    r"train|release|"
    r"launch|migrate|install|upload|move|order|hire|add|escalate)\b"
)

_WORK: Final = re.compile(rf"{_DOING}|{_MEETING}", re.IGNORECASE)
_TAKEN_ON: Final = re.compile(
    rf"\b(?P<person>i|we){_WILL}\s+{_ADVERBS}(?P<task>[a-z][\w-]*\b.*)", re.IGNORECASE
)
_LET_ME: Final = re.compile(
    r"\blet\s+me\s+(?P<task>(?:get\s+back|follow\s+up|find\s+out|check\s+(?:with|whether|if)|"
    r"look\s+into|talk\s+to|speak\s+(?:to|with)|confirm|send)\b.*)",
    re.IGNORECASE,
)
REQUEST: Final = re.compile(
    rf"(?:\b(?:can|could|would|will)\s+you\s+(?:please\s+|maybe\s+|also\s+|just\s+|possibly\s+)*|"
    rf"\b(?:i|we)\s+(?:need|want|would\s+like|'d\s+like)\s+you\s+to\s+|"
    rf"^(?:and\s+)?please\s+(?:also\s+|just\s+)?)"
    rf"(?P<task>(?:\w+(?:\s+\w+){{0,3}}\s+and\s+)?{_REQUESTED}.*)",
    re.IGNORECASE,
)
_TOGETHER: Final = re.compile(
    rf"\b(?:let['’]?s|let\s+us|shall\s+we|we\s+should|we\s+can)\s+{_ADVERBS}(?P<task>{_MEETING}.*)",
    re.IGNORECASE,
)
_SHALL_WE: Final = re.compile(
    rf"\b(?:can|could|shall|should)\s+we\s+{_ADVERBS}(?P<task>{_MEETING}.*)", re.IGNORECASE
)
_NAMED: Final = re.compile(
    r"\b(?:next\s+steps?|action\s+items?|to-?dos?)(?:\s+for\s+(?P<who>\w+))?\s+"
    r"(?:is|are|would\s+be|will\s+be)\s+(?:for\s+(?P<other>\w+)\s+)?(?:to\s+)?(?P<task>.+)",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(
    rf"\byou{_WILL}\s+{_ADVERBS}(?P<task>(?:be\s+(?:working|doing|making|designing|looking|"
    rf"responsible)|"
    rf"{_DOING}).*)",
    re.IGNORECASE,
)
_OTHERS: Final = re.compile(
    rf"\b{_PERSONS}(?:['’]ll|\s+will|\s+is\s+going\s+to|"
    rf"\s+are\s+going\s+to)\s+{_ADVERBS}(?P<task>{_DOING}.*)",
    re.IGNORECASE,
)
# What every pattern needs, to look no closer at most of what is said.
_TRIGGER: Final = re.compile(
    r"['’]ll\b|\b(?:will|shall|gonna|going\s+to|let\s+me|let['’]?s|let\s+us|please|you\s+to|"
    r"(?:can|could|would)\s+you|"
    r"we\s+(?:should|can)|(?:can|could|shall|should)\s+we|next\s+steps?|action\s+items?|"
    r"to-?dos?)\b",
    re.IGNORECASE,
)
_DANGLING: Final = re.compile(
    r"(?:,?\s+(?:so\s+that|so|and|or|but|with|to|of|for|the|an?|my|our|your|their|this|when|if))+$",
    re.IGNORECASE,
)
# Single letters and broken repairs, as transcripts of hasty speech have them.
_GARBLED: Final = re.compile(r"\b(?![aiAI]\b)[a-zA-Z]\s|\bno\s+(?:no|yeah)\b|\b(\w+)\s+\1\b")
_CONDITION: Final = re.compile(r"\b(?:if|unless|once)\b", re.IGNORECASE)
# "I told you I'll send it" is no promise of today.
_TOLD: Final = re.compile(r"\b(?:told|said|promised|thought|mentioned)\b", re.IGNORECASE)
_COURTEOUS_IF: Final = re.compile(
    r",?\s*\bif\s+(?:you(?:'d|\s+would)?\s+(?:like|want|prefer)|that(?:'s|\s+is)?\s+(?:works?|okay|"
    r"ok|helps?|helpful)|it\s+helps|possible|needed)\b[^,.]*",
    re.IGNORECASE,
)
_AGREED: Final = re.compile(
    r"\W*(?:sure|yes|yep|yeah|of course|absolutely|will do|no problem|okay|ok|happy to|definitely|"
    r"certainly|gladly|i(?:'ll| will| can)|we(?:'ll| will| can)|can do|done|consider it)\b",
    re.IGNORECASE,
)
_DOUBT: Final = re.compile(
    r"\b(?:maybe|perhaps|might|probably|not|never|won't|don't)\b", re.IGNORECASE
)
_TAIL: Final = re.compile(
    r"(?:[.;?!]\s.*|,?\s+(?:but|because|'cause|so\s+that\s+you|although|though|otherwise)\s.*|"
    r",\s*(?:okay|ok|right|yeah|sure|then|if\s+that'?s\s+ok(?:ay)?)\b.*|\s+(?:okay|for\s+you|then|"
    r"as\s+well|too))$",
    re.IGNORECASE | re.DOTALL,
)


def steps(talk: Talk, held_on: date | None = None) -> list[Step]:
    """The next steps in the order they were agreed, at most ten, each said once.

    In long meetings, where people say "I'll" of all they are doing, a detector must agree.
    """
    found: list[Step] = []
    likely = _likely(talk)
    for index, said in enumerate(talk.said):
        if not _TRIGGER.search(said.text) or len(found) >= _MOST_FOUND:
            continue
        for duty in _duties(talk, said):
            step = _step(talk, said, duty, held_on)
            if step is not None and (step.due is not None or likely[index] >= _LIKELY):
                _add(found, step)
                break
    strongest = sorted(found, key=lambda step: (-step.weight, -step.said.turn))[:MOST_STEPS]
    return sorted(strongest, key=lambda step: (step.said.turn, step.said.start))


def _likely(talk: Talk) -> Sequence[float]:
    """How sure the detector of action items is of each sentence; entirely in short talks."""
    if len(talk.said) < _LONG:
        return [1.0] * len(talk.said)
    scores = dialogue_acts.score([Utterance(each.speaker, each.text) for each in talk.said])
    return [float(each) for each in scores.near[:, dialogue_acts.KINDS.index("action")]]


def _duties(talk: Talk, said: Said) -> Iterator[_Duty]:
    """What a sentence may make somebody's duty, the plainest first."""
    text = _COURTEOUS_IF.sub("", told(said.text))
    if (match := _NAMED.search(text)) is not None:
        yield _Duty(_person(talk, match["who"] or match["other"]), match["task"], 1.0)
    agreed = _AGREED.match(talk.following(said)) is not None
    if (match := REQUEST.search(text)) is not None:
        yield _Duty(talk.addressed(said), match["task"], 0.9 if agreed else 0.6, not agreed)
    if not said.text.rstrip().endswith("?"):
        yield from _taken_on(talk, said, text)
    elif agreed and (match := _SHALL_WE.search(text)) is not None:
        # "Can we meet again on Thursday?" – "Yes, that works."
        yield _Duty("Everybody", match["task"], 0.75)


def _taken_on(talk: Talk, said: Said, text: str) -> Iterator[_Duty]:
    conditional = _CONDITION.search(text) is not None
    late = 0.1 if said.turn >= len(talk.turns) * 0.6 else 0.0
    match = _TAKEN_ON.search(text)
    if match is not None and _is_meant(text, match, conditional=conditional):
        if match["person"].lower() == "i":
            yield _Duty(said.speaker, match["task"], 0.85 + late)
        elif _WORK.match(match["task"]) and not conditional:
            # "We'll see more of it" is a forecast; work that has a name is a plan.
            yield _Duty(_us(talk, said), match["task"], 0.65 + late)
    if (match := _LET_ME.search(text)) is not None:
        yield _Duty(said.speaker, match["task"], 0.7)
    if conditional:
        return
    if (match := _TOGETHER.search(text)) is not None:
        yield _Duty("Everybody", match["task"], 0.55 + 2 * late)
    if (match := _ASSIGNED.search(text)) is not None and (owner := talk.addressed(said)):
        yield _Duty(owner, match["task"], 0.7)
    if (match := _OTHERS.search(text)) is not None:
        yield _Duty(_third(talk, said, match["who"]), match["task"], 0.7)


def _is_meant(text: str, match: re.Match[str], *, conditional: bool) -> bool:
    """Whether it is work, and not only if something else happens first."""
    before = text[: match.start()]
    unsure = (
        _CONDITION.search(before) or _TOLD.search(before) or (conditional and _DOUBT.search(text))
    )
    return _is_task(match["task"]) and not unsure


def _us(talk: Talk, said: Said) -> str:
    """Whose "we" this is: ours, or that of the speaker's side."""
    if talk.audience == "INTERNAL":
        return "The team"
    if said.ours:
        return "We"
    return f"{said.speaker}'s team"


def _person(talk: Talk, name: str | None) -> str | None:
    """The speaker of this name, else None."""
    if name is None:
        return None
    return next((each for each in talk.speakers if name.lower() in each.lower().split()), None)


def _third(talk: Talk, said: Said, who: str) -> str:
    """ "Our admin" is somebody's admin."""
    words = who.split()
    if words[0].lower() in {"our", "my"}:
        if talk.audience == "INTERNAL" or said.ours:
            return f"Our {' '.join(words[1:])}"
        return f"{said.speaker}'s {' '.join(words[1:])}"
    if words[0].lower() == "your":
        other = talk.addressed(said)
        return f"{other}'s {' '.join(words[1:])}" if other else f"The {' '.join(words[1:])}"
    return who[:1].upper() + who[1:] if who.lower() != "it" else "IT"


def _step(talk: Talk, said: Said, duty: _Duty, held_on: date | None) -> Step | None:
    task = _shortened(_TAIL.sub("", _CONTROL.sub(" ", duty.task)).strip(" ,.;:!?"))
    task = _DANGLING.sub("", task)
    if len(task.split()) < 2 or _GARBLED.search(task):
        return None
    due = due_date(task, held_on) if held_on else None
    about = frozenset(content_stems(tokens(task)))
    task = _in_third_person(talk, said, task)
    if not content_stems(tokens(task)):
        return None
    until = f" (due {due.isoformat()})" if due else ""
    if not duty.owner:
        text = task[0].upper() + task[1:]
    elif duty.asked:
        text = f"{said.speaker} asked {duty.owner} to {task}"
    else:
        text = f"{duty.owner} will {task}"
    return Step(
        text=text + until,
        owner=duty.owner,
        due=due,
        said=said,
        about=about,
        weight=duty.weight + (0.1 if due else 0.0),
    )


def _shortened(task: str) -> str:
    if len(task) <= _LONGEST:
        return task
    cut = max(task.rfind(mark, 40, _LONGEST) for mark in (", ", " and "))
    cut = cut if cut > 0 else task.rfind(" ", 0, _LONGEST)
    return task[: cut if cut > 0 else _LONGEST].rstrip(" ,")


# Stand-ins that a text cannot hold by then.
_CONTROL: Final = re.compile(r"[\x00-\x1f]+")
_OTHER, _SELF = "\x02", "\x03"
_YOU_AND_I: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\byou(?=\s+(?:guys|all)\b)\s+\w+", "everybody"),
        (r"\byourselves\b", "themselves"),
        (r"\byour\b", "their"),
        (r"\byou['’]re\b", "they are"),
        (r"\byou['’]ll\b", "they will"),
        (r"\byou\b", _OTHER),
        (r"\b(?:my|mine)\b", "their"),
        (r"\b(?:i['’]m|i am)\b", "they are"),
        (r"\bi['’]ve\b", "they have"),
        (r"\bi\b", "they"),
        (r"\bme\b", _SELF),
    )
)
_WE: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\bwe\b", "they"),
        (r"\b(?-i:us|Us)\b", "them"),
        (r"\bour\b", "their"),
    )
)


def _in_third_person(talk: Talk, said: Said, task: str) -> str:
    """ "Send you my notes" becomes "send Grace their notes"."""
    ours = said.ours or talk.audience == "INTERNAL"
    for pattern, replacement in _YOU_AND_I if ours else (*_YOU_AND_I, *_WE):
        task = pattern.sub(replacement, task)
    return task.replace(_OTHER, talk.addressed(said) or "them").replace(_SELF, said.speaker)


def _add(found: list[Step], step: Step) -> None:
    """A step that was said before is the same step; the one with a due date says more."""
    for index, former in enumerate(found):
        shared = len(step.about & former.about)
        # "Can you set up a workspace?" – "Sure, I'll set it up by Friday."
        answered = former.owner == step.owner and former.said.turn == step.said.turn - 1
        if (shared >= 2 and shared >= 0.6 * min(len(step.about), len(former.about))) or (
            answered and shared and REQUEST.search(former.said.text)
        ):
            if (step.due is not None, step.weight) > (former.due is not None, former.weight):
                found[index] = step
            return
    found.append(step)
