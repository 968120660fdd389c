"""The vocabulary head of a model that is computed elsewhere, without ever making all its logits.

For the length of a call the head's `forward` is replaced: it keeps what it was given, and returns
no logits at all, [B, T, 0]. What the model would do with logits afterwards is found once, by
returning a ramp of numbers instead: most families do nothing, some scale (Cohere), some bend (Gemma
2, `softcapped`). A head that cannot be understood so is used as it is, and all logits are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.models.head import linear_nll, softcapped

HUGE, SMALL = 1e6, 1e-3
"""Numbers on the ramp that show where logits are bent to, and how they are scaled."""


@dataclass(frozen=True)
class HeadKind:
    """What is done with the product of hidden vectors and the head's matrix."""

    scale: float = 1.0
    softcap: float = 0.0

    def logits(self, head: nn.Linear, hidden: Tensor) -> Tensor:
        """[..., V] of [..., D]."""
        logits = head(hidden)
        logits = logits * self.scale if self.scale != 1 else logits
        return softcapped(logits, self.softcap) if self.softcap else logits

    def nll(self, head: nn.Linear, hidden_BTD: Tensor, targets_BT: Tensor) -> Tensor:
        """[B, T] losses in nats, see `linear_nll`."""
        rows = hidden_BTD.flatten(0, 1)
        rows = rows * self.scale if self.scale != 1 else rows
        losses = linear_nll(
            rows, head.weight, targets_BT.flatten(), bias=head.bias, softcap=self.softcap
        )
        return losses.view_as(targets_BT)


@contextmanager
def tapped(head: nn.Linear, answer: Callable[[Tensor], Tensor]) -> Iterator[list[Tensor]]:
    """Let a head return `answer(hidden)`; yields the list of what it was given."""
    given: list[Tensor] = []

    def forward(hidden: Tensor) -> Tensor:
        given.append(hidden)
        return answer(hidden)

    head.forward = forward  # type: ignore[method-assign, assignment]
    try:
        yield given
    finally:
        del head.forward


def nothing(hidden: Tensor) -> Tensor:
    """No logits: [B, T, 0]."""
    return hidden[..., :0]


def ramp(rows: int) -> Tensor:
    """[V] numbers that show what is done with logits; float32.

    >>> ramp(5).tolist()
    [-1000000.0, 0.0010000000474974513, 0.0, 25.0, 1000000.0]
    """
    numbers = torch.linspace(-50, 50, rows)
    numbers[0], numbers[-1] = -HUGE, HUGE
    if rows > 3:
        numbers[1] = SMALL
    return numbers


def kind_of(head: Any, given: list[Tensor], came: Tensor, tokens: Tensor) -> HeadKind | None:
    """What a model does with logits, if they came out as `came` [B, T, V] when they were a ramp.

    Returns:
        None where it cannot be said: the head was not called once for all tokens, or what is done
        is no scaling and no bending.
    """
    if len(given) != 1 or given[0].shape[:2] != tokens.shape or given[0].ndim != 3:
        return None
    before = ramp(len(head.weight)).to(came.device)
    if came.shape != (*tokens.shape, len(before)) or len(before) < 5:
        return None
    after = came.float()
    scale = float(after[0, 0, 1] / before[1])
    scale = 1.0 if abs(scale - 1) < 1e-6 else scale
    cap = float(after[0, 0, -1])
    cap = 0.0 if cap > 0.9 * scale * HUGE else cap
    expected = softcapped(before * scale, cap) if cap else before * scale
    fits = cap >= 0 and scale > 0 and torch.allclose(after, expected.expand_as(after), rtol=1e-5)
    return HeadKind(scale, cap) if fits else None
