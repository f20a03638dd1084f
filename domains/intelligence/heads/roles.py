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

_MANY_WORDS: Final = 20

_PRIOR: Final = np.array([0.65, 0.25, 0.05, 0.05], np.float32)
"""Roles of a speaker who says little: most texts are sent for what a customer says."""

_PRIOR_SENTENCES: Final = 2
"""Sentences that the prior is worth."""


_MODERATOR: Final = re.compile(
    r"\b(?:interviewer|moderator|facilitator|researcher|host|q|ux|entrevistador|intervistatore)\b",
    re.IGNORECASE,
)
_VENDOR: Final = re.compile(
    r"\b(?:agent|support|rep|representative|sales|seller|assistant|consultant|vendor|csm|ae|bot|"
    r"success|operator|account (?:executive|manager)|maintainer|developer|engineer|staff|helpdesk|"
    r"service desk|product manager|verkäufer|verkauf|vertrieb|berater|kundenservice|vendeur|"
    r"commercial|conseiller|vendedor|ventas|vendas|soporte|suporte|venditore|assistenza|verkoper|"
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
    others with a note in parentheses are hosts. Who opens a ticket is a customer.
    """
    names = list(dict.fromkeys(each.speaker for each in sentences if each.speaker is not None))
    roles: dict[str, Role] = {}
    for name in names:
        if _CUSTOMER.search(name):
            roles[name] = "customer"
        elif _MODERATOR.search(name):
            roles[name] = "moderator"
        elif _VENDOR.search(name):
            roles[name] = "vendor"
    if profile == "support_ticket" and len(names) > 1 and "(" not in names[0]:
        roles.setdefault(names[0], "customer")
    found = set(roles.values())
    for name in names:
        if "customer" in found and "(" in name:
            roles.setdefault(name, "vendor")
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
