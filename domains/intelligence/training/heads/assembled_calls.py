"""Calls assembled from other training documents: hosts' lines, and short texts as customers' turns.

They teach the heads that a plain statement counts whatever was said before and after it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from domains.intelligence.training.heads.marked_documents import (
    MarkedDocument,
    Person,
    find_person,
)

_CALLS: Final = 15
"""Calls for each language and part, if it has enough lines. English has more."""
_ENGLISH_CALLS: Final = 40
_SHORTEST, _LONGEST = 3, 9
"""Turns of the customer."""
_MAX_LENGTH: Final = 260
_FEWEST_LINES: Final = 12
_WRITTEN: Final = ("review", "survey", "ticket", "post")
_NAMES: Final = (
    *("Ana", "Tom", "Priya", "Lena", "Jorge", "Mei", "Karl", "Ines", "Owen", "Fatima", "Luca"),
    *("Sofie", "Hiro", "Marta", "Nils", "Chloé", "Ravi", "Greta", "Diego", "Ruth"),
)
_HOSTS: Final = ("Agent", "Interviewer", "Vendor", "Sales rep", "Support", "Host")
_GUESTS: Final = ("Customer", "Client", "User", "Participant", "Caller", "Guest")


class _Lines(NamedTuple):
    """Lines of hosts, and texts of customers, with their marks."""

    host: list[str]
    guest: list[str]


def assembled_calls(documents: Sequence[MarkedDocument], seed: int) -> list[MarkedDocument]:
    """Return calls made of the lines of these documents. The same arguments give the same calls."""
    draw = np.random.default_rng(seed)
    calls = []
    for language, lines in sorted(_lines(documents).items()):
        if min(len(lines.host), len(lines.guest)) >= _FEWEST_LINES:
            count = _ENGLISH_CALLS if language == "en" else _CALLS
            calls += [
                _call(f"assembled-{language}-{seed}-{number}", language, lines, draw)
                for number in range(count)
            ]
    return calls


def _lines(documents: Sequence[MarkedDocument]) -> dict[str, _Lines]:
    found: dict[str, _Lines] = defaultdict(lambda: _Lines([], []))
    for document in documents:
        lines = found[document.lang]
        if document.kind == "call":
            lines.host.extend(_host_lines(document))
        elif document.kind in _WRITTEN and _is_short(document.text):
            lines.guest.append(document.text)
    return found


def _is_short(text: str) -> bool:
    return "\n" not in text and len(text) <= _MAX_LENGTH


def _host_lines(document: MarkedDocument) -> list[str]:
    lines = []
    for line in document.text.split("\n"):
        speaker, colon, said = line.partition(": ")
        person = find_person(speaker, document.people) if colon else None
        is_host = person is not None and person.role in ("vendor", "moderator")
        if is_host and _is_short(said):
            lines.append(said)
    return lines


def _call(
    identifier: str, language: str, lines: _Lines, draw: np.random.Generator
) -> MarkedDocument:
    host, guest = draw.choice(_NAMES, 2, replace=False).tolist()
    if draw.random() < 0.2:
        host, guest = str(draw.choice(_HOSTS)), str(draw.choice(_GUESTS))
    turns = []
    if draw.random() < 0.7:
        turns.append(f"{host}: {draw.choice(lines.host)}")
    for said in draw.choice(lines.guest, int(draw.integers(_SHORTEST, _LONGEST + 1))).tolist():
        turns.append(f"{guest}: {said}")
        if draw.random() < 0.85:
            turns.append(f"{host}: {draw.choice(lines.host)}")
    people = [Person(host, "vendor"), Person(guest, "customer")]
    return MarkedDocument(identifier, language, "call", "\n".join(turns), people=people)
