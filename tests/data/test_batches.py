"""Rows of a stream: each once an epoch, the same at any world size, known from the step alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data.batches import StreamBatches, row_numbers
from danlu.errors import ConfigError, DataError
from danlu.types import Batch


def batches(length: int, **options: Any) -> StreamBatches:
    """Of a stream in which each token is its own place."""
    return StreamBatches(np.arange(length, dtype=np.uint32), **options)


def rows_of(micro: list[Batch]) -> list[list[int]]:
    """Every row's tokens and its last label."""
    for batch in micro:
        assert batch.tokens.dtype == batch.labels.dtype == np.int32
        assert batch.tokens.shape == batch.labels.shape and len(batch.ids) == len(batch.tokens)
        assert (batch.labels == batch.tokens + 1).all()
        assert (np.diff(batch.tokens) == 1).all()
        assert batch.positions is None and batch.segments is None
        names = [f"tokens {row[0]}…" for row in batch.tokens]
        assert batch.ids == names
    return [[*row, row[-1] + 1] for batch in micro for row in batch.tokens.tolist()]


setting = st.fixed_dictionaries(
    {
        "context": st.integers(1, 7),
        "rows": st.integers(1, 9),
        "micro_rows": st.integers(0, 9),
        "seed": st.integers(0, 3),
    }
)


@given(setting, st.integers(0, 60), st.integers(0, 3))
@settings(max_examples=80, derandomize=True, deadline=None)
def test_every_row_exactly_once_an_epoch(options: dict[str, Any], more: int, epoch: int) -> None:
    context, rows = options["context"], options["rows"]
    length = context * (rows + 1) + more
    made = batches(length, **options)
    assert made.epoch_rows == length // context - 1
    first, last = epoch * made.epoch_rows, (epoch + 1) * made.epoch_rows
    seen = [row for step in range(last // rows + 1) for row in rows_of(made(step))][first:last]
    begins = sorted(row[0] for row in seen)
    assert begins == list(range(begins[0], begins[0] + made.epoch_rows * context, context))
    assert 0 <= begins[0] < context and max(row[-1] for row in seen) < length
    missed = length - 1 - made.epoch_rows * context
    assert missed < 2 * context  # tokens that are nobody's label in this epoch


@given(setting, st.integers(1, 5), st.integers(0, 30))
@settings(max_examples=80, derandomize=True, deadline=None)
def test_ranks_share_the_global_batch(options: dict[str, Any], world: int, step: int) -> None:
    options["rows"] += world
    made = batches(200, **options)
    whole = rows_of(made(step))
    parts = [rows_of(batches(200, **options, rank=r, world=world)(step)) for r in range(world)]
    assert len(whole) == options["rows"] == sum(map(len, parts))
    assert sorted(whole) == sorted(row for part in parts for row in part)
    assert {len(part) for part in parts} <= {
        options["rows"] // world,
        -(-options["rows"] // world),
    }


@given(setting, st.permutations(range(12)))
@settings(max_examples=25, derandomize=True, deadline=None)
def test_a_step_knows_nothing_of_other_steps(options: dict[str, Any], order: list[int]) -> None:
    made = batches(100, **options)
    found = {step: rows_of(made(step)) for step in order}
    for step in range(12):
        assert found[step] == rows_of(batches(100, **options)(step))


@given(setting, st.integers(1, 3), st.integers(1, 3), st.integers(0, 40), st.integers(0, 60))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_every_token_once_an_epoch_for_any_ranks_before_and_after_a_resume(
    options: dict[str, Any], world: int, resumed_world: int, stop: int, more: int
) -> None:
    """A run on `world` ranks stops after `stop` steps and goes on with `resumed_world` ranks."""
    options["rows"] += 3
    context, rows = options["context"], options["rows"]
    length = context * (rows + 1) + more
    epoch_rows = length // context - 1
    last = 2 * epoch_rows // rows + 1
    by_number: dict[int, list[int]] = {}
    for step in range(last):
        ranks = world if step < stop else resumed_world
        for rank in range(ranks):
            made = batches(length, **options, rank=rank, world=ranks)  # anew: nothing is carried
            numbers = np.concatenate(made._parts(step))
            found = [
                batch.labels[i].tolist() for batch in made(step) for i in range(len(batch.ids))
            ]
            by_number |= dict(zip(numbers.tolist(), found, strict=True))
    assert sorted(by_number) == list(range(last * rows)), "every row once, none twice"
    for epoch in range(last * rows // epoch_rows):
        labels = [
            token
            for number in range(epoch * epoch_rows, (epoch + 1) * epoch_rows)
            for token in by_number[number]
        ]
        assert len(labels) == len(set(labels)) == epoch_rows * context
        assert length - 1 - len(labels) < 2 * context  # the rest falls to another epoch's cut


def test_micro_batches_are_slices_of_the_step() -> None:
    whole = batches(100, context=4, rows=7)(3)
    cut = batches(100, context=4, rows=7, micro_rows=3)(3)
    assert [len(batch.tokens) for batch in cut] == [3, 3, 1] and len(whole) == 1
    assert rows_of(whole) == rows_of(cut)


def test_epochs_differ_in_order_and_offset() -> None:
    made = batches(400, context=8, rows=49)
    epochs = [[row[0] for row in rows_of(made(step))] for step in range(12)]
    assert len({tuple(np.argsort(begins)) for begins in epochs}) == 12
    assert len({min(begins) for begins in epochs}) > 4
    other = batches(400, context=8, rows=49, seed=1)
    assert [row[0] for row in rows_of(other(0))] != epochs[0]


def test_a_step_over_the_border_of_an_epoch() -> None:
    made = batches(4 * 8, context=4, rows=5)  # 7 rows an epoch
    begins = [row[0] for step in range(7) for row in rows_of(made(step))]
    epochs = [begins[n : n + 7] for n in range(0, 35, 7)]
    assert all(len(set(epoch)) == 7 for epoch in epochs)


def test_a_text_that_is_too_small() -> None:
    assert batches(4 * 6, context=4, rows=5).epoch_rows == 5
    with pytest.raises(DataError, match="smaller than one batch") as caught:
        batches(4 * 6 - 1, context=4, rows=5)
    assert (
        caught.value.got == "23 tokens" and "at least 24 for 5 rows of 4" in caught.value.expected
    )
    with pytest.raises(DataError):
        batches(0, context=4, rows=1)


def test_more_ranks_than_rows() -> None:
    with pytest.raises(ConfigError, match="fewer rows than there are ranks") as caught:
        batches(100, context=4, rows=2, rank=0, world=3)
    assert caught.value.got == "2 rows, 3 ranks"
    assert [part.tolist() for part in row_numbers(3, 9)(0)] == [[0, 1, 2]]


def test_the_stream_is_not_read_as_a_whole(tmp_path: Any) -> None:
    path = tmp_path / "tokens.bin"
    np.arange(1000, dtype="<u2").tofile(path)
    made = StreamBatches(np.memmap(path, dtype="<u2", mode="r"), context=8, rows=2)
    assert isinstance(made.tokens, np.memmap) and len(rows_of(made(0))) == 2
