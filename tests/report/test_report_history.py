from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.report.history import MAX_SAMPLES, history
from danlu.report.series import extremes, smoothed

numbers = st.one_of(st.none(), st.floats(-1e6, 1e6))


@given(st.lists(numbers, max_size=300), st.integers(4, 60))
def test_thinning_keeps_the_extremes_and_the_limit(values, limit):
    at = extremes(values, limit)
    assert len(at) <= max(limit, 0) or len(values) <= limit
    assert at == sorted(set(at))
    present = [v for v in values if v is not None]
    if present and len(values) > limit:
        kept = [values[i] for i in at]
        assert None not in kept
        assert min(kept) == min(present) and max(kept) == max(present)
        assert kept[0] == present[0] and kept[-1] == present[-1]


def test_a_spike_of_one_step_among_200_000_survives():
    rng = random.Random(0)
    values = [3 + rng.gauss(0, 0.1) for _ in range(200_000)]
    values[123_457] = 40.0
    at = extremes(values)
    assert len(at) <= 2000 and 123_457 in at


def test_nothing_but_missing_values():
    assert extremes([None] * 10, 4) == []


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60), st.floats(1, 20))
def test_smoothing_is_the_mean_with_exponential_weights(values, window):
    got = smoothed(values, window)
    for i, mean in enumerate(got):
        weights = [math.exp(-abs(i - j) / window) for j in range(len(values))]
        want = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
        assert mean == pytest.approx(want, abs=1e-6)


def test_smoothing_skips_what_is_missing():
    assert smoothed([None, 1.0, None, 1.0, None]) == [None, 1.0, None, 1.0, None]


def train(step, session=1, **values):
    return {"kind": "train", "session": session, "step": step, "loss": float(step), **values}


def test_the_last_record_of_a_step_wins():
    series, _, last = history([train(1), train(2), train(2, loss=7.0)])
    assert series["loss"].step == [1, 2]
    assert series["loss"].value == [1.0, 7.0]
    assert last == {"step": 2, "loss": 7.0}


def test_steps_that_a_resumed_run_does_again_are_dropped_until_then():
    records = [train(s) for s in range(1, 8)] + [train(5, 2), train(6, 2)]
    series, _, last = history(records)
    assert series["loss"].step == [1, 2, 3, 4, 5, 6]
    assert last["step"] == 6


def test_evaluations_lie_on_the_clock_of_training():
    records = [train(s, seconds=60.0 * s, tokens=100 * s) for s in (1, 2, 3)]
    records += [
        {"kind": "eval", "step": 0, "loss": 9.0},
        {"kind": "eval", "step": 2, "loss": 5.0, "seconds": 1.9, "tokens": 205},
    ]
    series, _, last = history(records)
    assert series["eval_loss"].minutes == [0.0, 2.0]
    assert series["eval_loss"].tokens == [0, 205]
    assert last["eval_loss"] == 5.0


def test_not_a_number_is_a_gap():
    series, _, last = history([train(1), train(2, loss=float("nan")), train(3, loss=True)])
    assert series["loss"].value == [1.0, None, None]
    assert last["loss"] == 1.0


def test_a_quantity_that_was_never_logged_has_no_series():
    series, samples, _ = history(
        [train(1, lr=None), {"kind": "eval"}, {"kind": "other", "step": 1}]
    )
    assert list(series) == ["loss"]
    assert series["loss"].minutes is None and series["loss"].tokens is None
    assert samples == []


def test_samples_are_thinned_by_whole_steps():
    records = [
        {"kind": "sample", "step": step, "prompt": prompt, "text": "x"}
        for step in range(500)
        for prompt in "ab"
    ]
    _, samples, _ = history(records)
    assert len(samples) <= MAX_SAMPLES
    assert {s.step for s in samples} >= {0, 499}
    assert len(samples) == 2 * len({s.step for s in samples})
