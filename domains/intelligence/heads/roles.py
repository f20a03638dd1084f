"""Sides of speakers: from participants or speaker labels, else from what the speakers say."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from domains.intelligence.findings import Profile
from domains.intelligence.heads.features import (
    ROLES,
    Floats,
    Role,
    SpeakerRoles,
    is_question,
    word_count,
)
from domains.intelligence.heads.network import Network
from domains.intelligence.text.segmentation import Sentence

_MORE_LIKELY: Final = 0.5
_MANY_WORDS: Final = 20

_PRIOR: Final = np.array([0.65, 0.25, 0.05, 0.05], np.float32)
"""Roles of a speaker who says little: most texts are sent for what a customer says."""

_PRIOR_SENTENCES: Final = 2
"""Sentences that the prior is worth."""


_CUSTOMER_SERVICE: Final = re.compile(
    r"\b(?:customer|client|user|member)s? "
    r"(?:success|support|services?|care|relations|experience|advis\w+|research\w*)\b|"
    r"\bservice clients?\b|\batención al cliente\b|\batendimento ao cliente\b|"
    r"\bservizio clienti\b|\bkunden(?:dienst|service|support|betreuung)\b|お客様(?:サポート|相談)",
    re.IGNORECASE,
)
"""Labels of vendors that have a word for customers."""
_MAKER: Final = re.compile(
    r"\b(?:maintainer|developer|engineer|staff|product manager)\b", re.IGNORECASE
)
"""Labels of vendors in tickets. In calls they are jobs of customers as well."""
_MODERATOR: Final = re.compile(
    r"\b(?:interviewer|moderator|facilitator|researcher|host|q|ux|entrevistador|intervistatore)\b",
    re.IGNORECASE,
)
_VENDOR: Final = re.compile(
    r"\b(?:agent|support|rep|representative|sales|seller|assistant|consultant|vendor|csm|ae|bot|"
    r"success|operator|account (?:executive|manager)|helpdesk|service desk|verkäufer|verkauf|"
    r"vertrieb|berater|kundenservice|vendeur|"
    r"conseiller|vendedor|ventas|vendas|soporte|suporte|venditore|assistenza|verkoper|"
    r"klantenservice)\b|営業|担当|サポート|"
    r"^(?:hello|hi|info|help|service|orders|contact|team|care|noreply|no-reply)@",
    re.IGNORECASE,
)
_CUSTOMER: Final = re.compile(
    r"\b(?:customer|client|user|prospect|participant|interviewee|respondent|guest|patient|member|"
    r"caller|buyer|kunde|kundin|nutzer|cliente|usuario|usuário|utente|klant|gebruiker|"
    r"utilisateur)\b|お客|顧客|ユーザー",
    re.IGNORECASE,
)


def labelled_roles(sentences: Sequence[Sentence], profile: Profile) -> dict[str, Role]:
    """Return roles that the labels of the speakers name, such as "Ana (customer)" or "Agent".

    If some are labelled as hosts, the others are customers. If some are labelled as customers,
    others with a note in parentheses are hosts. The first speaker of a ticket is a customer.
    """
    names = list(dict.fromkeys(each.speaker for each in sentences if each.speaker is not None))
    roles: dict[str, Role] = {}
    for name in names:
        is_maker = profile == "support_ticket" and _MAKER.search(name) is not None
        if is_maker or _CUSTOMER_SERVICE.search(name):
            roles[name] = "vendor"
        elif _CUSTOMER.search(name):
            roles[name] = "customer"
        elif _MODERATOR.search(name):
            roles[name] = "moderator"
        elif _VENDOR.search(name):
            roles[name] = "vendor"
    found = set(roles.values())
    for name in names:
        if "customer" in found and "(" in name:
            roles.setdefault(name, "vendor")
    if profile == "support_ticket" and len(names) > 1 and "(" not in names[0]:
        roles.setdefault(names[0], "customer")
    if set(roles.values()) - {"customer"}:
        for name in names:
            roles.setdefault(name, "customer")
    return roles


def speaker_roles(
    sentences: Sequence[Sentence], vectors: Floats, known: Mapping[str, Role], network: Network
) -> SpeakerRoles:
    """Return the probability of each role by speaker: 0 or 1 for those that are known."""
    roles: dict[str, Sequence[float]] = {
        speaker: [float(role == each) for each in ROLES] for speaker, role in known.items()
    }
    speakers, features = speaker_features(sentences, vectors)
    unknown = [place for place, speaker in enumerate(speakers) if speaker not in known]
    if unknown:
        said = Counter(sentence.speaker for sentence in sentences)
        counts = np.array([[said[speakers[each]]] for each in unknown])
        rows = network.probabilities(features[unknown])
        rows = rows / rows.sum(axis=1, keepdims=True)
        rows = (counts * rows + _PRIOR_SENTENCES * _PRIOR) / (counts + _PRIOR_SENTENCES)
        roles |= {speakers[place]: row.tolist() for place, row in zip(unknown, rows, strict=True)}
    return roles


def hosts(roles: SpeakerRoles) -> frozenset[str]:
    """Return the speakers who are more likely a vendor or a moderator than not."""
    vendor, moderator = ROLES.index("vendor"), ROLES.index("moderator")
    return frozenset(
        speaker for speaker, row in roles.items() if row[vendor] + row[moderator] > _MORE_LIKELY
    )


def speaker_features(sentences: Sequence[Sentence], vectors: Floats) -> tuple[list[str], Floats]:
    """Return the named speakers in order of appearance, and a row of features for each.

    A row holds the mean of the speaker's sentence vectors, then shares between 0 and 1.
    """
    places: dict[str, list[int]] = {}
    for place, sentence in enumerate(sentences):
        if sentence.speaker is not None:
            places.setdefault(sentence.speaker, []).append(place)
    words = [word_count(sentence.text) for sentence in sentences]
    total = max(sum(words), 1)
    rows = []
    for number, own in enumerate(places.values()):
        said = sum(words[place] for place in own)
        shares = [
            len(own) / len(sentences),
            said / total,
            sum(is_question(sentences[place].text) for place in own) / len(own),
            min(said / len(own), _MANY_WORDS) / _MANY_WORDS,
            float(number == 0),
            1 / len(places),
        ]
        rows.append(np.concatenate([vectors[own].mean(axis=0), np.asarray(shares, np.float32)]))
    return list(places), np.asarray(rows, np.float32)
