"""How long a run is: exact in steps; in minutes, on a clock that the test turns."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from danlu.train.horizon import Minutes, Steps

LIMIT_S = 60.0


def test_steps_are_exact() -> None:
    length = Steps(3)
    assert [length.progress(step) for step in range(5)] == pytest.approx(
        [1 / 6, 0.5, 5 / 6, 1.0, 1.0]
    )
    assert length.share(1.5) == 0.5 and length.total(2) == 3
    length.tick(1e9)
    length.restore(length.state())
    assert length.state() == {} and length.progress(0) == pytest.approx(1 / 6)


Speed = Callable[[float, int], float]
"""Clock and step → seconds that the step takes."""


def wobbling(seconds: float, seed: int = 0) -> Speed:
    """Steps that take between 0.7 and 1.4 times as long as usual, each another time."""
    generator = random.Random(seed)
    return lambda clock, step: seconds * generator.uniform(0.7, 1.4)


def waves(seconds: float) -> Speed:
    """Twice as slow in every second ten seconds: somebody else uses the machine."""
    return lambda clock, step: seconds * (1 + int(clock / 10) % 2)


def run(length: Minutes, speed: Speed, *, clock: float = 0.0, until: int = 10**9) -> list[float]:
    """The clock after, and the progress in the middle of, each step."""
    found, step = [clock], 0
    while (progress := length.progress(step)) < 1 and step < until:
        found.append(progress)
        clock += speed(clock, step)
        step += 1
        length.tick(clock)
    return [clock, *found[1:]]


@pytest.mark.parametrize("seconds", [0.005, 0.05, 0.2])
@pytest.mark.parametrize("speed", [wobbling, waves])
def test_minutes_end_in_time(seconds: float, speed: Callable[[float], Speed]) -> None:
    length = Minutes(LIMIT_S / 60)
    clock, *progress = run(length, speed(seconds))
    assert abs(clock - LIMIT_S) <= 0.02 * LIMIT_S
    assert progress == sorted(progress) and len(set(progress)) == len(progress)
    assert 0 < progress[0] < 0.01 and 0.97 < progress[-1] < 1
    share = [place / len(progress) for place in range(len(progress))]
    if speed is wobbling:  # as time goes, so does progress
        assert max(abs(p - s) for p, s in zip(progress, share, strict=True)) < 0.05


@pytest.mark.parametrize("seconds", [3.0, 20.0, 100.0])
def test_minutes_with_few_and_slow_steps(seconds: float) -> None:
    clock, *progress = run(Minutes(LIMIT_S / 60), wobbling(seconds))
    assert progress == sorted(progress)
    assert LIMIT_S * 0.9 <= clock <= LIMIT_S + 1.4 * seconds


@pytest.mark.parametrize("stop", [1, 3, 30, 500])
def test_minutes_go_on_with_the_time_that_is_left(stop: int) -> None:
    speed, first = wobbling(0.05), Minutes(LIMIT_S / 60)
    clock, *before = run(first, speed, until=stop)
    state, second = first.state(), Minutes(LIMIT_S / 60)
    second.restore(state)
    assert second.state() == state and second.total(stop) == first.total(stop)
    after_clock, *after = run(second, lambda c, s: 2 * speed(c, s), clock=clock)
    assert before + after == sorted(before + after)
    assert abs(after_clock - LIMIT_S) <= 0.02 * LIMIT_S


def test_minutes_guess_how_many_steps_there_will_be() -> None:
    length = Minutes(LIMIT_S / 60)
    assert length.total(0) == 1000
    run(length, lambda clock, step: 0.1, until=50)
    assert length.total(50) == pytest.approx(600, rel=0.02)
    assert length.share(6) == pytest.approx(0.01, rel=0.02)


def test_minutes_that_are_over() -> None:
    length = Minutes(LIMIT_S / 60)
    length.tick(LIMIT_S)
    assert length.progress(1) == 1.0
