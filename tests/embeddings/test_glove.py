"""Co-occurrences against brute force, GloVe's cost against autograd, and planted topics."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch
from embedding_examples import FARM, SEA, two_topics

from danlu.embeddings import cooccurrence, glove, words
from danlu.embeddings.glove import Settings
from danlu.embeddings.vectors import Vectors
from danlu.errors import DataError


def by_hand(documents: list[str], window: int) -> dict[tuple[str, str], float]:
    """The whole, symmetric table."""
    table: defaultdict[tuple[str, str], float] = defaultdict(float)
    for document in documents:
        parts = document.split()
        for i, word in enumerate(parts):
            for j in range(max(i - window, 0), min(i + window + 1, len(parts))):
                if i != j:
                    table[word, parts[j]] += 1 / abs(i - j)
    return table


@pytest.mark.parametrize("counted", [7, 64, 1_000_000])
def test_cooccurrences_are_those_of_a_loop(counted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "COUNTED", counted)
    documents = [*two_topics(6, 30), "ship", "", "cow cow cow hay"]
    text = words.read(documents, str.split, min_count=1)
    made, want = cooccurrence.count(text, window=4), by_hand(documents, 4)
    assert made.cells == len(want) and (np.diff(made.rows) >= 0).all()
    for row, column, x in zip(made.rows, made.columns, made.weights, strict=True):
        pair = text.spellings[row], text.spellings[column]
        assert row <= column and want[pair] == pytest.approx(x, rel=1e-5)
        assert want[pair] == pytest.approx(want[pair[::-1]])


def test_cost_and_gradient_are_those_of_the_paper() -> None:
    text = words.read(two_topics(6, 20), str.split, min_count=1)
    table = cooccurrence.count(text, window=3)
    settings = Settings(width=5, x_max=10)
    random = np.random.default_rng(0)
    w = glove.Table(16, 5, random, one=-1).values.double().requires_grad_()
    context = glove.Table(16, 5, random, one=-2).values.double().requires_grad_()
    dense = np.zeros((16, 16))
    dense[table.rows, table.columns] = table.weights
    dense[table.columns, table.rows] = table.weights
    x = torch.from_numpy(dense)
    model = w[:, :5] @ context[:, :5].T + w[:, 5:6] + context[:, 6:].T
    f = (x / 10).clamp(max=1) ** 0.75
    want = (0.5 * f * (model - torch.where(x > 0, x, 1).log()) ** 2)[x > 0].sum()
    want.backward()
    got_w, got_context, cost = torch.zeros_like(w), torch.zeros_like(context), 0.0
    with torch.no_grad():
        for _, chunks in glove.steps(table, settings, random, count=11):
            for c in chunks:
                c = glove.Cells(c.rows, c.columns, c.logs.double(), c.weights.double())
                d_w, d_context, part = glove.gradients(w, context, c)
                got_w.index_add_(0, c.rows, d_w)
                got_context.index_add_(0, c.columns, d_context)
                cost += float(part)
    assert cost == pytest.approx(float(want.detach()), rel=1e-5)
    assert w.grad is not None and context.grad is not None
    torch.testing.assert_close(got_w[:, :6], w.grad[:, :6], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got_context[:, :5], context.grad[:, :5], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got_context[:, 6], context.grad[:, 6], rtol=1e-4, atol=1e-5)


def test_an_update_is_adagrads() -> None:
    table = glove.Table(3, 2, np.random.default_rng(0), one=-1)
    parameter = torch.nn.Parameter(table.values.clone())
    oracle = torch.optim.Adagrad([parameter], lr=0.05, initial_accumulator_value=1.0, eps=0.0)
    for seed in range(3):
        gradient = torch.randn(3, 4, generator=torch.Generator().manual_seed(seed))
        gradient[:, -1] = 0
        table.gradient += gradient
        table.update(0.05)
        parameter.grad = gradient
        oracle.step()
    torch.testing.assert_close(table.values, parameter.detach())


def test_planted_topics_are_found_and_a_seed_repeats() -> None:
    text = words.read(two_topics(), str.split)
    table = cooccurrence.count(text, window=5)
    chosen = Settings(width=8, epochs=60)
    made = glove.train(table, 16, chosen)
    assert made.losses[-1] < made.losses[0] / 2
    vectors = Vectors(text.spellings, made.vectors)
    for topic in (SEA, FARM):
        for word in topic:
            near = {found for found, _ in vectors.nearest(word, 7)}
            assert len(near & set(topic)) >= 6
    assert (glove.train(table, 16, chosen).vectors == made.vectors).all()


def test_nothing_to_fit_is_said() -> None:
    text = words.read(["a", "b"], str.split, min_count=1)
    with pytest.raises(DataError, match="no word has a neighbour"):
        glove.train(cooccurrence.count(text, window=2), 2, Settings())
