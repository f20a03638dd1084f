"""Networks of the heads: fitting, the weight file, and combination with n-grams."""

import msgspec
import numpy as np
import pytest

from domains.intelligence.heads.network import Network, NetworkFile, parse
from domains.intelligence.heads.sentence_classifier import HEADS, NGRAM_HEADS, combine
from domains.intelligence.training.heads.network_fitting import Settings, fit
from domains.intelligence.training.heads.report import agreement


def task() -> tuple[np.ndarray, np.ndarray]:
    """Exclusive or of two inputs beside six of noise: not learnable without a hidden layer."""
    inputs = np.random.default_rng(3).normal(size=(600, 8)).astype(np.float32)
    answers = ((inputs[:, :1] > 0) != (inputs[:, 1:2] > 0)).astype(np.float32)
    return inputs, np.concatenate([answers, 1 - answers], axis=1)


SETTINGS = Settings(units=32, epochs=150, rate=3e-3, dropout=0.0)


def fitted(seed: int, weights: np.ndarray | None = None) -> bytes:
    inputs, answers = task()
    weights = np.ones_like(answers) if weights is None else weights
    layers = fit(inputs, answers, weights, seed, SETTINGS)
    return msgspec.msgpack.encode(NetworkFile("test/1", ["yes", "no"], b"", [layers], {}, "noise"))


def test_a_network_learns_from_its_examples() -> None:
    inputs, answers = task()
    found = parse(fitted(1)).probabilities(inputs)
    assert found.shape == answers.shape
    assert ((found > 0.5) == (answers > 0.5)).mean() > 0.9
    assert ((found > 0) & (found < 1)).all()


def test_fitting_is_reproducible() -> None:
    assert fitted(1) == fitted(1) != fitted(2)


def test_answers_without_weight_are_ignored() -> None:
    _, answers = task()
    weights = np.ones_like(answers)
    weights[:, 1] = 0
    inputs, _ = task()
    ignored = parse(fitted(1, weights)).probabilities(inputs)[:, 1]
    assert abs(np.corrcoef(ignored, answers[:, 1])[0, 1]) < 0.9


def test_networks_of_a_file_are_averaged() -> None:
    inputs, _ = task()
    one, two = (msgspec.msgpack.decode(fitted(seed), type=NetworkFile) for seed in (1, 2))
    both = msgspec.structs.replace(one, networks=[*one.networks, *two.networks])
    first, second, found = (
        np.log(rows) - np.log1p(-rows)
        for rows in (Network(each).probabilities(inputs) for each in (one, two, both))
    )
    moderate = (np.abs(first) < 10) & (np.abs(second) < 10)
    assert moderate.any()
    assert found[moderate] == pytest.approx(((first + second) / 2)[moderate], abs=1e-2)


def test_ngrams_change_only_their_heads() -> None:
    own = np.full((1, len(HEADS)), 0.5, np.float32)
    own[0, HEADS.index("trap")] = 0.0001
    found = combine(own, np.full((1, len(NGRAM_HEADS)), 4.0))
    for column, head in enumerate(HEADS):
        if head == "trap":
            assert found[0, column] > own[0, column]
        else:
            assert (found[0, column] > 0.8) == (head in NGRAM_HEADS)


def test_a_likely_trap_is_a_less_likely_need() -> None:
    own = np.full((3, len(HEADS)), 0.5, np.float32)
    own[:, HEADS.index("trap")] = [0.001, 0.5, 0.99]
    found = combine(own, np.zeros((3, len(NGRAM_HEADS))))
    needs = found[:, HEADS.index("need")].tolist()
    assert needs == sorted(needs, reverse=True)
    assert needs[0] > 0.4 > 0.3 > needs[1] > needs[2]
    assert (found[:, HEADS.index("pain")] == 0.5).all()


def test_agreement_of_two_readers() -> None:
    one = np.array([True, True, False, False, False, False])
    other = np.array([True, False, True, False, False, False])
    assert agreement(one, one) == pytest.approx((1, 1))
    assert agreement(one, other) == pytest.approx((0.5, 0.25))
    assert agreement(one, ~one).kappa < 0
    nobody = np.zeros(6, bool)
    assert agreement(nobody, nobody) == (0, 0)
