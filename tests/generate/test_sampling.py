"""Sampling against transformers' processors, exact distributions and a chi-squared test."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from danlu.config import dump, parse_yaml
from danlu.errors import ConfigError, ModelError
from danlu.generate.sampling import (
    Sampler,
    generator,
    heat,
    keep_min_p,
    keep_top,
    mask_padding,
    penalize,
    pick,
)
from danlu.generate.settings import Sampling

V = 30
seeds = st.integers(0, 2**31)


def logits_of(seed, rows=4, scale=3.0):
    return torch.randn(rows, V, generator=torch.Generator().manual_seed(seed)) * scale


def column(*values):
    return torch.tensor(values)[:, None]


def kept(logits):
    return logits > -math.inf


@given(seeds, st.integers(1, V))
def test_top_k_is_that_of_transformers(seed, k):
    logits = logits_of(seed)
    ours = keep_top(logits, column(k), column(1.0))
    assert torch.equal(ours, TopKLogitsWarper(k)(None, logits))


@given(seeds, st.floats(0.01, 0.99))
def test_top_p_is_that_of_transformers(seed, p):
    logits = logits_of(seed)
    ours = keep_top(logits, column(0), column(p))
    assert torch.equal(ours, TopPLogitsWarper(p)(None, logits))


@given(seeds, st.floats(0.0, 1.0))
def test_min_p_is_that_of_transformers(seed, p):
    logits = logits_of(seed)
    theirs = MinPLogitsWarper(p)(None, logits)
    assert torch.equal(kept(keep_min_p(logits, column(p))), kept(theirs))


@given(seeds, st.floats(0.1, 5.0), st.lists(st.integers(0, V - 1), min_size=1, max_size=9))
def test_repetition_penalty_is_that_of_transformers(seed, penalty, history):
    logits = logits_of(seed, rows=1)
    seen = torch.zeros(1, V, dtype=torch.bool)
    seen[0, history] = True
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor([history]), logits.clone())
    assert torch.allclose(penalize(logits, seen, penalty), theirs)


@given(seeds)
def test_all_together_in_the_order_of_transformers(seed):
    logits = logits_of(seed, rows=1)
    history = [3, 4, 5]
    seen = torch.zeros(1, V, dtype=torch.bool)
    seen[0, history] = True
    theirs = logits.clone()
    for process in (
        RepetitionPenaltyLogitsProcessor(1.3),
        TemperatureLogitsWarper(0.7),
        TopKLogitsWarper(12),
        TopPLogitsWarper(0.8),
        MinPLogitsWarper(0.05),
    ):
        theirs = process(torch.tensor([history]), theirs)
    ours = heat(penalize(logits, seen, 1.3), column(0.7))
    ours = keep_min_p(keep_top(ours, column(12), column(0.8)), column(0.05))
    assert torch.allclose(ours.softmax(-1), theirs.softmax(-1), atol=1e-6)


@given(seeds, st.integers(0, 8), st.floats(0.05, 1), st.floats(0, 0.5), st.floats(0.2, 3))
def test_rows_with_their_own_settings_are_as_alone(seed, k, p, m, t):
    logits = logits_of(seed)
    settings = [
        Sampling(),
        Sampling(temperature=t, top_k=k, top_p=p, min_p=m, repetition_penalty=1 + m),
        Sampling(temperature=0),
        Sampling(temperature=t, top_p=1),
    ]
    seen = torch.zeros(4, V, dtype=torch.bool)
    seen[:, ::3] = True
    together = Sampler(settings, rows=[0, 1, 2, 3], n_tokens=V)(logits, seen)
    for row, own in enumerate(settings):
        alone = Sampler([own], rows=[row], n_tokens=V)(logits[[row]], seen[[row]])
        assert alone == together[row]


def sampled(settings, logits, times):
    """Many draws from one row, each a step of its own stream."""
    sampler = Sampler([settings], rows=[0], n_tokens=logits.shape[1])
    seen = torch.zeros_like(logits, dtype=torch.bool)
    return torch.stack([sampler(logits, seen)[0] for _ in range(times)])


def test_chi_squared():
    """The draws follow the distribution after top-k; 99.9% quantile for 5 degrees of freedom."""
    probs = torch.tensor([[0.3, 0.25, 0.2, 0.1, 0.08, 0.07]])
    logits = torch.cat([probs.log(), torch.tensor([[-9.0, -10.0]])], 1)
    counts = sampled(Sampling(temperature=1, top_k=6, top_p=1), logits, 4000).bincount(minlength=8)
    assert counts[6:].sum() == 0
    expected = probs[0] * 4000
    assert float(((counts[:6] - expected) ** 2 / expected).sum()) < 20.52


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda w: sum(w) > 1e-3))
def test_pick_is_the_exact_inverse(weights):
    """u on a grid of 1,000 places gives each token as many places as it has probability."""
    probs = torch.tensor(weights, dtype=torch.float64)
    probs /= probs.sum()
    u = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    ids = pick(probs.log().expand(1000, -1), u)
    counts = ids.bincount(minlength=len(weights)).double()
    assert ((counts / 1000 - probs).abs() <= 1.001e-3).all()
    assert (counts[probs == 0] == 0).all()
    assert (ids.diff() >= 0).all()


def test_pick_at_the_ends():
    logits = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).expand(3, -1)
    u = torch.tensor([0.0, 1 - 2**-53, 1.0], dtype=torch.float64)
    assert pick(logits, u).tolist() == [1, 3, 3]


def test_temperature_zero_and_near_zero_are_greedy():
    logits = logits_of(1, rows=3)
    best = logits.argmax(-1)
    seen = torch.zeros_like(logits, dtype=torch.bool)
    for temperature in (0, 1e-30, 1e-6, 1e-3):
        settings = [Sampling(temperature=temperature, top_p=1)] * 3
        assert torch.equal(Sampler(settings, rows=[0, 1, 2], n_tokens=V)(logits, seen), best)


def test_the_best_token_always_stays():
    logits = logits_of(2)
    alone = torch.zeros_like(logits, dtype=torch.bool).scatter_(1, logits.argmax(1)[:, None], True)
    assert torch.equal(kept(keep_top(logits, column(0), column(1e-9))), alone)
    assert torch.equal(kept(keep_top(logits, column(1), column(1.0))), alone)
    assert torch.equal(kept(keep_min_p(logits, column(1.0))), alone)


def test_ties_go_to_the_lower_id():
    logits = torch.zeros(1, 512)
    two, half = keep_top(logits, column(2), column(1.0)), keep_top(logits, column(0), column(0.5))
    assert kept(two)[0].nonzero().flatten().tolist() == [0, 1]
    assert kept(half)[0].nonzero().flatten().tolist() == list(range(256))
    seen = torch.zeros(1, 512, dtype=torch.bool)
    assert Sampler([Sampling(temperature=0)], rows=[0], n_tokens=512)(logits, seen).item() == 0


def test_padding_of_the_vocabulary_is_never_chosen():
    logits = torch.zeros(1, V)
    logits[0, 20:] = 50.0
    masked = mask_padding(logits, 20)
    assert (masked[0, 20:] == -math.inf).all()
    assert torch.equal(mask_padding(logits, V), logits)
    for temperature in (0.0, 1.0):
        settings = Sampling(temperature=temperature)
        sampler = Sampler([settings], rows=[0], n_tokens=20)
        draws = [sampler(logits, torch.zeros(1, V, dtype=torch.bool)) for _ in range(50)]
        assert max(draws) < 20


def test_streams_of_rows():
    draws = {
        (seed, row): torch.rand(3, generator=generator(seed, row)).tolist()
        for seed in (0, 1, 2**62)
        for row in (0, 1, 7)
    }
    assert len({tuple(d) for d in draws.values()}) == len(draws)
    assert draws[1, 7] == torch.rand(3, generator=generator(1, 7)).tolist()


def test_rows_that_are_kept_go_on():
    logits, seen = logits_of(3), torch.zeros(4, V, dtype=torch.bool)
    settings = [Sampling(seed=n, temperature=2, top_p=1) for n in range(4)]
    whole = Sampler(settings, rows=range(4), n_tokens=V)
    part = Sampler(settings, rows=range(4), n_tokens=V)
    assert torch.equal(whole(logits, seen), part(logits, seen))
    part.keep_rows([3, 1])
    for _ in range(5):
        assert torch.equal(whole(logits, seen)[[3, 1]], part(logits[[3, 1]], seen[[3, 1]]))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_no_numbers(bad):
    logits = torch.zeros(1, V)
    logits[0, 3] = bad
    with pytest.raises(ModelError, match="not finite"):
        Sampler([Sampling()], rows=[0], n_tokens=V)(logits, torch.zeros(1, V, dtype=torch.bool))


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -0.1},
        {"temperature": math.inf},
        {"temperature": math.nan},
        {"top_k": -1},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"min_p": 1.5},
        {"repetition_penalty": 0},
        {"max_tokens": 0},
        {"stop": [""]},
        {"stop": ["a"] * 17},
        {"seed": -1},
        {"top_q": 1},
    ],
)
def test_settings_out_of_bounds(values):
    with pytest.raises(ValidationError):
        Sampling(**values)


def test_settings_as_yaml():
    settings = Sampling(stop=["\n\n", "。"], top_k=5)
    assert parse_yaml(Sampling, dump(settings)) == settings
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        parse_yaml(Sampling, "temperatur: 1")
