"""Skip-gram with negative sampling against a loop over pairs, and on planted topics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from embedding_examples import FARM, SEA, two_topics
from torch import Tensor
from torch.nn.functional import logsigmoid

from danlu.embeddings import skip_gram, windows, words
from danlu.embeddings.skip_gram import Settings
from danlu.embeddings.vectors import Vectors
from danlu.errors import TrainingError

P = 128
SMALL = Settings(width=8, window=3, epochs=4, sample=0, lr=0.1)


def some_steps(text: words.Words, window: int) -> tuple[windows.Windows, list[skip_gram.Step]]:
    random = np.random.default_rng(3)
    one = windows.draw(text, window=window, keep=text.keep(0), random=random)
    noise = np.cumsum(text.noise())
    return one, [
        step for _, step in skip_gram.steps(one, noise, window=window, positions=P, random=random)
    ]


def by_pairs(v: Tensor, u: Tensor, one: windows.Windows, steps: list[skip_gram.Step]) -> Tensor:
    """The loss as the paper writes it, pair by pair; negatives are those of the pair's step."""
    total = torch.zeros((), dtype=v.dtype)
    for i, centre in enumerate(one.ids.tolist()):
        step = steps[i // P]
        noise = logsigmoid(-(u[step.negatives] @ v[centre])).mean()
        for j in range(i - int(one.left[i]), i + int(one.right[i]) + 1):
            if j != i:
                total = total - logsigmoid(u[int(one.ids[j])] @ v[centre]) - 5 * noise
    return total


def test_gradients_are_those_of_a_loop_over_pairs() -> None:
    text = words.read(two_topics(4, 34), str.split, min_count=1)
    one, steps = some_steps(text, window=3)
    assert len(steps) == 2 and steps[1].is_pair.sum() > 0
    torch.manual_seed(0)
    v, u = (torch.randn(16, 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    want = by_pairs(v, u, one, steps)
    want.backward()
    got_v, got_u = torch.zeros_like(v), torch.zeros_like(u)
    total = 0.0
    with torch.no_grad():
        for step in steps:
            step = skip_gram.Step(step.centres, step.around, step.is_pair.double(), step.negatives)
            d_v, d_u, d_noise = skip_gram.gradients(v, u, step, negatives=5)
            got_v.index_add_(0, step.centres, d_v)
            got_u.index_add_(0, step.around, d_u).index_add_(0, step.negatives, d_noise)
            total += float(skip_gram.loss(v, u, step, negatives=5) * step.is_pair.sum())
    assert v.grad is not None and u.grad is not None
    torch.testing.assert_close(got_v, v.grad)
    torch.testing.assert_close(got_u, u.grad)
    assert total == pytest.approx(float(want.detach()))


def test_every_pair_comes_once() -> None:
    text = words.read(two_topics(7, 45), str.split, min_count=1)
    one, steps = some_steps(text, window=5)
    assert sum(int(step.is_pair.sum()) for step in steps) == one.pairs


def test_negatives_follow_the_noise() -> None:
    text = words.read(["a a a a a a a a b b c"] * 300, str.split, min_count=1)
    _, steps = some_steps(text, window=2)
    drawn = torch.cat([step.negatives for step in steps]).numpy()
    assert np.bincount(drawn) / len(drawn) == pytest.approx(text.noise(), abs=0.03)


def test_planted_topics_are_found_and_a_seed_repeats() -> None:
    text = words.read(two_topics(50), str.split)
    made = skip_gram.train(text, SMALL)
    assert made.losses[-1] < made.losses[0]
    vectors = Vectors(text.spellings, made.vectors)
    for topic in (SEA, FARM):
        for word in topic:
            assert {near for near, _ in vectors.nearest(word, 7)} == {*topic} - {word}
    again = skip_gram.train(text, SMALL)
    assert (again.vectors == made.vectors).all()
    assert (skip_gram.train(text, replace(SMALL, seed=1)).vectors != made.vectors).any()


def test_a_rate_that_is_too_high_is_said() -> None:
    text = words.read(two_topics(), str.split)
    with pytest.raises(TrainingError, match="not finite") as caught:
        skip_gram.train(text, Settings(width=8, lr=50.0))
    assert "--lr 25" in caught.value.fix
    assert torch.get_num_threads() >= 1
