"""Calls assembled for training: lines of hosts, and whole short texts of customers."""

import re

from domains.intelligence.training.heads.assembled_calls import assembled_calls
from domains.intelligence.training.heads.marked_documents import MarkedDocument, Person

TEXTS = [
    MarkedDocument(f"t-{number}", "en", "ticket", f"[[pain|Part {number} fails.]]")
    for number in range(12)
]
CALL = MarkedDocument(
    "c-1",
    "en",
    "call",
    "\n".join(f"Rob: Question {number}?\nIda: Answer {number}." for number in range(12)),
    people=[Person("Rob", "vendor"), Person("Ida", "customer")],
)


def test_customers_say_whole_texts_and_hosts_what_hosts_said() -> None:
    calls = assembled_calls([*TEXTS, CALL], 0)
    assert calls
    for call in calls:
        host, guest = (person.name for person in call.people)
        for line in call.plain.split("\n"):
            speaker, _, said = line.partition(": ")
            pattern = r"Question \d+\?" if speaker == host else r"Part \d+ fails\."
            assert re.fullmatch(pattern, said)
            assert speaker in (host, guest)
        assert {label.name for label in call.labels} == {"pain"}
        assert set(call.known_roles()) <= {host, guest}


def test_the_same_documents_give_the_same_calls() -> None:
    documents = [*TEXTS, CALL]
    assert assembled_calls(documents, 1) == assembled_calls(documents, 1)
    assert assembled_calls(documents, 1) != assembled_calls(documents, 2)


def test_few_lines_give_no_call() -> None:
    assert assembled_calls([*TEXTS[:3], CALL], 0) == []
