"""The project's training documents: valid, varied, within their bounds."""

from collections import Counter

import pytest

from domains.intelligence.heads.sentence_classifier import HEADS
from domains.intelligence.training.heads.marked_documents import (
    DATA,
    MarkedDocument,
    Person,
    find_person,
    read_documents,
)
from domains.intelligence.training.heads.sentence_labels import TRAPS, names_by_sentence, reading

LABELS = {
    *("pain", "request", "praise", "question", "more", "opt"),
    *("step", "nostep", "price", "decision", "objection"),
    *TRAPS,
}
LANGUAGES = {"en", "de", "fr", "es", "pt", "it", "nl", "ja"}


@pytest.fixture(scope="module")
def documents() -> list[MarkedDocument]:
    return list(read_documents())


def test_files_are_small() -> None:
    sizes = [file.stat().st_size for file in DATA.glob("*.jsonl")]
    assert max(sizes) < 1_000_000
    assert sum(sizes) < 5_000_000


def test_every_label_is_known_and_every_mark_is_closed(documents: list[MarkedDocument]) -> None:
    for document in documents:
        labels = document.labels + (document.second_labels or [])
        assert {label.name.split("=")[0].rstrip("~") for label in labels} <= LABELS, document.id
        assert "[[" not in document.plain, document.id
        for label in labels:
            assert document.plain[label.start : label.end].strip(), document.id


def test_ids_are_unique(documents: list[MarkedDocument]) -> None:
    assert max(Counter(document.id for document in documents).values()) == 1


def test_all_languages_kinds_and_heads_have_examples(documents: list[MarkedDocument]) -> None:
    by_language = Counter(document.lang for document in documents)
    assert by_language.keys() == LANGUAGES
    assert min(by_language.values()) >= 150
    assert len({document.kind for document in documents}) == 11
    assert len({document.category for document in documents}) >= 20
    assert sum(document.plain.count("\n") + 1 for document in documents) >= 8_000
    names = Counter(label.name.rstrip("~") for document in documents for label in document.labels)
    for name in ("pain", "request", "praise", "question", "more", "step", "price", "objection"):
        assert names[name] >= 500, name
    assert names["decision"] >= 200
    assert sum(names[trap] for trap in TRAPS) >= 2_000


def test_most_documents_were_read_twice(documents: list[MarkedDocument]) -> None:
    twice = sum(document.second_labels is not None for document in documents)
    assert twice / len(documents) > 0.8


def document(text: str) -> MarkedDocument:
    return MarkedDocument(id="x-1", lang="en", kind="ticket", text=text)


def test_marks_are_removed_and_their_offsets_kept() -> None:
    made = document("Hello. [[pain,objection|It fails daily.]] Bye, [[thanks|thank you]].")
    assert made.plain == "Hello. It fails daily. Bye, thank you."
    found = [(made.plain[label.start : label.end], label.name) for label in made.labels]
    assert found == [
        ("It fails daily.", "pain"),
        ("It fails daily.", "objection"),
        ("thank you", "thanks"),
    ]


def test_sentences_have_the_labels_of_the_slices_that_they_overlap() -> None:
    made = document("We have ten seats. [[pain~|I print it all on Fridays.]] [[more|All of it.]]")
    assert names_by_sentence(made, made.labels) == [set(), {"pain"}, {"more"}]
    answers, weights = reading(made, made.labels)
    need, pain, more = (HEADS.index(head) for head in ("need", "pain", "more"))
    assert answers[:, need].tolist() == [0, 1, 1]
    assert answers[:, more].tolist() == [0, 0, 1]
    # The type of what is no need, or only continues one, is not asked for.
    assert weights[:, pain].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Dr. Rao", "Meera Rao"),
        ("Tom", "Tom Ellis"),
        ("Tom Ellis (Quayside)", "Tom Ellis"),
        ("佐藤", "佐藤美咲"),
        ("Ellis", None),
        ("Someone", None),
        (None, None),
    ],
)
def test_speakers_are_found_among_the_people(label: str | None, name: str | None) -> None:
    people = [
        Person("Meera Rao", "customer"),
        Person("Tom Ellis", "vendor"),
        Person("Ida Ellis", "customer"),
        Person("佐藤美咲", "customer"),
    ]
    found = find_person(label, people)
    assert (found.name if found else None) == name
