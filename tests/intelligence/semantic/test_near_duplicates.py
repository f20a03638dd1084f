"""Near duplicates: the same need in several languages, and needs that only look alike."""

import json
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from domains.intelligence.findings import Kind
from domains.intelligence.language import SUPPORTED
from domains.intelligence.semantic import alternatives
from domains.intelligence.semantic.alternatives import concepts, exclude_each_other
from domains.intelligence.semantic.embeddings import ALL_LANGUAGES, ENGLISH, SIZE, embedder
from domains.intelligence.semantic.near_duplicates import (
    Statement,
    distinct,
    most_similar,
    most_similar_sketches,
    sketch,
    statement_text,
)

TABLE: Final = Path(alternatives.__file__).with_suffix(".tsv")
NEEDS: Final = Path(__file__).with_name("needs.jsonl")
"""Invented needs (CC0): `same` are sentences [language, text] of one need, `other` of another that
looks alike and differs in `differs`."""


def _statement(text: str, kind: Kind | None = None) -> Statement:
    return Statement(text, kind, embedder().vectors([text])[0].tobytes())


def _is_same(one: Statement, other: Statement, compared: int = 1) -> bool:
    return most_similar(embedder().name, one, [other], compared) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Der Export nach Excel dauert ewig.", "La exportación a Excel tarda una eternidad."),
        ("Kunnen we de herinneringen uitzetten?", "リマインダーをオフにできますか？"),
        ("The invoice shows the wrong VAT.", "Sulla fattura l'IVA è sbagliata."),
        ("The CSV export is terribly slow", "Exporting to CSV takes forever"),
    ],
)
def test_the_same_need_in_other_words(one: str, other: str) -> None:
    assert _is_same(_statement(one), _statement(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I want to export contacts to Excel.", "Ich möchte Kontakte aus Excel importieren."),
        ("The app crashes on my iPad.", "L'app plante sur mon téléphone Android."),
        ("La fattura arriva in inglese.", "The delivery note arrives in English."),
        ("Please let me pause my subscription.", "Quero cancelar a minha assinatura."),
        ("Demasiadas notificaciones.", "Je ne reçois aucune notification."),
        ("The meeting reminder comes too early.", "会議のリマインダーが遅すぎます。"),
    ],
)
def test_needs_that_look_alike_are_not_the_same(one: str, other: str) -> None:
    assert not _is_same(_statement(one), _statement(other))


def test_praise_is_not_the_same_as_a_pain() -> None:
    praise = _statement("The search is really fast.", "praise")
    assert _is_same(praise, _statement("Die Suche ist richtig schnell.", "praise"))
    assert _is_same(praise, _statement("Die Suche ist richtig schnell."))
    assert not _is_same(praise, _statement("Die Suche ist richtig schnell.", "pain"))


def test_the_more_needs_there_are_the_more_similar_two_must_be() -> None:
    one = _statement("Não consigo encontrar o botão de imprimir.")
    other = _statement("Where on earth is the print button?")
    assert _is_same(one, other)
    assert not _is_same(one, other, compared=10**9)


def test_the_most_similar_that_does_not_differ_is_chosen() -> None:
    others = [
        _statement("Search is slow"),
        _statement("PDF export is slow"),
        _statement("CSV export is slow"),
        _statement("CSV exports are slow"),
    ]
    asked = _statement("CSV export is slow")
    assert most_similar(embedder().name, asked, others) == 2
    assert most_similar(embedder().name, asked, others[:2]) is None
    assert most_similar(embedder().name, asked, []) is None


def test_empty_text_is_similar_to_nothing() -> None:
    assert not _is_same(_statement(""), _statement(""))
    assert not _is_same(_statement("Exports are slow"), _statement(""))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apple Watch のアプリが開きません", {"form_factor": {"watch"}}),
        (
            "Je ne peux pas payer par carte bancaire à la livraison",
            {"payment_method": {"credit_card"}},
        ),
        ("Ich bin über das Ergebnis froh", {}),
        (
            "La exportacion a PDF falla siempre que la uso",
            {"direction": {"export"}, "file_format": {"pdf"}},
        ),
    ],
)
def test_concepts_of_a_text(text: str, expected: dict[str, set[str]]) -> None:
    found = concepts(text)
    assert {name: set(found[name]) for name in expected} == expected
    assert expected or not found


def test_entries_of_the_table_are_words_that_can_match() -> None:
    header, *rows = (line.split("\t") for line in TABLE.read_text("utf-8").splitlines())
    assert header[:2] == ["set", "concept"]
    assert set(header[2:]) == SUPPORTED
    assert all(len(row) == len(header) and all(row) for row in rows)
    assert len({tuple(row[:2]) for row in rows}) == len(rows)
    assert min(Counter(row[0] for row in rows).values()) >= 2
    for row in rows:
        for entry in " ".join(row[2:]).split():
            assert entry == entry.lower()
            assert entry == "-" or not entry.endswith("-*"), entry


