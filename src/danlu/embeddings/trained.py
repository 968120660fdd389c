"""What both ways to train give and share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from danlu.embeddings.words import F32
from danlu.errors import TrainingError

Progress = Callable[[float, float], None]
"""Is told the share that is done, and the loss."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Two tables and how they came about."""

    vectors: F32
    """[V, d] the words' vectors."""
    contexts: F32
    """[V, d] their vectors as neighbours of other words."""
    losses: list[float]
    """The mean loss of each pass, taken while its vectors were learned."""


def silent(share: float, loss: float) -> None:
    """A `Progress` that says nothing."""


def mean_loss(losses: list[float], *, lr: float) -> float:
    """The mean of the looks of a pass; a look that saw no pair is NaN and does not count.

    Raises:
        TrainingError: it is not finite, so training has diverged.
    """
    seen = [loss for loss in losses[1:] if not math.isnan(loss)] or losses
    mean = sum(seen) / len(seen)
    if not math.isfinite(mean) or math.isnan(losses[-1]):
        raise TrainingError("the loss is not finite", got=mean, fix=f"--lr {lr / 2:g}")
    return mean


@contextmanager
def one_thread() -> Iterator[None]:
    """Products this small are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
