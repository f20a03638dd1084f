"""N-grams, weight files and their training keep their laws."""

from importlib import resources

import numpy as np
import pytest

from domains.intelligence.text import linear, ngrams
from domains.intelligence.training.fitting import Head, Shape, best_threshold, fit, held_out
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
    """Per text the buckets of its words and of its characters."""
    units = ngrams.read(texts)
    found = []
    for row in range(len(texts)):
        families = (ngrams.words(units, 3, bits), ngrams.characters(units, 2, 5, bits))
        found.append([tuple(sorted(g.buckets[g.rows == row].tolist())) for g in families])
    return found


def test_a_text_hashes_alike_whatever_stands_around_it() -> None:
    together = rows_of(TEXTS)
    assert together == [rows_of([text])[0] for text in TEXTS]
    assert together[::-1] == rows_of(TEXTS[::-1])


def test_a_word_hashes_alike_wherever_it_stands() -> None:
    first, second = rows_of(["export"], 30), rows_of(["we want to export it now"], 30)
    assert set(first[0][0]) <= set(second[0][0])


def test_case_digits_spaces_and_apostrophes_do_not_count() -> None:
    assert rows_of(["Don’t  stop\n12"]) == rows_of(["don't stop 98"])


def test_buckets_fit() -> None:
    for grams in (
        ngrams.words(ngrams.read(TEXTS), 2, 7),
        ngrams.characters(ngrams.read(TEXTS), 1, 3, 7),
    ):
        assert len(grams.rows) == len(grams.buckets) > 0
        assert 0 <= grams.buckets.min() <= grams.buckets.max() < 128


def small(name: str = "small") -> bytes:
    texts = [each.text for each in written("suggestions", 1)][::5]
    labels = [each.label == "1" for each in written("suggestions", 1)][::5]
    head = Head(np.asarray(labels, np.bool_), threshold=0.4)
    dense = np.asarray([[len(text) / 50, text.endswith("?")] for text in texts], np.float32)
    return fit(name, texts, {"yes": head}, SMALL, dense=dense, trained_on="ours")


def test_training_twice_gives_the_same_bytes() -> None:
    assert small() == small()


def test_a_model_learns_and_scores_alike_alone_and_in_a_batch() -> None:
    model = linear.parsed(small())
    assert model.heads == ("yes",)
    assert model.thresholds == {"yes": 0.4}
    texts = ["Please add a search box.", "I restarted the phone twice.", "日本語", ""]
    dense = np.asarray([[0.5, 0.0], [0.5, 0.0], [0.1, 1.0], [0.0, 0.0]], np.float32)
    batch = model.probabilities(texts, dense)
    alone = [model.probabilities([t], dense[i : i + 1])[0, 0] for i, t in enumerate(texts)]
    assert batch[:, 0].tolist() == alone
    assert batch[0, 0] > 0.5 > batch[1, 0]
    assert model.probabilities([], dense[:0]).shape == (0, 1)


def test_the_version_is_the_content() -> None:
    one, other = linear.parsed(small()), linear.parsed(small("other"))
    assert one.version == linear.parsed(small()).version != other.version


def test_held_out_texts_are_scored_by_models_that_did_not_see_them() -> None:
    texts = [f"number {n} is fine" for n in range(40)]
    answers = np.arange(40) % 2 == 0
    # A group holds both answers of one wording, so nothing can be known about it from the rest.
    groups = np.arange(40) // 2
    found = held_out(texts, {"even": Head(answers)}, SMALL, groups=groups)
    assert found.shape == (40, 1)
    assert 0.3 < found.min() <= found.max() < 0.7


def test_the_best_threshold_parts_yes_from_no() -> None:
    answers = np.asarray([True, True, False, False])
    assert best_threshold(answers, np.asarray([0.9, 0.8, 0.4, 0.1])) == 0.6


SHIPPED = {
    "suggestions": ("suggestion",),
    "reviews": ("bug", "feature", "experience", "rating"),
    "issues": ("bug", "feature", "question"),
}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_weights(name: str) -> None:
    content = (resources.files("domains.intelligence") / "weights" / f"{name}.bin").read_bytes()
    assert len(content) < 400_000
    model = linear.parsed(content)
    assert model.heads == SHIPPED[name]
    assert all(0.1 < threshold < 0.95 for threshold in model.thresholds.values())


def test_written_texts_have_labels_and_no_open_slots() -> None:
    for name, labels in (
        ("suggestions", {"0", "1"}),
        ("issue_titles", {"bug", "feature", "question"}),
        ("issue_bodies", {"bug", "feature", "question"}),
    ):
        texts = written(name, 2)
        assert {each.label for each in texts} == labels
        assert not any("{" in each.text and "}" in each.text for each in texts if not each.hand)
        assert texts == written(name, 2)
        assert len({each.text for each in texts}) > 0.8 * len(texts)
