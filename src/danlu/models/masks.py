"""Who sees whom, and what attention scores lose by distance (ALiBi, T5's relative positions).

Distances are counted in places of the row, which within a document are those of its tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from danlu.models.config import ModelConfig

BUCKETS, FARTHEST = 32, 128
"""Relative positions: learned distances of a head, and from where all are one (T5)."""


def distances(queries: int, past: int, device: torch.device) -> Tensor:
    """[T, S] how far back each key lies from each query; negative: it comes later."""
    q = torch.arange(past, past + queries, device=device)
    return q[:, None] - torch.arange(past + queries, device=device)[None, :]


def seen(gap_TS: Tensor, segments_BS: Tensor | None, *, window: int, causal: bool) -> Tensor:
    """Who sees whom, bool [1 or B, 1, T, S]: keys of the same segment, within the window, and in a
    causal model no later ones.
    """
    sees = gap_TS >= 0 if causal else torch.ones_like(gap_TS, dtype=torch.bool)
    if window:
        sees = sees & (gap_TS.abs() < window)
    if segments_BS is None:
        return sees[None, None]
    same = segments_BS[:, None, :] == segments_BS[:, -gap_TS.shape[0] :, None]
    return (sees & same)[:, None]


def memory_mask(
    shape: torch.Size, segments: Tensor | None, memory_segments: Tensor | None
) -> Tensor | None:
    """Which places of a source each target sees, bool [B, 1, T, S]; None: all."""
    if memory_segments is None:
        return None
    own = segments[:, -shape[1] :] if segments is not None else memory_segments.new_ones(1, 1)
    return (own[:, :, None] == memory_segments[:, None, :])[:, None]


def bias(c: ModelConfig, gap_TS: Tensor, distance: nn.Embedding | None, *, causal: bool) -> Tensor:
    """What is added to the scores for their distance, [1, H, T, S]: learned, or ALiBi's slopes."""
    if distance is not None:
        return distance(relative_buckets(gap_TS, causal=causal)).movedim(-1, 0)[None]
    slopes = torch.tensor(alibi_slopes(c.n_heads), device=gap_TS.device)
    return (-slopes[:, None, None] * gap_TS.abs())[None]


def alibi_slopes(heads: int) -> list[float]:
    """How much each head is bent by distance: 2^(-8/n), 2^(-16/n) … (Press 2022, §3).

    For other numbers of heads than powers of two: those of the next lower power, and every second
    one of the next higher.

    >>> alibi_slopes(4), len(alibi_slopes(6))
    ([0.25, 0.0625, 0.015625, 0.00390625], 6)
    """
    power = 1 << (heads.bit_length() - 1)
    slopes = [2.0 ** (-8.0 * n / power) for n in range(1, power + 1)]
    return slopes + [2.0 ** (-4.0 * n / power) for n in range(1, 2 * (heads - power), 2)]


def relative_buckets(gap: Tensor, *, causal: bool) -> Tensor:
    """The learned distance that each gap belongs to: one each when near, then ever wider ones.

    Source: Raffel 2020, §2.1. In an encoder, half of the buckets are for what comes later.
    """
    half = BUCKETS if causal else BUCKETS // 2
    far, exact = (gap.clamp(min=0) if causal else gap.abs()), half // 2
    ratio = torch.log(far.clamp(min=1).float() / exact) / math.log(FARTHEST / exact)
    wide = (exact + (ratio * (half - exact)).long()).clamp(max=half - 1)
    bucket = torch.where(far < exact, far, wide)
    return bucket if causal else bucket + half * (gap < 0)
