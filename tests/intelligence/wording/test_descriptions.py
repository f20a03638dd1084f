"""Descriptions and next steps: who, on what occasion, and the words themselves."""

from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.intelligence.wording.descriptions import Occasion, description, step

DUE = date(2026, 8, 24)


@pytest.mark.parametrize(
    ("language", "speaker", "occasion", "expected"),
    [
        ("en", "Omar Farouk", "conversation", "Omar Farouk in a conversation: “Late again.”"),
        ("en", None, "ticket", "Customer in a ticket: “Late again.”"),
        ("de", "Omar Farouk", "conversation", "Omar Farouk in einem Gespräch: „Late again.“"),
        ("fr", None, "conversation", "Client dans une conversation : « Late again. »"),
        ("es", None, "review", "Cliente en una reseña: «Late again.»"),
        ("pt-BR", None, "review", "Cliente em uma avaliação: “Late again.”"),
        ("it", None, "text", "Cliente in un testo: «Late again.»"),
        ("nl", None, "report", "Klant in een rapport: “Late again.”"),
        ("ja", "オマール", "conversation", "オマール（会話）：「Late again.」"),
        ("tlh", None, "text", "Customer in a text: “Late again.”"),
        (None, "", "report", "Customer in a report: “Late again.”"),
    ],
)
def test_a_description_names_speaker_and_occasion_in_the_language(
    language: str | None, speaker: str | None, occasion: Occasion, expected: str
) -> None:
    assert description(["Late again."], speaker, occasion, language) == expected


def test_sentences_that_do_not_fit_are_left_out_whole() -> None:
    found = description(["First one. " * 20, "Second one. " * 30], "Ann", "conversation", "en")
    assert found.endswith("First one. …”")
    assert "Second" not in found


def test_a_sentence_that_is_too_long_is_cut_at_a_word() -> None:
    found = description(["needle " * 200], "Ann", "conversation", "en")
    assert found.endswith("needle…”")
    assert 480 < len(found) <= 500


def test_quotation_marks_around_a_sentence_are_not_doubled() -> None:
    assert description(["“Late again.”"], None, "text", "en").endswith(": “Late again.”")


def test_marks_that_close_an_earlier_sentence_are_left_out() -> None:
    found = description(["» → elle frappe à la porte."], "Odile", "conversation", "fr")
    assert found.endswith(": « elle frappe à la porte. »")


@given(
    sentences=st.lists(st.text(max_size=700), max_size=4),
    speaker=st.none() | st.text(max_size=200),
    occasion=st.sampled_from(get_args(Occasion)),
    language=st.sampled_from(["en", "de", "fr", "es", "pt", "it", "nl", "ja", "xx", None]),
)
def test_descriptions_and_steps_are_bounded(
    sentences: list[str], speaker: str | None, occasion: Occasion, language: str | None
) -> None:
    assert len(description(sentences, speaker, occasion, language)) <= 500
    assert len(step(" ".join(sentences), "B" * 90, speaker, DUE, language)) <= 160


@pytest.mark.parametrize(
    ("language", "owner", "due", "sentence", "expected"),
    [
        ("en", "Ann", None, "Ann,", "Ann: Ann"),
        (
            "en",
            "Lindsey Tran",
            DUE,
            "Sure, I'll set up the account and send you the link on Monday.",
            "Lindsey Tran: will set up the account and send you the link on Monday"
            " (due 2026-08-24)",
        ),
        ("en", None, DUE, "So we will call you.", "Will call you (due 2026-08-24)"),
        ("en", "Ann", None, "Let's meet on Friday.", "Ann: Let's meet on Friday"),
        ("en", "Ann", None, "I will not sign that.", "Ann: I will not sign that"),
        ("de", "Ann", DUE, "Na ja, ich schicke es.", "Ann: Ich schicke es (bis 2026-08-24)"),
        ("fr", "Ann", DUE, "Je l'envoie.", "Ann: Je l'envoie (d'ici le 2026-08-24)"),
        ("es", "Ann", DUE, "Te lo mando.", "Ann: Te lo mando (para el 2026-08-24)"),
        ("pt", "Ann", DUE, "Eu mando.", "Ann: Eu mando (até 2026-08-24)"),
        ("it", "Ann", DUE, "Te lo mando.", "Ann: Te lo mando (entro il 2026-08-24)"),
        ("nl", "Ann", DUE, "Ik bel je.", "Ann: Ik bel je (uiterlijk 2026-08-24)"),
        ("ja", "山田", DUE, "はい、資料を送ります。", "山田：資料を送ります（期限：2026-08-24）"),
    ],
)
def test_a_step_is_owner_words_and_due_date(
    language: str, owner: str | None, due: date | None, sentence: str, expected: str
) -> None:
    assert step(sentence, owner, owner, due, language) == expected


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("en", "Ann, could you send it?", "Ann Hale: Could you send it? (said by Bob)"),
        ("de", "Ann, schickst du es?", "Ann Hale: Schickst du es? (sagt Bob)"),
        ("fr", "Vous l'envoyez ?", "Ann Hale: Vous l'envoyez ? (dit par Bob)"),
        ("ja", "送ってください", "Ann Hale：送ってください（Bobの発言）"),
    ],
)
def test_a_step_that_another_person_said_names_both(
    language: str, sentence: str, expected: str
) -> None:
    assert step(sentence, "Bob", "Ann Hale", None, language) == expected
