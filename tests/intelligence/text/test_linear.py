"""N-grams, weight files and training of the linear models."""

from importlib import resources

import numpy as np
import pytest

from domains.intelligence.text import linear, ngrams
from domains.intelligence.training.fitting import (
    Head,
    Shape,
    best_threshold,
    fit,
    held_out,
    precise_threshold,
)
from domains.intelligence.training.texts import written

TEXTS = [
    "Please add a dark theme.",
    "The app crashes when I rotate the phone",
    "Größe ändern: 日本語, émoji 🙂 ok?",
    "",
    "   ",
    "a",
    "Don’t stop!! 12 of 345",
]
SMALL = Shape(bits=10, longest_words=2, characters=(3, 4))


def rows_of(texts: list[str], bits: int = 12) -> list[list[tuple[int, ...]]]:
    """The buckets of the words and of the characters of each text."""
    units = ngrams.read(texts)
    buckets = []
    for row in range(len(texts)):
        families = (ngrams.words(units, 3, bits), ngrams.characters(units, 2, 5, bits))
        buckets.append([tuple(sorted(g.buckets[g.rows == row].tolist())) for g in families])
    return buckets


def test_buckets_do_not_depend_on_other_texts() -> None:
    together = rows_of(TEXTS)
    assert together == [rows_of([text])[0] for text in TEXTS]
    assert together[::-1] == rows_of(TEXTS[::-1])


def test_buckets_of_a_word_do_not_depend_on_its_place() -> None:
    first, second = rows_of(["export"], 30), rows_of(["we want to export it now"], 30)
    assert set(first[0][0]) <= set(second[0][0])


def test_case_digits_spaces_and_apostrophes_are_normalised() -> None:
    assert rows_of(["Don’t  stop\n12"]) == rows_of(["don't stop 98"])


def test_buckets_are_within_their_range() -> None:
    for grams in (
        ngrams.words(ngrams.read(TEXTS), 2, 7),
        ngrams.characters(ngrams.read(TEXTS), 1, 3, 7),
    ):
        assert len(grams.rows) == len(grams.buckets) > 0
        assert 0 <= grams.buckets.min() <= grams.buckets.max() < 128


def train_small_model(name: str = "small") -> bytes:
    examples = written("suggestions", 1)[::5]
    texts = [example.text for example in examples]
    labels = [example.label == "1" for example in examples]
    head = Head(np.asarray(labels, np.bool_), threshold=0.4)
    dense = np.asarray([[len(text) / 50, text.endswith("?")] for text in texts], np.float32)
    return fit(name, texts, {"yes": head}, SMALL, dense=dense, trained_on="ours")


def test_training_is_reproducible() -> None:
    assert train_small_model() == train_small_model()


def test_model_learns_and_batches_equal_single_scores() -> None:
    model = linear.parsed(train_small_model())
    assert model.heads == ("yes",)
    assert model.thresholds == {"yes": 0.4}
    texts = ["Please add a search box.", "I restarted the phone twice.", "日本語", ""]
    dense = np.asarray([[0.5, 0.0], [0.5, 0.0], [0.1, 1.0], [0.0, 0.0]], np.float32)
    batch = model.probabilities(texts, dense)
    alone = [model.probabilities([t], dense[i : i + 1])[0, 0] for i, t in enumerate(texts)]
    assert batch[:, 0].tolist() == alone
    assert batch[0, 0] > 0.5 > batch[1, 0]
    assert model.probabilities([], dense[:0]).shape == (0, 1)


def test_version_depends_on_the_content() -> None:
    one, other = linear.parsed(train_small_model()), linear.parsed(train_small_model("other"))
    assert one.version == linear.parsed(train_small_model()).version != other.version


def test_held_out_texts_are_scored_by_models_not_trained_on_them() -> None:
    texts = [f"number {n} is fine" for n in range(40)]
    answers = np.arange(40) % 2 == 0
    # Each group has one text of each answer, so the other groups do not predict its answers.
    groups = np.arange(40) // 2
    scores = held_out(texts, {"even": Head(answers)}, SMALL, groups=groups)
    assert scores.shape == (40, 1)
    assert 0.3 < scores.min() <= scores.max() < 0.7


def test_best_threshold_separates_the_answers() -> None:
    answers = np.asarray([True, True, False, False])
    assert best_threshold(answers, np.asarray([0.9, 0.8, 0.4, 0.1])) == 0.6


def test_precise_threshold_is_the_lowest_with_this_precision() -> None:
    answers = np.asarray([True, False, True, True, False, False])
    probabilities = np.asarray([0.9, 0.8, 0.7, 0.6, 0.4, 0.1])
    assert precise_threshold(answers, probabilities, 1.0) == 0.85
    assert precise_threshold(answers, probabilities, 0.75) == 0.5
    assert precise_threshold(answers, probabilities, 0.6) == 0.25
    assert precise_threshold(~answers, probabilities, 1.0) == 0.85


def test_exclusive_heads_are_learned_together() -> None:
    texts = [f"{word} number {n}" for n in range(20) for word in ("cat", "dog", "cow")]
    heads = {
        word: Head(np.asarray([text.startswith(word) for text in texts]))
        for word in ("cat", "dog", "cow")
    }
    model = linear.parsed(fit("animals", texts, heads, SMALL, are_exclusive=True))
    logits = model.logits(["cat", "dog", "cow"])
    assert model.heads == ("cat", "dog", "cow")
    assert logits.argmax(axis=1).tolist() == [0, 1, 2]
    # A softmax model is only determined up to a constant, so its logits sum to zero.
    assert np.abs(logits.sum(axis=1)).max() < 0.2


SHIPPED = {
    "suggestions": ("suggestion",),
    "reviews": ("bug", "feature", "experience", "rating"),
    "issues": ("bug", "feature", "question"),
}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_model(name: str) -> None:
    content = (resources.files("domains.intelligence") / "weights" / f"{name}.bin").read_bytes()
    assert len(content) < 400_000
    model = linear.parsed(content)
    assert model.heads == SHIPPED[name]
    assert all(0.1 < threshold < 0.95 for threshold in model.thresholds.values())


def test_training_texts_have_labels_and_no_unfilled_placeholders() -> None:
    for name, labels in (
        ("suggestions", {"0", "1"}),
        ("issue_titles", {"bug", "feature", "question"}),
        ("issue_bodies", {"bug", "feature", "question"}),
    ):
        texts = written(name, 2)
        assert {example.label for example in texts} == labels
        generated = [example.text for example in texts if not example.hand]
        assert not any("{" in text and "}" in text for text in generated)
        assert texts == written(name, 2)
        assert len({example.text for example in texts}) > 0.8 * len(texts)
