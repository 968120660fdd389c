"""How the learning rate moves over a run.

Everything is a pure function of progress, a number in (0, 1) that `horizon` computes from steps,
tokens, epochs or minutes; there is no state to restore. To add a schedule, write a function of
(u, final), where u goes from 0 to 1 after the warm-up, and put it into SCHEDULES.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial


def constant(u: float, final: float) -> float:
    """The full rate until the end."""
    return 1.0


def linear(u: float, final: float) -> float:
    """A straight line from 1 to `final`."""
    return 1 - u * (1 - final)


def cosine(u: float, final: float) -> float:
    """Half a cosine from 1 to `final` (Loshchilov & Hutter 2017)."""
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * u))


def constant_then_decay(u: float, final: float, *, share: float = 0.65) -> float:
    """Constant, then a straight line over the last `share` (WSD; Hu et al. 2024, MiniCPM)."""
    return linear(max(u - (1 - share), 0) / share, final)


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "constant_then_decay": constant_then_decay,
    "short_decay": partial(constant_then_decay, share=0.2),
}


def factor(name: str, progress: float, *, warmup: float, final: float) -> float:
    """What the peak learning rate is multiplied by.

    Args:
        name: one of SCHEDULES.
        progress: share of the run that is done, taken in the middle of the step.
        warmup: share of the run over which the rate rises linearly from 0.
        final: share of the peak that is left at the end.

    >>> [round(factor("linear", p, warmup=0.1, final=0.0), 2) for p in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    u = (progress - warmup) / max(1 - warmup, 1e-9)
    return SCHEDULES[name](min(u, 1.0), final)


def default(progress: float) -> float:
    """What `train.schedule` and its neighbours are when nothing is said."""
    return factor("constant_then_decay", progress, warmup=0.02, final=0.0)
