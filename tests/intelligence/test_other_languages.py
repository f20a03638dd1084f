"""Texts in other languages than English: insights and summaries in the customer's own words."""

from datetime import date
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.intelligence.dialogue.turns import Turn
from domains.intelligence.engine import analyse
from domains.intelligence.findings import Document, Product, Profile
from domains.intelligence.language import SUPPORTED
from domains.intelligence.outline import Outline, outline

REVIEWS = {
    "de": (
        "Seit dem letzten Update stürzt die App bei jeder Bestellung ab. Bitte baut einen "
        "dunklen Modus ein. Die Suche findet jetzt endlich jedes Rezept sofort, das ist super."
    ),
    "fr": (
        "Depuis la mise à jour, l'application se ferme à chaque commande. Ajoutez un mode sombre "
        "s'il vous plaît. La recherche est devenue très rapide et précise."
    ),
    "es": (
        "Desde la última actualización la aplicación se cierra en cada pedido. Por favor, añadan "
        "un modo oscuro. El buscador es rapidísimo y encuentra todo."
    ),
    "pt": (
        "Desde a última atualização o aplicativo trava em todo pedido. Por favor, coloquem um modo "
        "escuro. A busca ficou muito rápida e acha tudo."
    ),
    "it": (
        "Dopo l'ultimo aggiornamento l'app si blocca a ogni ordine. Aggiungete per favore una "
        "modalità scura. La ricerca è velocissima e trova tutto."
    ),
    "nl": (
        "Sinds de laatste update loopt de app bij elke bestelling vast. Voeg alsjeblieft een "
        "donkere modus toe. Het zoeken gaat nu heel snel en vindt alles."
    ),
    "ja": (
        "アップデートしてから、注文のたびにアプリが落ちます。ダークモードを追加してください。"
        "検索はとても速くなって使いやすいです。"
    ),
}
CALL = (
    ("Jonas Brandt", True, "Guten Morgen, Frau Keller, wie läuft es mit der neuen Software?"),
    ("Eva Keller", False, "Die Dienstpläne verschwinden jedes Mal, wenn zwei gleichzeitig planen."),
    ("Eva Keller", False, "Dann sitzen meine Leute am Sonntag da und schreiben alles neu."),
    ("Jonas Brandt", True, "Unsere neue Version speichert alles automatisch, das lieben alle."),
    ("Eva Keller", False, "Kann man die Pläne auch auf dem Handy freigeben?"),
    ("Jonas Brandt", True, "Ich schicke Ihnen bis Freitag eine Anleitung."),
    ("Eva Keller", False, "Gut, ich teste das nächste Woche mit dem Team und melde mich."),
)


def held(turns: tuple[tuple[str, bool, str], ...] = CALL) -> Outline:
    said = [Turn(speaker, text, ours) for speaker, ours, text in turns]
    return outline(said, "EXTERNAL", "Gespräch", held_on=date(2026, 3, 3))


def test_every_supported_language_has_a_review() -> None:
    assert REVIEWS.keys() == SUPPORTED - {"en"}


@pytest.mark.parametrize("language", REVIEWS)
def test_review_gives_pain_request_and_praise_in_own_words(language: str) -> None:
    text = REVIEWS[language]
    findings = analyse(Document(text=text, profile="survey_response"))
    assert findings.language == language
    assert [insight.kind for insight in findings.insights] == ["pain", "request", "praise"]
    assert [insight.sentiment for insight in findings.insights] == [
        *("negative", "neutral", "positive")
    ]
    for insight in findings.insights:
        # Only the first letter may be changed, to a capital.
        assert insight.name.rstrip("…")[1:] in text
        assert insight.quotes[0].text in insight.description


def test_description_names_speaker_and_occasion_in_the_language_of_the_text() -> None:
    text = "\n".join(f"{speaker}: {said}" for speaker, _, said in CALL)
    insights = analyse(Document(text=text, profile="transcript")).insights
    assert insights[0].description.startswith("Eva Keller in einem Gespräch: „Die Dienstpläne")


