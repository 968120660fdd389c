"""Positions as numbers: sines, and rotary angles with the ways to reach further than trained.

Rotary (Su 2021): pair i of a head turns by position · theta^(-2i/d) radians. Scaling slows the
waves down:

linear    all of them (Chen 2023)
llama3    slow ones, fast ones not, those between in part (Llama 3.1)
yarn      the same by another ramp, and queries and keys grow a little (Peng 2023)
longrope  each by a number found by search, another set beyond the old context (Ding 2024)

Oracle: transformers, for every one of them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from danlu.models.config import ModelConfig


def rope(c: ModelConfig, positions: Tensor, *, local: bool = False) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angle of each pair at each position, [..., rope_dim / 2] float32.

    Args:
        c: which waves.
        positions: [...] whole numbers.
        local: of a layer with a window, which may have a base of its own.
    """
    theta = c.rope_local_theta if local and c.rope_local_theta else c.rope_theta
    waves, loudness = frequencies(c.rope_dim, theta, positions.device), 1.0
    if not (local and c.rope_local_theta):
        waves, loudness = _scaled(c, waves, positions)
    angle = positions[..., None].float() * waves
    return angle.cos() * loudness, angle.sin() * loudness


def frequencies(dim: int, theta: float, device: torch.device | str = "cpu") -> Tensor:
    """[dim / 2] float32 radians a position: theta^(-2i/dim)."""
    steps = torch.arange(0, dim, 2, device=device, dtype=torch.float32)
    return 1.0 / theta ** (steps / dim)


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """[..., dim] float32: PE(p, 2i) = sin(p / 10000^(2i/dim)), PE(p, 2i+1) = cos of the same.

    Source: Vaswani 2017, §3.5.
    """
    angle = positions[..., None].float() * frequencies(dim, 10_000.0, positions.device)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def _scaled(c: ModelConfig, waves: Tensor, positions: Tensor) -> tuple[Tensor, float]:
    """Slower waves, and what queries and keys are multiplied by."""
    if c.rope_scaling == "linear":
        return waves / c.rope_factor, 1.0
    if c.rope_scaling == "llama3":
        turns = c.rope_trained_len / (2 * math.pi / waves)
        keep = (turns - c.rope_low_freq) / (c.rope_high_freq - c.rope_low_freq)
        return _blend(waves, keep.clamp(0, 1), c.rope_factor), 1.0
    if c.rope_scaling == "yarn":
        return _blend(waves, _ramp(c, len(waves)).to(waves.device), c.rope_factor), _yarn_loudness(
            c
        )
    if c.rope_scaling == "longrope":
        beyond = bool(positions.max() >= c.rope_trained_len)
        factors = torch.tensor(c.rope_long if beyond else c.rope_short, device=waves.device)
        return waves / factors, _longrope_loudness(c)
    return waves, 1.0


def _blend(waves: Tensor, keep: Tensor, factor: float) -> Tensor:
    return (1 - keep) * waves / factor + keep * waves


def _ramp(c: ModelConfig, pairs: int) -> Tensor:
    """[pairs] 1 where a wave stays: from the pair that turns beta_fast times down to beta_slow."""

    def pair(turns: float) -> float:
        ratio = math.log(c.rope_trained_len / (turns * 2 * math.pi))
        return c.rope_dim * ratio / (2 * math.log(c.rope_theta))

    low = max(math.floor(pair(c.rope_beta_fast)), 0)
    high = min(math.ceil(pair(c.rope_beta_slow)), c.rope_dim - 1)
    return 1 - ((torch.arange(pairs).float() - low) / max(high - low, 0.001)).clamp(0, 1)


def _yarn_loudness(c: ModelConfig) -> float:
    return c.rope_loudness or 0.1 * math.log(c.rope_factor) + 1


def _longrope_loudness(c: ModelConfig) -> float:
    if c.rope_loudness or c.rope_factor <= 1:
        return c.rope_loudness or 1.0
    return math.sqrt(1 + math.log(c.rope_factor) / math.log(c.rope_trained_len))
