"""Keys and values that grow and lose rows."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import difference

from danlu.models.cache import KVCache


def piece(rows, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    k, v = torch.randn(2, rows, 3, length, 4, generator=generator)
    return k, v


@settings(max_examples=30)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=6))
def test_it_holds_all_that_was_added(lengths):
    cache, parts = KVCache(), []
    for number, length in enumerate(lengths):
        parts.append([piece(2, length, seed=10 * number + layer) for layer in range(2)])
        for layer in range(2):
            keys, values = cache.extend(layer, *parts[-1][layer])
            assert torch.equal(keys, torch.cat([part[layer][0] for part in parts], 2))
            assert torch.equal(values, torch.cat([part[layer][1] for part in parts], 2))
        cache.length += length
    assert cache.length == sum(lengths)


def test_it_grows_by_doubling():
    """Few copies, and at most twice the memory that is needed."""
    cache, rooms = KVCache(), []
    for number in range(300):
        keys, _ = cache.extend(0, *piece(1, 1, number))
        cache.length += 1
        rooms.append(keys.untyped_storage().nbytes() // (3 * 4 * 4))
    assert sorted(set(rooms)) == [64, 128, 256, 512]
    assert all(room <= max(64, 2 * (n + 1)) for n, room in enumerate(rooms))


def test_rows_may_leave_and_change_places():
    cache = KVCache()
    for number, length in enumerate((5, 80)):
        for layer in range(2):
            cache.extend(layer, *piece(4, length, 10 * number + layer))
        cache.length += length
    rows = torch.tensor([2, 0, 2])
    cache.keep_rows(rows)
    new = piece(3, 1, seed=99)
    for layer in range(2):
        keys, values = cache.extend(layer, *new)
        old = [piece(4, length, 10 * number + layer) for number, length in enumerate((5, 80))]
        for got, which in ((keys, 0), (values, 1)):
            want = torch.cat([old[0][which][rows], old[1][which][rows], new[which]], 2)
            assert difference(got, want) == 0


def test_keys_and_values_keep_their_own_dtypes():
    """Under autocast the normalised keys are float32, the values bfloat16."""
    k, v = piece(1, 3)
    cache = KVCache()
    keys, values = cache.extend(0, k, v.bfloat16())
    assert keys.dtype == torch.float32 and values.dtype == torch.bfloat16


def test_an_empty_cache_may_lose_rows():
    cache = KVCache()
    cache.keep_rows(torch.tensor([0]))
    assert cache.length == 0
