"""A whole meeting in a few third-person sentences, each with the utterances that it rests on.

Told are the topics of each part of the meeting, and what was said about them that a summary
would have (`acts`). Nothing is added but the words of the templates.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from domains.intelligence import acts
from domains.intelligence.acts import Floats, Utterance
from domains.intelligence.words import STOP_WORDS, stem, word_set


class Source(NamedTuple):
    """Where a point comes from: `utterances[index].text[start:end] == quote`."""

    index: int
    start: int
    end: int
    quote: str


class Point(NamedTuple):
    """One sentence of the summary, and what it rests on, the most telling source first."""

    text: str
    sources: tuple[Source, ...]


_STOP: Final = STOP_WORDS
_SPLIT: Final = re.compile(r"(?<=[.!?])\s+(?=\S)")
_WORD: Final = re.compile(r"[^\W\d_][\w'’\-]*|\d[\d.,%]*|[.,;:?!]")


class Said(NamedTuple):
    source: Source
    speaker: str
    words: list[str]


def sentences(utterances: Sequence[Utterance]) -> list[Said]:
    out = []
    for index, each in enumerate(utterances):
        start = 0
        cuts = [m.span() for m in _SPLIT.finditer(each.text)] + [(len(each.text),) * 2]
        for a, b in cuts:
            q = each.text[start:a]
            if q.strip():
                out.append(Said(Source(index, start, a, q), each.speaker, _WORD.findall(acts.plain(q).replace("_", ""))))
            start = b
    return out


_BEFORE: Final = word_set("the a an our your their its his her my this these those of for in on with about some any new no every each")
_GENERIC: Final = word_set(
    """thing things lot way ways bit kind sort people guy guys time times day days idea ideas point points question questions moment
    stuff case example part end beginning fact minute minutes hour week month year years problem problems reason sense set couple
    number side place hand head course meeting meetings today tomorrow yesterday chair mr mrs ms honourable member members
    minister thank person percent level first second third next last whole order number area areas work lots name maybe basically actually
    okay huge big small different fine sorry true sort minutes half sure hear moment hour past rest job morning afternoon"""
)
_VERBISH: Final = word_set(
    "is are was were said says saying thought thinking guess mean means told telling asked talking talked speak looking looked working trying doing happen happens happened happening called put putting work works coming came got getting gonna wanna let think know want wants need needs see use used using find found called based"
)
_LY: Final = re.compile(r"(?:ly|n't)$")


def _content(word: str) -> bool:
    low = word.lower()
    return low not in _STOP and len(low) > 2 and low[0].isalpha() and "'" not in low and not _LY.search(low) and low not in _VERBISH


class Phrases(NamedTuple):
    where: dict[tuple[str, ...], list[int]]
    shown: dict[tuple[str, ...], str]


def phrases(said: Sequence[Said]) -> Phrases:
    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    forms: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    noun: Counter[str] = Counter()
    total: Counter[str] = Counter()
    runs = []
    for k, s in enumerate(said):
        w = s.words
        i = 0
        while i < len(w):
            if not _content(w[i]):
                i += 1
                continue
            j = i
            while j < len(w) and j - i < 4 and _content(w[j]):
                j += 1
            run = w[i:j]
            led = i > 0 and w[i - 1].lower() in _BEFORE
            runs.append((k, run, led))
            for x in run:
                total[stem(x.lower())] += 1
            if led:
                noun[stem(run[-1].lower())] += 1
            i = j
    for k, run, led in runs:
        for a in range(len(run)):
            for b in range(a + 1, min(len(run), a + 3) + 1):
                part = run[a:b]
                low = [x.lower() for x in part]
                if low[-1] in _GENERIC or low[0] in _GENERIC:
                    continue
                last = stem(low[-1])
                if noun[last] < 1 or noun[last] / total[last] < 0.2:
                    continue
                key = tuple(stem(x) for x in low)
                where[key].append(k)
                forms[key][" ".join(part)] += 1
    shown = {}
    for key, c in forms.items():
        best = max(c.items(), key=lambda x: (x[1], x[0].lower() == x[0], x[0]))[0]
        shown[key] = best
    return Phrases({k: v for k, v in where.items() if len(v) > 1}, shown)


_ROLE: Final = word_set("manager designer marketing interface expert professor chair agent customer interviewer moderator host engineer user phd grad postdoc")


def name(speaker: str, start: bool = False) -> str:
    words = speaker.lower().split()
    bare = re.sub(r"\s*\(.*\)", "", speaker)
    if words and words[-1] in ("manager", "designer", "expert", "interface", "agent", "customer", "interviewer", "chair", "moderator", "host"):
        return ("The " if start else "the ") + bare.removeprefix("The ")
    return bare


def listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


CFG = dict(parts=4, per=4, open=3, key=1, words=140, det=True)


def digest(utterances: Sequence[Utterance], words: int = 140) -> list[Point]:
    said = sentences(utterances)
    if not said:
        return []
    scores = acts.score([Utterance(s.speaker, s.source.quote) for s in said])
    gist = scores.near[:, 3]
    ph = phrases(said)
    n = len(said)
    length = np.array([len(s.words) for s in said], float)
    # parts of equal speech
    parts = np.minimum((np.cumsum(length) - length / 2) / length.sum() * CFG["parts"], CFG["parts"] - 1).astype(int)
    value = {}
    for key, at in ph.where.items():
        mass = sum(gist[k] for k in at)
        # longer phrases cover their parts
        value[key] = mass * (1.0, 1.5, 1.7)[len(key) - 1] * (1 if len(at) > 2 else .6)
    def pick(scored, many, used):
        got = []
        for key in sorted(scored, key=lambda k: (-scored[k], k)):
            if scored[key] <= 0: break
            if any(x in used for x in key): continue
            used.update(key)
            got.append(key)
            if len(got) == many: break
        return got
    def the(key):
        p = ph.shown[key]
        return ("the " + p) if CFG["det"] and p[0].islower() else p
    points = []
    used = set()
    top = pick(value, CFG["open"], used)
    src = lambda keys, rng=None: tuple(said[max((k for k in ph.where[key] if rng is None or k in rng), key=lambda k: (gist[k], -k))].source for key in keys)
    if top:
        points.append(Point("The meeting was about " + listed([the(k) for k in top]) + ".", src(top)))
    openers = ["First, ", "Then, ", "After that, ", "Later, ", "Then, ", "Lastly, "]
    used_sent = set()
    for p in range(CFG["parts"]):
        rng = set(np.flatnonzero(parts == p).tolist())
        local = {}
        for key, at in ph.where.items():
            here = sum(gist[k] for k in at if k in rng)
            if sum(k in rng for k in at) < 2: continue
            local[key] = here * here / (sum(gist[k] for k in at) + 1e-9) * (1.0, 1.5, 1.7)[len(key) - 1]
        keys = pick(local, CFG["per"], used)
        opener = openers[-1] if p == CFG["parts"] - 1 else openers[p]
        share = Counter()
        for k in rng: share[said[k].speaker] += gist[k] * length[k]
        who, much = max(share.items(), key=lambda x: (x[1], x[0])) if share else ("", 0)
        if keys:
            if much > .6 * sum(share.values()):
                t = f"{opener}{name(who)} talked about " + listed([the(k) for k in keys]) + "."
            else:
                t = f"{opener}the group discussed " + listed([the(k) for k in keys]) + "."
            points.append(Point(t, src(keys, rng)))
        # key sentence
        cand = []
        for k in rng:
            t = retold(said[k])
            if t: cand.append((gist[k] * fit(t), -k, k, t))
        for _, _, k, t in sorted(cand, reverse=True)[: CFG["key"]]:
            points.append(Point(t, (said[k].source,)))
    return points


def fit(t):
    n = len(t.split())
    return 1.0 if 9 <= n <= 26 else 0.6 if n <= 34 and n > 6 else 0.1


_LEAD: Final = re.compile(
    r"^(?:(?:so|and|but|well|okay|ok|yeah|yes|no|right|now|then|um|uh|oh|also|actually|basically|like|because|'cause|cause|you know|i mean|alright|all right|sure|plus|anyway|thank you(?: very much)?|mr\.? chair|chair|first of all|maybe|i guess|i suppose|of course|again|in fact)[,.]?\s+)+",
    re.I,
)
_THINK: Final = re.compile(r"^(?:i|we) (?:think|thought|believe|guess|feel|felt|would say|'d say|know|assume|suppose|hope)(?: that)?\s+", re.I)
_PERSON: Final = [
    (re.compile(r"\b" + a + r"\b", re.I), b)
    for a, b in (
        ("i'm", "they were"), ("i am", "they were"), ("i was", "they were"), ("we're", "they were"), ("we are", "they were"),
        ("i've", "they had"), ("we've", "they had"), ("i'll", "they would"), ("we'll", "they would"), ("i'd", "they would"), ("we'd", "they would"),
        ("i", "they"), ("we", "they"), ("my", "their"), ("our", "their"), ("me", "them"), ("us", "them"), ("gonna", "going to"), ("wanna", "want to"),
        ("can", "could"), ("will", "would"), ("it's", "it was"), ("that's", "that was"), ("there's", "there was"),("they're","they were"),
        ("is", "was"), ("are", "were"), ("has","had"), ("have","had"),("don't","did not"),("doesn't","did not"),("can't","could not"),("won't","would not"),("isn't","was not"),("aren't","were not"),
        ("you", "they"), ("your", "their"), ("you're", "they were"),
    )
]


_MODAL=re.compile(r"\b(to|could|would|should|did not|could not|would not|must|may|might) had\b")
def retold(s: Said) -> str:
    if s.source.quote.rstrip().endswith("?"):
        return ""
    t = " ".join(acts.plain(s.source.quote).replace("_", "").split()).rstrip(" .,;!")
    t = _LEAD.sub("", t)
    verb = "said"
    m = _THINK.match(t)
    if m:
        t = t[m.end():]
        verb = "thought"
    if re.match(r"(?:we|you|they|it|i) (?:should|could|need to|have to)\b", t, re.I): verb = "suggested"
    if len(t.split()) < 5: return ""
    for p, r in _PERSON: t = p.sub(r, t)
    t = _MODAL.sub(r"\1 have", t)
    if t[:2] and t[0].isupper() and not t[:2].isupper() and t.split()[0].lower() in _STOP: t = t[0].lower() + t[1:]
    return f"{name(s.speaker, True)} {verb} that {t}."
