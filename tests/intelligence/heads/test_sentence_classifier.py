"""Classification of sentences: needs, traps, roles and languages."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domains.intelligence.findings import Document, Profile
from domains.intelligence.heads.features import ROLES, is_question, sentence_features, word_count
from domains.intelligence.heads.needs import (
    Need,
    Thresholds,
    find_needs,
    merge_repeated,
    split_mixed,
    thresholds,
)
from domains.intelligence.heads.sentence_classifier import (
    HEADS,
    MAX_SENTENCES,
    Classified,
    Head,
    classify,
    classify_parts,
)
from domains.intelligence.own_words.reading import read
from domains.intelligence.text.segmentation import Sentence, spoken

CALL = (
    ("Ines", "Thanks for making time. How do you plan the deliveries today?"),
    ("Marek", "On a whiteboard, and my brother takes a photo of it every evening."),
    ("Marek", "Whenever a driver is ill we start from zero and three customers wait until noon."),
    ("Ines", "So the plan is lost as soon as somebody is ill."),
    (
        "Ines",
        "Our planner redraws all routes with one click, and customers love the tracking page.",
    ),
    ("Marek", "Would it also work for a customer who wants two deliveries a day?"),
    ("Marek", "Invoices are no trouble at all, those run by themselves."),
    ("Ines", "I'll send you the price list by Thursday."),
)


def classified(
    turns: Sequence[tuple[str, str]], roles: dict[str, str] | None = None
) -> tuple[list[Sentence], Classified]:
    sentences = spoken(turns)
    return sentences, classify(sentences, "transcript", roles or {})  # type: ignore[arg-type]


def found(turns: Sequence[tuple[str, str]], roles: dict[str, str] | None = None) -> list[str]:
    sentences, classes = classified(turns, roles)
    needs = find_needs(sentences, classes, thresholds("transcript"))
    return [sentences[need.main].text for need in needs]


@pytest.mark.parametrize("roles", [{}, {"Ines": "vendor", "Marek": "customer"}])
def test_needs_of_the_customer_only(roles: dict[str, str]) -> None:
    said = found(CALL, roles)
    assert any("three customers wait" in each for each in said)
    assert any("two deliveries a day" in each for each in said)
    assert not any("planner redraws" in each or "plan is lost" in each for each in said)
    assert not any("no trouble" in each for each in said)


def test_roles_are_inferred_from_what_speakers_say() -> None:
    _, classes = classified(CALL)
    roles = {speaker: ROLES[int(np.argmax(row))] for speaker, row in classes.roles.items()}
    assert roles == {"Ines": "vendor", "Marek": "customer"}


def test_steps_are_found_for_both_sides() -> None:
    sentences, classes = classified(CALL)
    assert sentences[int(np.argmax(classes.of("step")))].text.startswith("I'll send you the price")


REVIEWS = {
    "en": ("It logs me out in the middle of every order.", "We have used it since March."),
    "de": ("Die App stürzt bei jeder zweiten Bestellung ab.", "Ich wohne in Kassel."),
    "fr": ("L'application plante à chaque commande.", "J'habite à Lille."),
    "es": ("La aplicación se cierra en cada pedido.", "Vivo en Sevilla."),
    "pt": ("O aplicativo fecha sozinho em todo pedido.", "Moro em Recife."),
    "it": ("L'app si blocca a ogni ordine.", "Abito a Torino."),
    "nl": ("De app loopt bij elke bestelling vast.", "Ik woon in Utrecht."),
    "ja": ("注文のたびにアプリが落ちます。", "大阪に住んでいます。"),
}


@pytest.mark.parametrize("language", REVIEWS)
def test_trouble_is_distinguished_from_background_in_every_language(language: str) -> None:
    trouble, background = REVIEWS[language]
    own = read(Document(text=f"{background}\n{trouble}", profile="survey_response"))
    classes = classify(own.sentences, "survey_response", {})
    needs = find_needs(own.sentences, classes, thresholds("survey_response"))
    assert [(need.type, own.sentences[need.main].text) for need in needs] == [("pain", trouble)]


def test_parts_are_classified_in_the_place_of_their_sentence() -> None:
    sentences, classes = classified(CALL)
    text = sentences[2].text if len(sentences) > 2 else ""
    whole = classify_parts(classes, 2, [text])
    assert whole == pytest.approx(classes.probabilities[2:3], abs=1e-3)
    assert classify_parts(classes, 2, ["a", "b", "c"]).shape == (3, len(HEADS))


def test_sentences_of_a_very_long_text_are_read_up_to_a_limit() -> None:
    sentences = spoken([("A", "It logs me out.")] * (MAX_SENTENCES + 2))
    needs_found = classify(sentences, "transcript", {}).of("need")
    assert len(needs_found) == len(sentences)
    assert needs_found[:MAX_SENTENCES].min() > 0
    assert needs_found[MAX_SENTENCES:].tolist() == [0, 0]


def test_no_sentences() -> None:
    classes = classify([], "raw", {})
    assert classes.probabilities.shape == (0, len(HEADS))
    assert find_needs([], classes, thresholds("raw")) == []


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("ABC"), st.text(max_size=40)), max_size=8))
def test_any_speech_is_classified(turns: list[tuple[str, str]]) -> None:
    sentences, classes = classified(turns)
    assert classes.probabilities.shape == (len(sentences), len(HEADS))
    assert ((classes.probabilities > 0) & (classes.probabilities < 1)).all()
    for row in classes.roles.values():
        assert sum(row) == pytest.approx(1, abs=1e-3)


def needs(rows: Sequence[tuple[str, dict[Head, float]]]) -> list[Need]:
    """Find needs in sentences with these speakers and probabilities."""
    sentences = [
        Sentence(f"s{n}", n * 3, n * 3 + 2, speaker or None, None, None, n, "")
        for n, (speaker, _) in enumerate(rows)
    ]
    table = np.zeros((len(rows), len(HEADS)), np.float32)
    for place, (_, values) in enumerate(rows):
        for head, value in values.items():
            table[place, HEADS.index(head)] = value
    return find_needs(
        sentences,
        Classified(table, {}, table, [each.speaker for each in sentences]),
        Thresholds(0.5, 0.3),
    )


PAIN: dict[Head, float] = {"need": 0.7, "pain": 0.9}
MORE: dict[Head, float] = {"need": 0.6, "pain": 0.4, "request": 0.5, "more": 0.4}


def test_sentences_on_one_need_are_one_need() -> None:
    (need,) = needs([("A", PAIN), ("A", MORE), ("A", {})])
    assert (need.type, need.places, need.main) == ("pain", [0, 1], 0)
    assert need.probability == pytest.approx(0.7)


def test_the_type_is_that_of_the_main_sentence() -> None:
    (need,) = needs([("A", PAIN), ("A", MORE | {"need": 0.9})])
    assert (need.type, need.main) == ("request", 1)


def test_another_speaker_does_not_continue_a_need_but_may_come_between() -> None:
    assert [need.places for need in needs([("A", PAIN), ("B", MORE), ("A", MORE)])] == [[0, 2], [1]]


def test_a_need_is_not_continued_from_afar() -> None:
    rows = [("A", PAIN), *[("B", {})] * 4, ("A", MORE)]
    assert [need.places for need in needs(rows)] == [[0], [5]]


def test_paragraphs_without_a_speaker_continue_only_their_neighbour() -> None:
    assert [need.places for need in needs([("", PAIN), ("", MORE)])] == [[0, 1]]
    assert [need.places for need in needs([("", PAIN), ("", {}), ("", MORE)])] == [[0], [2]]


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        ("Love it, but it drains the battery.", "en", ["Love it", "but it drains the battery."]),
        (
            "Die Suche ist super, aber der Export stürzt ständig ab.",
            "de",
            ["Die Suche ist super", "aber der Export stürzt ständig ab."],
        ),
        ("It crashes, although I update it.", "en", ["It crashes, although I update it."]),
    ],
)
def test_sentence_with_needs_of_two_types_is_split(
    text: str, language: str, parts: list[str]
) -> None:
    sentences = spoken([("", text)])
    classes = classify(sentences, "survey_response", {})
    split = split_mixed(sentences, classes, Thresholds(0.3, 0.3), language)
    assert [each.text for each in split.sentences] == parts
    assert [text[each.start : each.end] for each in split.sentences] == parts
    assert split.origins == [0] * len(parts)
    assert len(split.classified.probabilities) == len(split.classified.features) == len(parts)


def test_sentence_is_split_although_others_were_not_read() -> None:
    sentences = spoken([("", "Love it, but it drains the battery."), ("", "Yes.")])
    classes = classify(sentences, "survey_response", {})
    cut = classes._replace(features=classes.features[:1], speakers=classes.speakers[:1])
    split = split_mixed(sentences, cut, Thresholds(0.3, 0.3), "en")
    assert split.origins == [0, 0, 1]
    assert len(split.classified.features) == 2
    assert len(split.classified.probabilities) == 3


def test_repeated_needs_are_one() -> None:
    texts = ["The CSV export is slow.", "The CSV export is really slow.", "The search is slow."]
    sentences = spoken([("A", text) for text in texts])
    found = [Need("pain", [place], place, 0.5 + place / 10) for place, _ in enumerate(sentences)]
    first, second = merge_repeated(sentences, found)
    assert (first.places, first.main, first.probability) == ([0, 1], 1, 0.6)
    assert second.places == [2]
    others = [found[0], found[1]._replace(type="request")]
    assert merge_repeated(sentences, others) == others


@pytest.mark.parametrize(
    ("text", "words"),
    [("two words", 2), ("", 0), ("アプリが落ちます", 3.2), ("naïve café société", 3)],
)
def test_words_are_estimated_in_scripts_without_spaces(text: str, words: float) -> None:
    assert word_count(text) == words


@pytest.mark.parametrize("text", ["Does it?", "Does it? ", "“Does it?”", "使えますか？", "(ok?)"])
def test_questions(text: str) -> None:
    assert is_question(text)
    assert not is_question(text.replace("?", ".").replace("？", "。"))


def test_features_do_not_depend_on_the_profile_of_other_texts() -> None:
    sentences = spoken([("A", "It is slow."), ("B", "Is it?")])
    vectors = np.eye(2, 4, dtype=np.float32)
    profiles: tuple[Profile, ...] = ("raw", "transcript")
    rows = [sentence_features(sentences, each, {}, vectors, vectors[:, :2]) for each in profiles]
    assert rows[0].shape == rows[1].shape
    assert (rows[0] != rows[1]).sum() == 4
