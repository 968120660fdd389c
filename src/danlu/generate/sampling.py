"""From logits to the next token: pure functions on [B, V], one row each for B texts.

The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p. Each row
has its own settings and its own random stream, seeded from (seed, row), and takes one number of it
for each token, so that what a row says does not depend on what else is in the batch.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.errors import ModelError
from danlu.generate.settings import Sampling


class Sampler:
    """Chooses tokens for a batch of rows, each by its own settings.

    Args:
        settings: one for each row.
        rows: the numbers of the rows, which with the seed choose their random streams.
        n_tokens: ids from here on are padding of the vocabulary and never chosen.
        device: of the logits.
    """

    def __init__(
        self,
        settings: Sequence[Sampling],
        *,
        rows: Sequence[int],
        n_tokens: int,
        device: torch.device | str = "cpu",
    ) -> None:
        def column(name: str) -> Tensor:
            values = [float(getattr(s, name)) for s in settings]
            return torch.tensor(values, device=device)[:, None]

        self.n_tokens = n_tokens
        self.temperature, self.penalty = column("temperature"), column("repetition_penalty")
        self.top_k, self.top_p, self.min_p = column("top_k"), column("top_p"), column("min_p")
        self.generators = [generator(s.seed, row) for s, row in zip(settings, rows, strict=True)]

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Go on with some of the rows."""
        for name in ("temperature", "penalty", "top_k", "top_p", "min_p"):
            setattr(self, name, getattr(self, name)[list(rows)])
        self.generators = [self.generators[row] for row in rows]

    def __call__(self, logits: Tensor, seen: Tensor) -> Tensor:
        """[B] the next tokens.

        Args:
            logits: [B, V], any floating dtype.
            seen: [B, V] bool, the tokens that prompt and answer have so far.

        Raises:
            ModelError: a logit is not a number.
        """
        logits = mask_padding(logits.float(), self.n_tokens)
        if not bool(logits.amax(-1).isfinite().all()):
            raise ModelError("the model's logits are not finite", fix="train it with a lower rate")
        if bool((self.penalty != 1).any()):
            logits = penalize(logits, seen, self.penalty)
        greedy = logits.argmax(-1)
        if not bool((self.temperature > 0).any()):
            return greedy
        logits = heat(logits, self.temperature)
        logits = keep_top(logits, self.top_k, self.top_p)
        logits = keep_min_p(logits, self.min_p)
        draws = [torch.rand((), generator=g, dtype=torch.float64) for g in self.generators]
        chosen = pick(logits, torch.stack(draws).to(logits.device))
        return torch.where(self.temperature[:, 0] > 0, chosen, greedy)


def generator(seed: int, row: int) -> torch.Generator:
    """A row's own random stream, on the CPU so that it is the same for every device."""
    mixed = np.random.SeedSequence([seed, row]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 31 | int(mixed[1]) >> 1)


def mask_padding(logits: Tensor, n_tokens: int) -> Tensor:
    """Exclude the rows of the vocabulary that belong to no token."""
    if n_tokens >= logits.shape[-1]:
        return logits
    return logits.index_fill(
        -1, torch.arange(n_tokens, logits.shape[-1], device=logits.device), -math.inf
    )


def penalize(logits: Tensor, seen: Tensor, penalty: Tensor | float) -> Tensor:
    """Divide the positive logits of seen tokens by the penalty and multiply the negative ones.

    >>> penalize(torch.tensor([[2.0, -2.0, 1.0]]), torch.tensor([[True, True, False]]), 2.0)
    tensor([[ 1., -4.,  1.]])
    """
    return torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)


def heat(logits: Tensor, temperature: Tensor) -> Tensor:
    """Divide by the temperature [B, 1], with the best logit at 0 so that nothing overflows.

    Rows of temperature 0 come out as they are: the caller takes their maximum.
    """
    scale = torch.where(temperature > 0, temperature, 1.0)
    return (logits - logits.amax(-1, keepdim=True)) / scale


def keep_top(logits: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Exclude all but the k most probable, and of those all but the first p of the probability.

    Args:
        logits: [B, V].
        top_k: [B, 1]; 0 keeps all.
        top_p: [B, 1]; 1 keeps all. The most probable token always stays.

    Of equally probable tokens the lower id comes first.

    >>> probs = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    >>> keep_top(probs.log(), torch.tensor([[0]]), torch.tensor([[0.7]])).exp()
    tensor([[0.5000, 0.3000, 0.0000, 0.0000]])
    """
    if not bool(((top_k > 0) | (top_p < 1)).any()):
        return logits
    ordered, ids = logits.sort(dim=-1, descending=True, stable=True)
    rank = torch.arange(logits.shape[-1], device=logits.device)
    ordered = ordered.masked_fill((top_k > 0) & (rank >= top_k), -math.inf)
    probs = ordered.softmax(-1)
    before = probs.cumsum(-1) - probs
    ordered = ordered.masked_fill((top_p < 1) & (before >= top_p), -math.inf)
    return torch.empty_like(logits).scatter_(-1, ids, ordered)


def keep_min_p(logits: Tensor, min_p: Tensor) -> Tensor:
    """Exclude what has less than min_p [B, 1] times the most probable token's probability."""
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + min_p.log(), -math.inf)


def pick(logits: Tensor, u: Tensor) -> Tensor:
    """[B] the token in whose share of the cumulative distribution u [B] in [0, 1) falls.

    In float64, so that each token has its probability to 2^-53; a probability of 0 is never picked.

    >>> pick(torch.tensor([[0.5, 0.0, 0.5]]).log(), torch.tensor([0.5], dtype=torch.float64))
    tensor([2])
    """
    cumulative = logits.double().softmax(-1).cumsum(-1)
    total = cumulative[:, -1:]
    point = torch.minimum(u[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, point, right=True)[:, 0]
