"""Who sees whom by brute force, and distances against the papers' numbers and transformers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import GPT2, build, some_tokens

from danlu.models.cache import KVCache
from danlu.models.masks import (
    alibi_slopes,
    distances,
    memory_mask,
    relative_buckets,
    seen,
)

CPU = torch.device("cpu")


@settings(max_examples=100)
@given(
    st.integers(1, 5),
    st.integers(0, 4),
    st.lists(st.integers(0, 2), min_size=9, max_size=9),
    st.integers(0, 10),
    st.booleans(),
)
def test_the_mask_is_what_its_words_say(queries, past, numbers, window, causal):
    segments = torch.tensor([numbers[: past + queries]])
    for given_segments in (None, segments):
        gap = distances(queries, past, CPU)
        mask = seen(gap, given_segments, window=window, causal=causal)
        for q in range(queries):
            for k in range(past + queries):
                same = given_segments is None or numbers[k] == numbers[past + q]
                later, far = k > past + q, window > 0 and abs(past + q - k) >= window
                assert mask[0, 0, q, k].item() == (same and not far and not (later and causal))


def test_targets_see_the_sources_of_their_own_segment():
    assert memory_mask(torch.Size([2, 3]), None, None) is None
    source, target = torch.tensor([[1, 1, 2, 0]]), torch.tensor([[9, 1, 2, 2]])
    mask = memory_mask(torch.Size([1, 3]), target, source)  # the last three are new
    assert mask[0, 0].int().tolist() == [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]]
    alone = memory_mask(torch.Size([1, 3]), None, source)
    assert alone.shape == (1, 1, 1, 4) and alone[0, 0, 0].int().tolist() == [1, 1, 0, 0]


def test_slopes_are_the_papers():
    """Press 2022, §3: 8 heads 1/2 … 1/256; 12 heads: those, then every second one of 16 heads'."""
    assert alibi_slopes(8) == [2.0**-n for n in range(1, 9)]
    assert alibi_slopes(12) == pytest.approx(
        [2.0**-n for n in range(1, 9)] + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]
    )
    assert alibi_slopes(16) == pytest.approx([2 ** (-n / 2) for n in range(1, 17)])
    assert alibi_slopes(1) == [2.0**-8]
    for heads in range(1, 70):
        assert len(set(alibi_slopes(heads))) == heads and max(alibi_slopes(heads)) < 1


def test_buckets_are_those_of_transformers():
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5")
    gap = torch.arange(-300, 301)
    for causal in (True, False):
        # theirs is a float32 logarithm too: at powers of two it must be cut the same way
        want = t5.T5Attention._relative_position_bucket(-gap, bidirectional=not causal)
        assert torch.equal(relative_buckets(gap, causal=causal), want)


def test_near_distances_have_a_bucket_each_and_far_ones_share():
    buckets = relative_buckets(torch.arange(200), causal=True)
    assert buckets[:16].tolist() == list(range(16))
    assert (buckets.diff() >= 0).all() and buckets[128:].unique().tolist() == [31]
    both = relative_buckets(torch.tensor([-3, 0, 3]), causal=False)
    assert both.tolist() == [19, 0, 3]


def test_a_long_row_without_a_mask_makes_no_table_of_distances(monkeypatch):
    """At 32 k tokens it would be 8 GB."""
    from danlu.models import transformer

    def refuse(*_: object) -> None:
        raise AssertionError("nobody needs them")

    model, tokens = build(), some_tokens()
    monkeypatch.setattr(transformer, "distances", refuse)
    model(tokens)
    cache = KVCache()
    model(tokens, cache=cache)
    model(tokens[:, :1], cache=cache)
    with pytest.raises(AssertionError, match="nobody"):
        build(GPT2 | {"position": "alibi"})(tokens)
