"""How long a run is, and how far along it is: in steps, or in minutes.

A horizon in steps is exact and repeatable. One in minutes adapts: progress grows by `pace` a step,
and the pace is set again every few steps from the time that is left and the time that steps take,
so that the schedule ends when the time does, on a machine whose speed wobbles. Its state is three
numbers, saved with each checkpoint, so a resumed run goes on with the time that it has left.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

REPACE_EVERY = 10


class Horizon(Protocol):
    """What `steps()` asks."""

    def progress(self, step: int) -> float:
        """Share of the run that is done in the middle of a step; ≥ 1 when the run is over."""

    def share(self, steps: float) -> float:
        """How much of the run so many steps are."""

    def tick(self, seconds: float) -> None:
        """A step is done; `seconds` is the time since the run began, earlier sessions included."""

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps."""

    def restore(self, state: dict[str, float]) -> None:
        """Go on from a checkpoint."""

    def total(self, step: int) -> int:
        """Steps that the whole run will have, as far as is known."""


class Steps:
    """A run of a fixed number of steps.

    >>> Steps(4).progress(0), Steps(4).progress(3), Steps(4).progress(4)
    (0.125, 0.875, 1.0)
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def progress(self, step: int) -> float:
        """(step + ½) / steps."""
        return (step + 0.5) / self.steps if step < self.steps else 1.0

    def share(self, steps: float) -> float:
        """Steps over all steps."""
        return steps / self.steps

    def tick(self, seconds: float) -> None:
        """Time does not matter."""

    def state(self) -> dict[str, float]:
        """Nothing to keep."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Nothing to restore."""

    def total(self, step: int) -> int:
        """All steps."""
        return self.steps


class Minutes:
    """A run that ends after so many minutes, whatever the machine does meanwhile."""

    def __init__(self, minutes: float, *, guess_steps: int = 1000) -> None:
        self.limit_s = minutes * 60
        self.done, self.pace, self.seconds = 0.0, 1.0 / guess_steps, 0.0
        self._recent: deque[float] = deque(maxlen=4 * REPACE_EVERY)
        self._ticks = 0
        self._previous: float | None = None

    def progress(self, step: int) -> float:
        """Share of the schedule that is done in the middle of this step."""
        if self.done >= 1 or self.seconds >= self.limit_s:
            return 1.0
        return min(self.done + self.pace / 2, 1.0 - 1e-9)

    def share(self, steps: float) -> float:
        """At the present pace."""
        return steps * self.pace

    def tick(self, seconds: float) -> None:
        """Move on by one step, and set the pace again now and then."""
        if self._previous is not None:
            self._recent.append(seconds - self._previous)
        self._previous, self.seconds = seconds, seconds
        self.done = min(self.done + self.pace, 1.0)
        self._ticks += 1
        if self._recent and (self._ticks in (2, 5) or self._ticks % REPACE_EVERY == 0):
            per_step = sum(self._recent) / len(self._recent)
            left = max((self.limit_s - seconds) / max(per_step, 1e-9), 1.0)
            self.pace = (1 - self.done) / left

    def state(self) -> dict[str, float]:
        """Progress, pace and seconds so far."""
        return {"done": self.done, "pace": self.pace, "seconds": self.seconds}

    def restore(self, state: dict[str, float]) -> None:
        """Go on with the time that is left."""
        self.done, self.pace, self.seconds = state["done"], state["pace"], state["seconds"]

    def total(self, step: int) -> int:
        """At the present pace."""
        return step + max(round((1 - self.done) / max(self.pace, 1e-9)), 0)
