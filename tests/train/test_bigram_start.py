"""Starting from bigrams: beside the entropy of the counts, and the best of a low rank."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from train_examples import CPU, model, same, snapshot

from danlu.errors import TrainingError
from danlu.models.transformer import Transformer
from danlu.train import bigram_start
from danlu.train.bigram_start import applies, bigram_counts, start

VOCAB = 40


@cache
def text() -> np.ndarray:
    """A text of a random bigram model."""
    generator = np.random.default_rng(0)
    following = generator.dirichlet(np.full(VOCAB, 0.2), size=VOCAB)
    tokens = [0]
    for draw in generator.random(20_000):
        tokens.append(int(np.searchsorted(np.cumsum(following[tokens[-1]]), draw)))
    return np.minimum(tokens, VOCAB - 1).astype(np.uint16)


def shares() -> Tensor:
    """[V, V] how much of the text is token i with token j after it."""
    counts = bigram_counts(text(), VOCAB).double()
    return counts / counts.sum()


def loss_of(logits: Tensor) -> float:
    return float(-(shares() * F.log_softmax(logits.double(), -1)).sum())


def best(rank: int) -> float:
    """The loss of the best bigram model of a rank."""
    torch.manual_seed(0)
    left, right = (torch.randn(VOCAB, rank).double().requires_grad_() for _ in range(2))
    optimizer = torch.optim.LBFGS([left, right], max_iter=200, line_search_fn="strong_wolfe")
    share = shares()

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = -(share * F.log_softmax(left @ right.T, -1)).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(closure().detach())


def fitted(width: int, seed: int = 0) -> tuple[Transformer, float, float]:
    """A model, its loss on the whole text by the present token alone, and what `start` said."""
    built = model(vocab_size=VOCAB, d_model=width, tied=False)
    said = start(built, text(), runtime=CPU, seed=seed)
    with torch.no_grad():
        logits = built(torch.arange(VOCAB)[:, None])[:, 0]
    return built, loss_of(logits), said


def test_wide_models_reach_the_entropy() -> None:
    share = shares()
    entropy = float(torch.special.entr(share).sum() - torch.special.entr(share.sum(1)).sum())
    _, loss, said = fitted(64)
    assert entropy * 0.999 < loss < entropy * 1.02
    assert said == pytest.approx(loss, rel=0.1)  # of the last 512 tokens
    assert loss < 0.75 * loss_of(torch.zeros(VOCAB, VOCAB))


def test_narrow_models_come_near_the_best_of_their_rank() -> None:
    _, loss, _ = fitted(8)
    rank_8 = best(8)
    assert rank_8 * 0.999 < loss < rank_8 * 1.04
    assert rank_8 < best(4) * 0.97, "else the test says nothing"


def test_blocks_are_untouched_and_stay_trainable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigram_start, "STEPS", 20)
    before = snapshot(model(vocab_size=VOCAB, tied=False).blocks)
    built, _, _ = fitted(16)
    assert same(before, snapshot(built.blocks))
    assert all(p.requires_grad and p.grad is None for p in built.parameters())


def test_the_same_seed_gives_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigram_start, "STEPS", 20)
    torch.manual_seed(1)
    one, _, _ = fitted(16)
    torch.manual_seed(2)
    other, _, _ = fitted(16)
    assert same(snapshot(one), snapshot(other))
    assert not same(snapshot(one), snapshot(fitted(16, seed=1)[0]))


def test_blocks_stay_trainable_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigram_start, "LR", float("nan"))
    built = model(vocab_size=VOCAB, tied=False)
    with pytest.raises((TrainingError, ValueError)):
        start(built, text(), runtime=CPU)
    assert all(p.requires_grad for p in built.parameters())


@pytest.mark.parametrize(
    ("changes", "yes"),
    [
        ({"tied": False}, True),
        ({"tied": True}, False),
        ({"tied": False, "position": "learned"}, False),
        ({"tied": False, "position": "sinusoidal"}, False),
        ({"tied": False, "vocab_size": 8192}, True),
        ({"tied": False, "vocab_size": 8193}, False),
    ],
)
def test_where_it_applies(changes: dict[str, Any], yes: bool) -> None:
    assert applies(model(**changes)) is yes


def test_counts() -> None:
    tokens = np.array([2, 0, 1, 0, 1, 1], np.uint16)
    assert bigram_counts(tokens, 3).tolist() == [[0, 2, 0], [1, 1, 0], [1, 0, 0]]
    wide = np.array([8191, 8191], np.uint16)  # no overflow of 16 bits
    assert bigram_counts(wide, 8192)[8191, 8191] == 1


def test_tokens_that_never_occur_are_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigram_start, "STEPS", 20)
    built = model(vocab_size=VOCAB + 24, d_model=16, tied=False)
    start(built, text(), runtime=CPU)
    assert all(torch.isfinite(p).all() for p in built.parameters())