def test_long_texts_take_linear_time() -> None:
    """A quadratic function would not return."""
    assert concepts("a" * 200_000) == {}
    assert concepts("export " * 50_000) == {"direction": frozenset({"export"})}


def _needs() -> list[dict[str, Any]]:
    return [json.loads(line) for line in NEEDS.read_text("utf-8").splitlines()]


def test_words_that_exclude_each_other_are_precise() -> None:
    same = [
        exclude_each_other(one, other)
        for need in _needs()
        for side in ("same", "other")
        for (_, one), (_, other) in combinations(need[side], 2)
    ]
    different = [
        exclude_each_other(one, other)
        for need in _needs()
        for (_, one), (_, other) in product(need["same"], need["other"])
    ]
    assert len(same) > 3_000 < len(different)
    assert np.mean(same) < 0.015
    assert np.mean(different) > 0.15


def test_the_bars_are_those_of_unrelated_needs_in_two_languages() -> None:
    needs = _needs()
    sentences = [(place, *each) for place, need in enumerate(needs) for each in need["same"]]
    places, languages, texts = zip(*sentences, strict=True)
    vectors = embedder().vectors(texts)[:, ALL_LANGUAGES].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    is_same = np.equal.outer(places, places)
    is_foreign = ~np.equal.outer(languages, languages)
    unrelated, related = cosines[is_foreign & ~is_same], cosines[is_foreign & is_same]
    assert np.mean(unrelated >= 0.40) == pytest.approx(0.002, abs=0.001)
    assert np.mean(unrelated >= 0.53) == pytest.approx(0.0001, abs=0.0001)
    assert np.mean(related >= 0.40) == pytest.approx(0.64, abs=0.03)


@given(st.binary(min_size=SIZE, max_size=SIZE), st.integers(1, 30))
def test_the_most_similar_sketches_have_the_fewest_different_signs(
    vector: bytes, count: int
) -> None:
    rows = np.random.default_rng(count).integers(-127, 128, (60, SIZE), np.int8)
    asked = np.frombuffer(vector, np.int8)
    sketches = b"".join(sketch(row) for row in rows)
    (found,) = most_similar_sketches(sketches, [sketch(asked)], count)
    expected: set[int] = set()
    for part in (ALL_LANGUAGES, ENGLISH):
        if (asked[part] > 0).any():
            differing = ((rows[:, part] > 0) != (asked[part] > 0)).sum(axis=1)
            expected.update(np.argsort(differing, kind="stable")[:count].tolist())
    assert found == sorted(expected)


# From bytes: a list of as many integers takes far longer to generate.
small_vectors = st.binary(min_size=SIZE, max_size=SIZE).map(
    lambda data: np.maximum(np.frombuffer(data, np.int8), -127)
)


@settings(max_examples=30)
@given(small_vectors, st.lists(small_vectors, min_size=1, max_size=6), st.booleans())
def test_the_most_similar_equals_brute_force(
    query: NDArray[np.int8], others: list[NDArray[np.int8]], near: bool
) -> None:
    if near:
        others = [*others, np.clip(query.astype(int) + 3, -127, 127).astype(np.int8)]
    statements = [Statement("", None, each.tobytes()) for each in others]
    # All random vectors have the part ENGLISH, which is then compared.
    one = query[ENGLISH].astype(float)
    cosines = [
        float(one @ each) / max(float(np.linalg.norm(one) * np.linalg.norm(each)), 1e-9)
        for each in (other[ENGLISH].astype(float) for other in others)
    ]
    best = int(np.argmax(cosines))
    expected = best if cosines[best] >= 0.68 else None
    found = most_similar(embedder().name, Statement("", None, query.tobytes()), statements)
    assert found == expected


@pytest.mark.parametrize(
    ("name", "quote", "expected"),
    [
        (
            "Exports take minutes",
            "Honestly, exports take minutes.",
            "Honestly, exports take minutes.",
        ),
        ("Slow exports", "It takes minutes.", "Slow exports. It takes minutes."),
        ("Slow exports", None, "Slow exports"),
    ],
)
def test_text_of_an_insight(name: str, quote: str | None, expected: str) -> None:
    assert statement_text(name, quote) == expected


def test_texts_with_another_name_number_or_negation_are_distinct() -> None:
    texts = [
        "They decided to go ahead with the pilot",
        "They decided not to go ahead with the pilot",
        "CSV export fails with a timeout",
        "PDF export fails with a timeout",
        "It is four hundred euros a month",
        "It is nine hundred euros a month",
        "The CSV export fails with a timeout",
    ]
    assert distinct(texts) == texts[:-1]
    german = ["der export bricht ab", "der import bricht ab", "der export bricht immer ab"]
    assert distinct(german) == german[:2]
