"""The n-gram models against a dictionary implementation, closed forms and the axioms."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import ConfigError, DataError
from danlu.evaluate.ngram import FALLBACK, NGram, discounts


def reference(tokens, order, vocab_size):
    """p(w | h) of interpolated modified Kneser-Ney, word for word from Chen & Goodman."""
    tokens = [int(t) for t in tokens]
    raw = {
        k: Counter(tuple(tokens[i : i + k]) for i in range(len(tokens) - k + 1))
        for k in range(1, order + 1)
    }
    counts = {order: raw[order]}
    for k in range(1, order):
        before = defaultdict(set)
        for gram in raw[k + 1]:
            before[gram[1:]].add(gram[0])
        counts[k] = {gram: len(different) for gram, different in before.items()}
    taken = {}
    for k in counts:
        n1, n2, n3, n4 = (sum(c == n for c in counts[k].values()) for n in (1, 2, 3, 4))
        taken[k] = (0, *FALLBACK)
        if 0 not in (n1, n2, n3, n4):
            y = n1 / (n1 + 2 * n2)
            d = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
            taken[k] = (0, *d) if min(d) > 0 else taken[k]

    def p(token, past):
        past = tuple(int(t) for t in past)
        k = len(past) + 1
        shorter = 1 / vocab_size if k == 1 else p(token, past[1:])
        after = {gram[-1]: c for gram, c in counts[k].items() if gram[:-1] == past}
        total = sum(after.values())
        if total == 0:
            return shorter
        left = sum(taken[k][min(c, 3)] for c in after.values()) / total
        own = after.get(token, 0)
        return (own - taken[k][min(own, 3)]) / total + left * shorter

    return p


@st.composite
def streams(draw):
    """A skewed training stream, a held-out one, the vocabulary's size and an order."""
    vocab_size, order = draw(st.integers(2, 9)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    weights = rng.dirichlet(np.full(vocab_size, 0.7))
    train = rng.choice(vocab_size, draw(st.integers(order, 300)), p=weights)
    return train, rng.choice(vocab_size, 20), vocab_size, order


@given(streams())
def test_equals_the_reference_and_sums_to_one(case):
    train, held_out, vocab_size, order = case
    model, p = (
        NGram.fit(train, order=order, vocab_size=vocab_size),
        reference(train, order, vocab_size),
    )
    nll, best = model.nll(held_out), model.predict(held_out)
    for at, token in enumerate(held_out):
        past = held_out[max(0, at - order + 1) : at]
        wanted = np.array([p(t, past) for t in range(vocab_size)])
        got = model.distribution(held_out[:at])
        assert wanted.sum() == pytest.approx(1, abs=1e-9)
        assert got == pytest.approx(wanted, abs=1e-10)
        assert math.exp(-nll[at]) == pytest.approx(wanted[token], abs=1e-10)
        assert wanted[best[at]] == pytest.approx(wanted.max(), abs=1e-12)


def test_counts_of_counts_are_used_and_not_only_the_fallback():
    rng = np.random.default_rng(0)
    train = rng.zipf(1.3, 3000) % 40
    model, p = NGram.fit(train, order=3, vocab_size=40), reference(train, 3, 40)
    tail = [train[:0], train[:1], train[5:7], np.array([39, 39])]
    for past in tail:
        wanted = [p(t, past) for t in range(40)]
        assert model.distribution(past) == pytest.approx(wanted, abs=1e-10)


def test_discounts():
    assert discounts(np.repeat([1, 2, 3], [9, 3, 1])) == FALLBACK  # no gram occurs four times
    assert discounts(np.repeat([1, 2, 3, 4], [1, 1, 9, 9])) == FALLBACK  # they would be negative
    assert discounts(np.repeat([1, 2, 3, 4], [4, 2, 2, 3])) == FALLBACK  # D3 would be 0
    y = 40 / 60
    expected = (1 - 2 * y * 10 / 40, 2 - 3 * y * 5 / 10, 3 - 4 * y * 2 / 5)
    assert discounts(np.repeat([1, 2, 3, 4], [40, 10, 5, 2])) == pytest.approx(expected)


def test_unigram_closed_form():
    """Counts 4, 2, 1 of 7 with the fallback discounts, their sum 3 spread over V = 4."""
    train = np.array([0, 0, 0, 0, 1, 1, 2])
    model = NGram.fit(train, order=1, vocab_size=4)
    spread = (1.5 + 1.0 + 0.5) / 7 / 4
    expected = [2.5 / 7 + spread, 1 / 7 + spread, 0.5 / 7 + spread, spread]
    assert model.distribution(np.array([2])) == pytest.approx(expected)
    assert model.nll(np.array([3, 0])) == pytest.approx(-np.log([expected[3], expected[0]]))
    assert model.predict(np.array([3, 1])).tolist() == [0, 0]


def test_ties_go_to_the_lower_id():
    model = NGram.fit(np.array([3, 1, 3, 1, 2, 0]), order=1, vocab_size=4)
    assert model.predict(np.array([0, 0])).tolist() == [1, 1]


def test_a_deterministic_stream_is_learned():
    train = np.tile(np.arange(5), 200).astype(np.uint16)
    model = NGram.fit(train, order=5, vocab_size=5)
    assert model.order == 5
    assert model.nll(train)[5:].max() < 0.01
    assert (model.predict(train)[1:] == train[1:]).all()


def test_entropy_of_a_markov_source():
    """With much text the bigram's loss goes to the source's entropy, the unigram's stays above."""
    rng = np.random.default_rng(1)
    step = rng.dirichlet(np.ones(6), 6)
    stream = [0]
    for u in rng.random(60_000):
        stream.append(int(np.searchsorted(step[stream[-1]].cumsum(), u * 0.999999)))
    train, held_out = np.array(stream[:50_000]), np.array(stream[50_000:])
    entropy = float(np.mean([-np.log(step[a, b]) for a, b in pairwise(held_out)]))
    loss = {n: NGram.fit(train, order=n, vocab_size=6).nll(held_out)[1:].mean() for n in (1, 2, 4)}
    assert loss[2] == pytest.approx(entropy, abs=0.005)
    assert loss[2] <= loss[4] < loss[2] + 0.02 < loss[1]


def test_large_vocabulary_does_not_overflow():
    rng = np.random.default_rng(2)
    train = rng.integers(0, 65_536, 20_000).astype(np.uint16)
    model = NGram.fit(train, order=5, vocab_size=65_536)
    assert (model.predict(train)[5:] == train[5:]).all()
    assert model.distribution(train[:4]).sum() == pytest.approx(1)


def test_empty_held_out_stream():
    model = NGram.fit(np.arange(4), order=2, vocab_size=4)
    assert len(model.nll(np.zeros(0, np.int64))) == len(model.predict(np.zeros(0, np.int64))) == 0


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.array([0, 1]), "too little text"),
        (np.array([0, 1, 2, 9]), "do not fit the vocabulary"),
        (np.array([0, 1, -1, 2]), "do not fit the vocabulary"),
        (np.zeros((2, 3), int), "wrong shape"),
        (np.zeros(5), "wrong shape"),
    ],
)
def test_bad_streams(tokens, message):
    with pytest.raises(DataError, match=message):
        NGram.fit(tokens, order=3, vocab_size=4)


@pytest.mark.parametrize("order", [0, 17])
def test_bad_order(order):
    with pytest.raises(ConfigError, match="order"):
        NGram.fit(np.arange(4), order=order, vocab_size=4)
