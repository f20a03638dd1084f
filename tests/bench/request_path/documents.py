"""Documents like those that customers send: long and short, in several languages, with mark-up."""

import random
from typing import Any, Final

import msgspec

# Bytes of the text of a signal.
SIGNAL_BYTES: Final = 2_000

FIELD_TYPES: Final = {
    "priority": "string",
    "score": "int",
    "openedAt": "datetime",
    "value": "double",
    "labels": "list",
    "note": "textarea",
}

SENTENCES: Final = (
    "The export fails every morning, and we have to start it again.",
    "I'd LOVE a button for that!!! Is there one?",
    'She said: "it was fine until v2.14.0\\rc3" — and then nothing.',
    "Seit dem 3. Mai dauert die Übersicht länger als 40 Sekunden, z. B. bei größeren Kunden.",
    "Le tableau de bord n'affiche plus les libellés à côté des montants (€ 1 234,50).",
    "<p>Please&nbsp;see the <b>attached</b> log: <code>ERR_TIMEOUT 0x80070005</code></p>",
    "Our CSV has 48,212 lines;\tabout a third are skipped without a message.",
    "検索が遅いので、毎朝三十分ほど待っています。",
    "Thanks 🙏 works great on mobile, though the dark theme hides the save icon 🙈",
    "> On Tue, Ana wrote:\n> can you share the link?\n\nhttps://files.example/x?id=88&t=%2Fa%2Fb#top",
    "ok",
    "No podemos entrar desde la red de la oficina; con el móvil sí.",
    "Per our call: renewal is at risk unless SSO ships before 30 June, budget is ~120k.",
)
_TITLES: Final = (
    "Exports fail in the morning",
    "Übersicht lädt zu langsam",
    "SSO before the renewal",
    'Label "amount" is missing',
    "Customers wait for large imports and do not know whether anything happens meanwhile",
    "検索が遅い",
)
_PEOPLE: Final = (
    "Ana Berg",
    "Rosa Lind",
    "Jörg Müller-Lüdenscheidt",
    "李 明",
    "O'Neil, Pat",
    "Sam",
)
_COMPANIES: Final = ("halden", "acme", "nordlys", "blue-ox", "tanaka")


class Documents:
    """Generates documents. Two with the same seed generate the same ones."""

    def __init__(self, seed: int = 16) -> None:
        self._random = random.Random(seed)

    def title(self) -> str:
        return f"{self._random.choice(_TITLES)} ({self._random.randrange(9_999)})"

    def text(self, size: int) -> str:
        """Sentences of about `size` bytes of UTF-8 together."""
        sentences: list[str] = []
        length = 0
        while length < size:
            sentences.append(self._random.choice(SENTENCES))
            length += len(sentences[-1].encode()) + 1
        return " ".join(sentences)

    def fields(self) -> dict[str, Any]:
        """Fields of a row, about 600 bytes."""
        values = {
            "priority": self._random.choice(("high", "low", "P1 – urgent", "n/a")),
            "score": self._random.randrange(-5, 10_000),
            "openedAt": f"2024-05-{self._random.randrange(1, 29):02}T15:00:00Z",
            "value": round(self._random.uniform(0, 250_000), 2),
            "labels": self._random.sample(["export", "csv", "größe", "b2b", "sso"], 3),
            "note": self.text(self._random.choice((40, 160, 320))),
        }
        return {
            name: {
                "value": value,
                "fieldType": FIELD_TYPES[name],
                "label": self._random.choice((None, name.title())),
            }
            for name, value in values.items()
        }

    def insight(self) -> tuple[str, str]:
        """Name and description."""
        return self.title(), self.text(self._random.choice((60, 180, 300)))

    def participants(self) -> list[dict[str, Any]]:
        """Participants of a conversation, as it shows them."""
        people = self._random.sample(_PEOPLE, self._random.randrange(2, 6))
        company = self._random.choice(_COMPANIES)
        return [
            {
                "name": name,
                "email": f"p{index}.{self._random.randrange(9_999)}@{company}.example",
                "attended": self._random.random() > 0.2,
            }
            for index, name in enumerate(people)
        ]

    def transcript(self) -> list[dict[str, Any]]:
        return [
            {
                "speaker": self._random.choice(_PEOPLE),
                "text": self._random.choice(SENTENCES),
                "startTime": second * 4.0,
                "endTime": second * 4.0 + 3.5,
            }
            for second in range(12)
        ]

    def row_request(self, source: str, object_type: str) -> dict[str, Any]:
        """Body of POST /v1/rows, with marks for the load generator."""
        return {
            "id": "TKT-@ID@",
            "sourceId": source,
            "objectTypeId": object_type,
            "displayName": self.title(),
            "name": "TKT",
            "public": True,
            "ownerEmails": ["rosa@acme.example"],
            "createdAt": "@TIME@",
            "updatedAt": "@TIME@",
            "fields": self.fields(),
        }

    def signal_request(self) -> dict[str, Any]:
        """Body of POST /external/v1/signals."""
        kind = self._random.choice(("review", "support_ticket", "transcript"))
        return {"text": self.text(SIGNAL_BYTES), "signalType": kind}


def encoded(document: Any) -> str:
    """Compact JSON, as the product stores it."""
    return msgspec.json.encode(document).decode()
