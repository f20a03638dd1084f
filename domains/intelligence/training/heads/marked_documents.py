"""The project's own training documents: invented customer texts with inline labels (CC0).

A line of `data/*.jsonl` is a document. Its text holds marks `[[label,label|words]]`. The labels and
how they were chosen are in `data/README.md`.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from domains.intelligence.findings import Document, Profile
from domains.intelligence.heads.features import Role
from domains.intelligence.own_words.reading import OwnWords, read
from domains.intelligence.training.json_lines import read_json_lines

DATA: Final = Path(__file__).parents[1] / "data"
UNLABELLED: Final = DATA / "unlabelled"
"""Calls without labels of sentences, for names and categories, and titles of calls."""

Kind = Literal[
    "call",
    "chat",
    "interview_notes",
    "minutes",
    "review",
    "survey",
    "ticket",
    "email",
    "issue",
    "report",
    "post",
]
PROFILES: Final[dict[Kind, Profile]] = {
    "call": "transcript",
    "chat": "transcript",
    "interview_notes": "transcript",
    "minutes": "transcript",
    "review": "survey_response",
    "survey": "survey_response",
    "ticket": "support_ticket",
    "email": "support_ticket",
    "issue": "support_ticket",
    "report": "discovery_report",
    "post": "raw",
}

_MARK: Final = re.compile(r"\[\[([^|\[\]]*)\|((?:(?!\[\[|\]\]).)*)\]\]", re.DOTALL)


class Person(msgspec.Struct, omit_defaults=True):
    """A participant. `partner` is on the customer's side of a call with a seller."""

    name: str
    role: Literal["customer", "vendor", "moderator", "partner", "colleague"]
    email: str | None = None


class Label(NamedTuple):
    """A label of a slice of the plain text."""

    start: int
    end: int
    name: str


class SecondReading(msgspec.Struct, omit_defaults=True):
    """Differences of the second reader's labels from the writer's.

    `missed`: numbers of the writer's labels that the reader did not give. `added`: labels that only
    the reader gave. The reader calls all traps `trap`.
    """

    missed: list[int] = []
    added: list[Label] = []


class MarkedDocument(msgspec.Struct, omit_defaults=True, dict=True):
    """A training document. `text` contains the marks, `plain` does not.

    `rivals`: competing or replaced products that the text names. `second`: labels of the same text
    by another reader, if it was read twice.
    """

    id: str
    lang: str
    kind: Kind
    text: str
    category: str | None = None
    title: str | None = None
    started_at: str | None = None
    vendor_domain: str | None = None
    stars: int | None = None
    people: list[Person] = []
    rivals: list[str] = []
    second: SecondReading | None = None

    @property
    def profile(self) -> Profile:
        return PROFILES[self.kind]

    @cached_property
    def plain(self) -> str:
        return _MARK.sub(lambda mark: mark[2], self.text)

    @cached_property
    def labels(self) -> list[Label]:
        """Labels by the writer, in order. `indirect` needs have the suffix ~."""
        labels = []
        removed = 0
        for mark in _MARK.finditer(self.text):
            start = mark.start() - removed
            removed += len(mark[0]) - len(mark[2])
            labels += [
                Label(start, start + len(mark[2]), name.strip()) for name in mark[1].split(",")
            ]
        return labels

    @cached_property
    def second_labels(self) -> list[Label] | None:
        """Labels by the second reader, or None if the document was read once."""
        if self.second is None:
            return None
        missed = frozenset(self.second.missed)
        kept = [label for number, label in enumerate(self.labels) if number not in missed]
        return sorted([*kept, *self.second.added])

    @cached_property
    def own_words(self) -> OwnWords:
        """The sentences that the engine reads in this text."""
        return read(Document(text=self.plain, profile=self.profile))

    def known_roles(self) -> dict[str, Role]:
        """Roles of the speakers that the participants name."""
        roles: dict[str, Role] = {}
        for speaker in {sentence.speaker for sentence in self.own_words.sentences}:
            person = find_person(speaker, self.people)
            if speaker is not None and person is not None:
                roles[speaker] = "customer" if person.role == "partner" else person.role
        return roles


def find_person(label: str | None, people: Sequence[Person]) -> Person | None:
    """Find the person that a speaker label means: a full name, or a part that only one has."""
    if not label:
        return None
    words = _name_words(label)
    names = [(_name_words(person.name), person) for person in people]
    plain = label.removesuffix("さん").removesuffix("様")
    for some in (
        [person for name, person in names if words == name],
        [person for name, person in names if words and (words <= name or name <= words)],
        [person for name, person in names if words & name],
        [person for person in people if plain in person.name],
    ):
        if some:
            return some[0] if len(some) == 1 else None
    return None


_TITLES: Final = frozenset({"dr", "prof", "mr", "mrs", "ms", "chef", "sr", "sra", "herr", "frau"})


def _name_words(name: str) -> frozenset[str]:
    plain = re.sub(r"[(\[].*", "", name).lower()
    return frozenset(plain.replace(".", " ").replace(",", " ").split()) - _TITLES


def read_documents(folder: Path = DATA) -> Iterator[MarkedDocument]:
    """Read all training documents, in the order of the file names.

    The name of a file in DATA begins with the language of its documents, and has "calls" if they
    are calls. All of UNLABELLED are calls.
    """
    for file in sorted(folder.glob("*.jsonl")):
        language, *sort = file.stem.split("-")
        common = {} if folder == UNLABELLED else {"lang": language}
        if folder == UNLABELLED or "calls" in sort:
            common["kind"] = "call"
        for row in read_json_lines(file):
            yield msgspec.convert(common | row, MarkedDocument)
