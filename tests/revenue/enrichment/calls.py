"""Conversations between a customer and a seller, for the summary tests."""

from typing import Any

from tests.revenue.push_records import STARTED

PEOPLE = [
    {"id": "a", "email": "ana@acme.com", "name": "Ana Ruiz"},
    {"id": "b", "email": "bob@ours.io", "name": "Bob Ray"},
]


def call(*sentences: tuple[str, str]) -> dict[str, Any]:
    """Fields of a conversation with sentences of the customer (`a`) and the seller (`b`)."""
    return {
        "recordingUrl": None,
        "ownerEmails": ["bob@ours.io"],
        "participants": PEOPLE,
        "transcript": [
            {"speakerId": speaker, "text": text, "timestamp": STARTED}
            for speaker, text in sentences
        ],
    }
