"""Embeddings of texts, and clusters."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from domains.intelligence.semantic import clusters
from domains.intelligence.semantic.embeddings import (
    ALL_LANGUAGES,
    ENGLISH,
    SIZE,
    Embedder,
    embedder,
    encoder,
)
from domains.intelligence.semantic.encoder_files import FALLBACK, WEIGHTS, available
from domains.intelligence.semantic.near_duplicates import ENGLISH_BARS, WORDS_BARS

MISSING = Path(__file__).parent / "no weights here"

TOPICS = (
    ("Exports are slow", "CSV export takes forever", "Exporting data takes too long"),
    ("Search is slow", "Search takes ages to answer", "Searching takes far too long"),
    ("Users want dark mode", "A dark theme would be nice", "Please add a dark mode"),
    ("The app crashes on large PDFs", "It crashes with big PDF files", "Large PDFs crash the app"),
    ("Invoices disappeared after the update", "After updating, invoices are gone"),
)


@pytest.fixture(params=["model", "words"])
def model(request: pytest.FixtureRequest) -> Embedder:
    """The installed model and the word-based fallback, in turn."""
    return embedder() if request.param == "model" else embedder(MISSING)


def cosine(one: NDArray[np.int8], two: NDArray[np.int8]) -> float:
    a, b = one.astype(np.float64), two.astype(np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def similarity(model: Embedder, one: str, two: str) -> float:
    """Return the cosine of English texts, by hashed words if there is no model."""
    part = ALL_LANGUAGES if model.name == FALLBACK else ENGLISH
    return cosine(*model.vectors([one, two])[:, part])


def partition(texts: Sequence[str], numbers: Sequence[int]) -> set[frozenset[str]]:
    groups: dict[int, set[str]] = {}
    for text, number in zip(texts, numbers, strict=True):
        groups.setdefault(number, set()).add(text)
    return {frozenset(group) for group in groups.values()}


def test_installed_models_are_used() -> None:
    assert available("minilm").startswith("minilm-int8/")
    assert embedder().name == f"{available('use')}+{available('minilm')}"
    assert embedder() is embedder()


def test_an_encoder_is_loaded_once() -> None:
    assert encoder("use") is encoder("use", WEIGHTS) is encoder(model="use", folder=WEIGHTS)


def test_words_are_the_fallback_without_a_model_file() -> None:
    assert available("use", MISSING) == available("minilm", MISSING) == "tfidf/1"
    assert embedder(MISSING).name == FALLBACK


def test_model_file_with_another_hash_is_not_used(tmp_path: Path) -> None:
    for model in ("minilm", "use"):
        for name in (f"{model}.onnx", f"{model}.tokenizer.json"):
            (tmp_path / name).write_bytes(b"half of it")
    assert available("use", tmp_path) == available("minilm", tmp_path) == "tfidf/1"
    assert embedder(tmp_path).name == FALLBACK


def test_without_the_english_model_texts_have_one_part(tmp_path: Path) -> None:
    for file in WEIGHTS.glob("use.*"):
        (tmp_path / file.name).symlink_to(file)
    model = embedder(tmp_path)
    assert model.name == f"{available('use')}+none"
    assert not model.vectors(["Exports are slow"])[:, ENGLISH].any()


@pytest.mark.parametrize(
    ("text", "is_english"),
    [
        ("The export takes minutes", True),
        ("CSV?", True),
        ("Der Export dauert mehrere Minuten", False),
        ("エクスポートに数分かかります", False),
    ],
)
def test_only_english_texts_and_those_of_unknown_language_have_the_part(
    text: str, *, is_english: bool
) -> None:
    (vector,) = embedder().vectors([text])
    assert vector[ALL_LANGUAGES].any()
    assert vector[ENGLISH].any() == is_english


def test_vector_does_not_depend_on_other_texts(model: Embedder) -> None:
    texts = [text for topic in TOPICS for text in topic] + ["long " * 300, "x", "Größe 大きさ"]
    alone = [model.vectors([text])[0].tobytes() for text in texts]
    together = model.vectors(texts)
    assert [row.tobytes() for row in together] == alone
    backwards = model.vectors([*reversed(texts), *texts])
    assert [row.tobytes() for row in backwards[len(texts) :]] == alone
    assert [row.tobytes() for row in reversed(backwards[: len(texts)])] == alone


def test_vectors_have_the_same_length(model: Embedder) -> None:
    vectors = model.vectors([topic[0] for topic in TOPICS])
    assert vectors.dtype == np.int8
    assert vectors.shape == (len(TOPICS), SIZE)
    is_model = model.name != FALLBACK
    for part in (ALL_LANGUAGES, ENGLISH) if is_model else (ALL_LANGUAGES,):
        # Rounding to bytes changes vectors of hashed words more: all of their numbers are small.
        lengths = np.linalg.norm(vectors[:, part].astype(float), axis=1)
        assert lengths == pytest.approx(127, rel=0.02 if is_model else 0.04)


def test_letter_case_and_white_space_are_ignored(model: Embedder) -> None:
    one, two = model.vectors(["Exports are slow", "  exports\n ARE   slow "])
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_empty_text_has_no_vector(model: Embedder, text: str) -> None:
    assert not model.vectors([text]).any()


def test_empty_list_of_texts(model: Embedder) -> None:
    assert model.vectors([]).shape == (0, SIZE)
    assert clusters.grouped(model.vectors([]), 0.5) == []


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
def test_any_text_has_a_vector(text: str) -> None:
    for model in (embedder(), embedder(MISSING)):
        assert model.vectors([text]).shape == (1, SIZE)


def test_texts_of_one_topic_are_more_similar_than_of_two() -> None:
    topics = [number for number, topic in enumerate(TOPICS) for _ in topic]
    vectors = embedder().vectors([text for topic in TOPICS for text in topic])[:, ENGLISH]
    for number in range(len(TOPICS)):
        first, *others = (row for row, topic in enumerate(topics) if topic == number)
        foreign = (row for row, topic in enumerate(topics) if topic != number)
        nearest_foreign = max(cosine(vectors[first], vectors[row]) for row in foreign)
        assert all(cosine(vectors[first], vectors[row]) > nearest_foreign for row in others)


def test_thresholds_separate_equal_from_similar_statements() -> None:
    bars = ENGLISH_BARS
    assert similarity(embedder(), "Users can't find the audit log", TOPICS[0][0]) < clusters.RELATED
    assert (
        similarity(embedder(), "Users can't find the audit log", "The audit log is hard to find")
        >= bars.suggest
    )
    assert similarity(embedder(), "CSV export takes forever", "Search is slow") < bars.suggest
    assert similarity(embedder(), "Exports are slow", "Search is slow") < bars.suggest
    assert similarity(embedder(), *TOPICS[4]) >= bars.merge


def test_fallback_finds_texts_with_the_same_words() -> None:
    bars = WORDS_BARS
    words = embedder(MISSING)
    assert similarity(words, "Users can't find the audit log", "The audit log is hard to find") >= (
        bars.suggest
    )
    assert similarity(words, "CSV export takes forever", "Search is slow") < 0.42


def _groups(texts: list[str]) -> list[int]:
    return clusters.grouped(embedder().vectors(texts)[:, ENGLISH], clusters.RELATED)


def test_texts_are_grouped_by_topic() -> None:
    texts = [text for topic in TOPICS for text in topic]
    groups = partition(texts, _groups(texts))
    assert {frozenset(TOPICS[3]), frozenset(TOPICS[4])} <= groups
    assert all(any(group <= {*topic} for topic in TOPICS) for group in groups)


# Sparse and dense sets of vectors are grouped by different algorithms.
@pytest.mark.parametrize("group_size", [3, 40])
def test_groups_do_not_depend_on_the_order_of_the_texts(group_size: int) -> None:
    draw = np.random.default_rng(group_size)
    centres = draw.normal(size=(6, SIZE))
    rows = np.repeat(centres, group_size, axis=0) + draw.normal(size=(6 * group_size, SIZE)) * 0.7
    outliers = draw.normal(size=(2, SIZE))
    rows = np.concatenate([rows, outliers])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = np.rint(rows * 127).astype(np.int8)
    names = [str(number) for number in range(len(vectors))]
    expected = {
        *(
            frozenset(names[start : start + group_size])
            for start in range(0, 6 * group_size, group_size)
        ),
        *(frozenset([name]) for name in names[6 * group_size :]),
    }
    order = list(range(len(vectors)))
    for seed in range(4):
        numbers = clusters.grouped(vectors[order], clusters.RELATED)
        assert list(dict.fromkeys(numbers)) == list(range(len(expected)))
        assert partition([names[place] for place in order], numbers) == expected
        Random(seed).shuffle(order)


def test_equal_texts_share_a_group_and_so_do_empty_ones() -> None:
    texts = ["Exports are slow", "", "EXPORTS are slow", "Users want dark mode", " "]
    assert _groups(texts) == [0, 1, 0, 2, 1]
