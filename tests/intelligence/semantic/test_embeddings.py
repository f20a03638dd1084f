"""Vectors that depend on their text alone, and the groups that are made of them."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from domains.intelligence.semantic import clusters
from domains.intelligence.semantic.embeddings import SIZE, Embedder, available, embedder

MISSING = Path(__file__).parent / "no weights here"

MATTERS = (
    ("Exports are slow", "CSV export takes forever", "Exporting data takes too long"),
    ("Search is slow", "Search takes ages to answer", "Searching takes far too long"),
    ("Users want dark mode", "A dark theme would be nice", "Please add a dark mode"),
    ("The app crashes on large PDFs", "It crashes with big PDF files", "Large PDFs crash the app"),
    ("Invoices disappeared after the update", "After updating, invoices are gone"),
)


@pytest.fixture(params=["model", "words"])
def maker(request: pytest.FixtureRequest) -> Embedder:
    return embedder() if request.param == "model" else embedder(MISSING)


def cosine(one: NDArray[np.int8], two: NDArray[np.int8]) -> float:
    a, b = one.astype(np.float64), two.astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def pair(maker: Embedder, one: str, two: str) -> float:
    return cosine(*maker.vectors([one, two]))


def partition(texts: Sequence[str], numbers: Sequence[int]) -> set[frozenset[str]]:
    groups: dict[int, set[str]] = {}
    for text, number in zip(texts, numbers, strict=True):
        groups.setdefault(number, set()).add(text)
    return {frozenset(group) for group in groups.values()}


def test_the_installed_model_is_the_one_that_is_used() -> None:
    assert available().startswith("minilm-int8/")
    assert embedder().name == available()
    assert embedder() is embedder()


def test_without_its_file_words_stand_in_and_say_so() -> None:
    assert available(MISSING) == embedder(MISSING).name == "tfidf/1"


def test_a_file_that_is_not_the_recorded_one_is_not_used(tmp_path: Path) -> None:
    for name in ("minilm.onnx", "minilm.tokenizer.json"):
        (tmp_path / name).write_bytes(b"half of it")
    assert embedder(tmp_path).name == available(tmp_path) == "tfidf/1"


def test_a_vector_depends_on_its_text_alone(maker: Embedder) -> None:
    texts = [text for matter in MATTERS for text in matter] + ["long " * 300, "x", "Größe 大きさ"]
    alone = [maker.vectors([text])[0].tobytes() for text in texts]
    together = maker.vectors(texts)
    assert [row.tobytes() for row in together] == alone
    backwards = maker.vectors([*reversed(texts), *texts])
    assert [row.tobytes() for row in backwards[len(texts) :]] == alone
    assert [row.tobytes() for row in reversed(backwards[: len(texts)])] == alone


def test_vectors_are_unit_vectors_in_bytes(maker: Embedder) -> None:
    vectors = maker.vectors([matter[0] for matter in MATTERS])
    assert vectors.dtype == np.int8
    assert vectors.shape == (len(MATTERS), SIZE)
    assert np.linalg.norm(vectors.astype(float), axis=1) == pytest.approx(127, rel=0.02)


def test_letter_case_and_white_space_have_no_say(maker: Embedder) -> None:
    one, two = maker.vectors(["Exports are slow", "  exports\n ARE   slow "])
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_a_text_with_nothing_in_it_is_near_to_nothing(maker: Embedder, text: str) -> None:
    vectors = maker.vectors([text, "Exports are slow"])
    assert not vectors[0].any()
    assert clusters.nearest(vectors, vectors[0], -1) == []
    assert [row for row, _ in clusters.nearest(vectors, vectors[1], -1)] == [1]


def test_no_texts_have_no_vectors(maker: Embedder) -> None:
    assert maker.vectors([]).shape == (0, SIZE)
    assert clusters.grouped(maker.vectors([])) == []


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
def test_any_text_is_accepted(text: str) -> None:
    for maker in (embedder(), embedder(MISSING)):
        assert maker.vectors([text]).shape == (1, SIZE)


@pytest.mark.parametrize("matter", MATTERS)
def test_the_same_matter_is_nearer_than_another(matter: tuple[str, ...]) -> None:
    first, *others = matter
    for said in others:
        near = pair(embedder(), first, said)
        assert all(
            near > pair(embedder(), first, text)
            for other in MATTERS
            if other is not matter
            for text in other
        )


def test_the_bars_part_what_is_the_same_from_what_sounds_alike() -> None:
    bars = clusters.bars(embedder().name)
    assert pair(embedder(), "Users can't find the audit log", MATTERS[0][0]) < bars.related
    assert (
        pair(embedder(), "Users can't find the audit log", "The audit log is hard to find")
        >= bars.suggest
    )
    assert pair(embedder(), "CSV export takes forever", "Search is slow") < bars.suggest
    assert pair(embedder(), "Exports are slow", "Search is slow") < bars.suggest
    assert pair(embedder(), *MATTERS[4]) >= bars.merge


def test_words_find_those_who_use_the_same_words() -> None:
    bars = clusters.bars("tfidf/1")
    words = embedder(MISSING)
    assert pair(words, "Users can't find the audit log", "The audit log is hard to find") >= (
        bars.suggest
    )
    assert pair(words, "CSV export takes forever", "Search is slow") < bars.related


def _group_numbers(texts: list[str]) -> list[int]:
    maker = embedder()
    return clusters.grouped(maker.vectors(texts), clusters.bars(maker.name).related)


def test_texts_are_grouped_by_matter() -> None:
    texts = [text for matter in MATTERS for text in matter]
    found = partition(texts, _group_numbers(texts))
    assert {frozenset(MATTERS[3]), frozenset(MATTERS[4])} <= found
    assert all(any(group <= {*matter} for matter in MATTERS) for group in found)


@pytest.mark.parametrize("each", [3, 40])
def test_groups_do_not_depend_on_the_order_of_the_texts(each: int) -> None:
    """Sparse bodies and dense ones are grouped in different ways."""
    draw = np.random.default_rng(each)
    centres = draw.normal(size=(6, SIZE))
    rows = np.repeat(centres, each, axis=0) + draw.normal(size=(6 * each, SIZE)) * 0.7
    strays = draw.normal(size=(2, SIZE))
    rows = np.concatenate([rows, strays])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = np.rint(rows * 127).astype(np.int8)
    names = [str(number) for number in range(len(vectors))]
    expected = {
        *(frozenset(names[start : start + each]) for start in range(0, 6 * each, each)),
        *(frozenset([name]) for name in names[6 * each :]),
    }
    order = list(range(len(vectors)))
    for seed in range(4):
        numbers = clusters.grouped(vectors[order])
        assert list(dict.fromkeys(numbers)) == list(range(len(expected)))
        assert partition([names[place] for place in order], numbers) == expected
        Random(seed).shuffle(order)


def test_copies_share_a_group_and_empty_texts_stand_together() -> None:
    texts = ["Exports are slow", "", "EXPORTS are slow", "Users want dark mode", " "]
    assert _group_numbers(texts) == [0, 1, 0, 2, 1]


small = st.lists(
    st.lists(st.integers(-127, 127), min_size=6, max_size=6), min_size=1, max_size=12
).map(lambda rows: np.array(rows, np.int8))


@settings(deadline=None)
@given(small, st.lists(st.integers(-127, 127), min_size=6, max_size=6), st.floats(-1, 1))
def test_nearest_is_what_counting_by_hand_gives(
    vectors: NDArray[np.int8], numbers: list[int], at_least: float
) -> None:
    query = np.array(numbers, np.int8)
    by_hand = [
        (row, cosine(vector, query))
        for row, vector in enumerate(vectors)
        if vector.any() and query.any()
    ]
    found = dict(clusters.nearest(vectors, query, at_least))
    for row, expected in by_hand:
        if abs(expected - at_least) > 1e-9:
            assert (row in found) == (expected > at_least)
        if row in found:
            assert found[row] == pytest.approx(expected, abs=1e-9)
    assert list(found) == sorted(found, key=lambda row: (-found[row], row))


def test_nearest_looks_at_all_of_many() -> None:
    vectors = np.random.default_rng(1).integers(-20, 20, (20_000, 8), np.int8)
    found = clusters.nearest(vectors, vectors[19_000], 0.8)
    values = vectors.astype(np.float64)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    by_hand = np.flatnonzero(values @ values[19_000] >= 0.8)
    assert sorted(row for row, _ in found) == by_hand.tolist()
    assert found[0][0] == 19_000
    assert len({row // 8192 for row, _ in found}) == 3


def test_what_differs_in_a_name_a_number_or_a_not_is_not_dropped() -> None:
    texts = [
        "They decided to go ahead with the pilot",
        "They decided not to go ahead with the pilot",
        "CSV export fails with a timeout",
        "PDF export fails with a timeout",
        "It is four hundred euros a month",
        "It is nine hundred euros a month",
        "The CSV export fails with a timeout",
    ]
    assert clusters.distinct(texts) == texts[:-1]