def test_statements_of_the_vendor_are_no_findings() -> None:
    text = "\n".join(f"{speaker}: {said}" for speaker, _, said in CALL)
    for insight in analyse(Document(text=text, profile="transcript")).insights:
        assert {quote.speaker for quote in insight.quotes} == {"Eva Keller"}


def test_product_is_recognised_by_its_name() -> None:
    text = "Der Export in Planwerk stürzt jeden Montag ab und wir verlieren eine Stunde."
    products = (Product("p-1", "Planwerk"), Product("p-2", "Plan"))
    (insight,) = analyse(Document(text=text, profile="support_ticket", products=products)).insights
    assert insight.product_id == "p-1"


def test_conversation_has_all_headings_in_own_words() -> None:
    result = held()
    assert result.language == "de"
    assert result.summary["Pain Points"] == [
        "Die Dienstpläne verschwinden jedes Mal, wenn zwei gleichzeitig planen"
    ]
    assert result.summary["Questions"] == ["Kann man die Pläne auch auf dem Handy freigeben?"]
    assert {"Outcome", "Decisions", "Objections", "Pricing", "Requests", "Praise"} <= {
        *result.summary
    }
    quotes = [shown.quote for shown in result.evidence["Pain Points"]]
    assert quotes[0] == CALL[1][2]
    assert all(shown.turn in (1, 2) for shown in result.evidence["Pain Points"])


def test_key_points_are_sentences_with_their_speaker() -> None:
    result = held()
    (point,) = list(result.summary["Key Points"])
    (shown,) = result.evidence["Key Points"]
    speaker, _, words = point.partition(": ")
    assert speaker == CALL[shown.turn][0]
    assert words.rstrip("…")[1:] in shown.quote
    assert shown.quote in CALL[shown.turn][2]


def test_a_long_conversation_has_five_key_points_at_most() -> None:
    said = [Turn(speaker, text, ours=ours) for _ in range(9) for speaker, ours, text in CALL]
    points = outline(said, "EXTERNAL", "Gespräch").evidence["Key Points"]
    assert len(points) == 5
    assert [point.turn for point in points] == sorted(point.turn for point in points)


def test_next_steps_have_owner_and_due_date() -> None:
    steps = held().steps
    assert [(step.owner, step.due) for step in steps] == [
        ("Jonas Brandt", date(2026, 3, 6)),
        ("Eva Keller", date(2026, 3, 13)),
    ]
    assert held().summary["Next Steps"] == [step.item for step in steps]
    assert steps[0].item == (
        "Jonas Brandt: Ich schicke Ihnen bis Freitag eine Anleitung (bis 2026-03-06)"
    )


def test_outcome_is_the_last_step_if_nothing_was_decided() -> None:
    result = held()
    assert result.summary["Decisions"] == []
    assert result.summary["Outcome"] == result.steps[-1].item


def test_sides_are_inferred_if_nobody_is_known_to_be_internal() -> None:
    turns = tuple((speaker, False, text) for speaker, _, text in CALL)
    assert held(turns).summary["Pain Points"] == held().summary["Pain Points"]


def test_one_promise_is_one_step() -> None:
    again = (*CALL, ("Jonas Brandt", True, "Also, ich schicke Ihnen die Anleitung bis Freitag."))
    assert len(held(again).steps) == len(held().steps)


sentences = st.sampled_from(
    [*(part for text in REVIEWS.values() for part in text.split(". ")), "\n", "…", "🙂", "Eva: Ja."]
)


@settings(max_examples=25)
@given(
    st.lists(sentences, min_size=1, max_size=12).map(" ".join),
    st.sampled_from(get_args(Profile)),
)
def test_findings_of_any_text_are_consistent(text: str, profile: Profile) -> None:
    document = Document(text=text, profile=profile)
    findings = analyse(document)
    assert msgspec.json.encode(findings) == msgspec.json.encode(analyse(document))
    for insight in findings.insights:
        assert 0 < len(insight.name) <= 80
        assert 0 <= insight.confidence <= 1
        assert len(insight.quotes) >= 1
        for quote in insight.quotes:
            assert text[quote.start : quote.end] == quote.text
