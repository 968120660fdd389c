from __future__ import annotations

import numpy as np
import pytest
from data_examples import FABLE, POEM

from danlu.data import logistic
from danlu.data.logistic import Classifier, Features, features, loss_and_gradient, roc_auc, sigmoid

SIZE = 6


def problem(texts: int = 40) -> tuple[Features, np.ndarray]:
    """Some texts of a few n-grams out of SIZE, whose labels the first place mostly decides."""
    generator = np.random.default_rng(3)
    sizes = generator.integers(1, 9, texts)
    indices = generator.integers(0, SIZE, sizes.sum())
    found = Features(indices, np.cumsum(sizes) - sizes)
    share = matrix(found)[:, 0]
    labels = (share + generator.normal(0, 0.15, texts) > 0.15).astype(float)
    return found, labels


def matrix(found: Features) -> np.ndarray:
    """[N, SIZE] each text's shares of the places, counted one by one."""
    dense = np.zeros((len(found.starts), SIZE))
    for row, (start, size) in enumerate(zip(found.starts, found.sizes, strict=True)):
        for index in found.indices[start : start + size]:
            dense[row, index] += 1 / size
    return dense


def newton(dense: np.ndarray, labels: np.ndarray, weights: np.ndarray, l2: float) -> np.ndarray:
    """The exact solution, by Newton's method on all texts at once."""
    inputs = np.hstack([dense, np.ones((len(dense), 1))])
    penalty = l2 * np.diag([1.0] * SIZE + [0.0])
    shares = weights / weights.sum()
    w = np.zeros(SIZE + 1)
    for _ in range(50):
        p = 1 / (1 + np.exp(-inputs @ w))
        gradient = inputs.T @ (shares * (p - labels)) + penalty @ w
        hessian = inputs.T @ (inputs * (shares * p * (1 - p))[:, None]) + penalty
        w = w - np.linalg.solve(hessian, gradient)
    return w


def test_the_gradient_is_that_of_the_loss() -> None:
    found, labels = problem()
    generator = np.random.default_rng(1)
    weights = generator.uniform(0.5, 2, len(labels))
    at = generator.normal(size=SIZE + 1)
    _, gradient = loss_and_gradient(at, found, labels, weights, 0.1)
    for place in range(SIZE + 1):
        step = np.eye(SIZE + 1)[place] * 1e-6
        up, _ = loss_and_gradient(at + step, found, labels, weights, 0.1)
        down, _ = loss_and_gradient(at - step, found, labels, weights, 0.1)
        assert gradient[place] == pytest.approx((up - down) / 2e-6, abs=1e-7)


def test_training_comes_to_newtons_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logistic, "BATCH", 40)  # all texts: the noise of small batches stays
    found, labels = problem()
    l2, share = 1e-2, labels.mean()
    weights = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share))
    exact = newton(matrix(found), labels, weights, l2)
    learnt = logistic.train(found, labels, SIZE, np.random.default_rng(0), epochs=1000, l2=l2)
    best, slope = loss_and_gradient(exact, found, labels, weights, l2)
    reached, _ = loss_and_gradient(learnt, found, labels, weights, l2)
    assert np.abs(slope).max() < 1e-10
    assert best <= reached < best + 1e-6
    inputs = np.hstack([matrix(found), np.ones((len(labels), 1))])
    agree = (inputs @ exact > 0) == (inputs @ learnt > 0)
    assert agree.all()


def test_features_are_the_n_grams_of_each_text_alone() -> None:
    together = features([FABLE, "", POEM, "ab"])
    assert together.sizes.tolist() == [4 * len(FABLE), 0, 4 * len(POEM), 8]
    for row, text in ((0, FABLE), (2, POEM), (3, "ab")):
        assert together.of(np.array([row])).indices.tolist() == features([text]).indices.tolist()
    swapped = together.of(np.array([3, 1, 0]))
    assert swapped.sizes.tolist() == [8, 0, 4 * len(FABLE)]
    different = features(["abcd", "bcda"]).indices
    assert set(different[:16]) != set(different[16:])


def test_scores_are_those_of_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Classifier.fit([FABLE, "a cat"] * 5, [POEM, "a dog!"] * 5)
    texts = [FABLE, "", POEM, "x", FABLE * 30]
    found = features(texts)
    means = [
        float(model.weights[found.of(np.array([row])).indices].astype(float).mean()) if text else 0
        for row, text in enumerate(texts)
    ]
    expected = sigmoid(np.array(means) + model.bias)
    assert model.probabilities(texts) == pytest.approx(expected, abs=1e-12)
    alone = [float(model.probabilities([text])[0]) for text in texts]
    assert model.probabilities(texts).tolist() == alone
    monkeypatch.setattr(logistic, "CHUNK", 11)
    assert model.probabilities(texts).tolist() == alone
    assert model.probabilities([]).tolist() == []


def test_the_same_examples_give_the_same_weights() -> None:
    first, second = (Classifier.fit([FABLE] * 9, [POEM] * 9) for _ in range(2))
    assert np.array_equal(first.weights, second.weights) and first.bias == second.bias


def test_only_the_beginning_is_looked_at() -> None:
    model = Classifier.fit([FABLE] * 9, [POEM] * 9)
    start = FABLE * 20
    scores = model.probabilities([start[: logistic.PREFIX], start[: logistic.PREFIX] + POEM * 99])
    assert scores[0] == scores[1]


def test_roc_auc_counts_pairs() -> None:
    generator = np.random.default_rng(2)
    good, bad = generator.integers(0, 9, 30) + 1.0, generator.integers(0, 9, 50) + 0.0
    pairs = [(g > b) + (g == b) / 2 for g in good for b in bad]
    assert roc_auc(good, bad) == pytest.approx(np.mean(pairs))


def test_sigmoid_does_not_overflow() -> None:
    assert sigmoid(np.array([-1e9, 0.0, 1e9])).tolist() == [0.0, 0.5, 1.0]
