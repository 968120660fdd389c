"""Schedules: a table of values, and what holds for each."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.train.schedules import SCHEDULES, factor

NAMES = sorted(SCHEDULES)
share = st.floats(0, 1)


@pytest.mark.parametrize(
    ("name", "values"),
    [  # at 0.05, 0.1, 0.3, 0.55, 0.9 and 1.0, after a warm-up of 0.1, down to 0.2
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1 - 0.8 * 2 / 9, 0.6, 1 - 0.8 * 8 / 9, 0.2]),
        (
            "cosine",
            [
                *(0.5, 1.0, 0.6 + 0.4 * math.cos(math.pi * 2 / 9)),
                *(0.6, 0.6 + 0.4 * math.cos(math.pi * 8 / 9), 0.2),
            ],
        ),
        (
            "constant_then_decay",
            [0.5, 1.0, 1.0, 1 - 0.8 * 0.15 / 0.65, 1 - 0.8 * (8 / 9 - 0.35) / 0.65, 0.2],
        ),
        ("short_decay", [0.5, 1.0, 1.0, 1.0, 1 - 0.8 * (8 / 9 - 0.8) / 0.2, 0.2]),
    ],
)
def test_table(name: str, values: list[float]) -> None:
    found = [factor(name, p, warmup=0.1, final=0.2) for p in (0.05, 0.1, 0.3, 0.55, 0.9, 1.0)]
    assert found == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
@given(progress=share, warmup=share, final=share)
@settings(max_examples=60, derandomize=True, deadline=None)
def test_between_zero_and_one_and_down_after_the_warmup(
    name: str, progress: float, warmup: float, final: float
) -> None:
    value = factor(name, progress, warmup=warmup, final=final)
    assert 0 <= value <= 1 + 1e-12
    if progress >= warmup:
        assert value >= final - 1e-12
        later = factor(name, (progress + 1) / 2, warmup=warmup, final=final)
        assert later <= value + 1e-12
    else:
        assert value == progress / warmup


@pytest.mark.parametrize("name", NAMES)
@given(final=share, warmup=st.floats(0, 0.99))
@settings(max_examples=20, derandomize=True, deadline=None)
def test_ends(name: str, final: float, warmup: float) -> None:
    end = 1.0 if name == "constant" else final
    assert factor(name, 1.0, warmup=warmup, final=final) == pytest.approx(end, abs=1e-9)
    assert factor(name, warmup, warmup=warmup, final=final) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("warmup", [0.0, 0.02, 0.5, 1.0])
def test_continuous(name: str, warmup: float) -> None:
    places = [n / 20_000 for n in range(0 if warmup else 1, 20_001)]
    values = [factor(name, p, warmup=warmup, final=0.1) for p in places]
    steepest = max(abs(b - a) for a, b in pairwise(values))
    assert steepest < 0.005  # 50 a unit of progress, for a warm-up of 0.02


def test_no_warmup_begins_at_the_peak() -> None:
    assert factor("cosine", 0.0, warmup=0.0, final=0.0) == 1.0
