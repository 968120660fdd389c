"""What a model of another family can do, tried on a few tokens when it is loaded.

A model whose tokens saw those behind them would be measured as if it could read the future, so that
is refused. A cache that forgets, or padding that is looked at, would change what is generated; then
the model is called without. Three short passes; no random number is drawn.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from danlu import log
from danlu.errors import ModelError
from danlu.models.foreign import head
from danlu.models.foreign.cache import ForeignCache
from danlu.models.foreign.library import FAILURES
from danlu.models.foreign.model import Foreign

LENGTH, PADDING = 8, 3
"""Tokens of a row, and how many fewer another has."""


@torch.no_grad()
def probe(model: Foreign) -> Foreign:
    """Set what the model can do; returns it.

    Raises:
        ModelError: its tokens see those behind them, or transformers cannot run it here.
    """
    before, precise = model.training, torch.get_float32_matmul_precision()
    model.eval()
    torch.set_float32_matmul_precision("highest")
    try:
        _probe(model)
    finally:
        torch.set_float32_matmul_precision(precise)
        model.train(before)
    return model


def _probe(model: Foreign) -> None:
    family, tokens = model.config.model_type, _tokens(model)
    try:
        seen = _look(model, tokens)
    except FAILURES as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"transformers cannot run this {family} model: {why}") from error
    if _differ(seen[0, :-1], seen[2, :-1]):
        raise ModelError(
            f"a {family} model cannot be used: its tokens see those behind them",
            expected="a model that predicts the next token from those before it",
        )
    if model.remembers:
        try:
            model.remembers = not _forgets(model, tokens, seen)
        except FAILURES:
            model.remembers = False
    if not model.remembers:
        log.say(f"{family} has no cache that can be used: it generates slowly, from the whole text")


def _tokens(model: Foreign) -> Tensor:
    """[3, LENGTH]: the third row differs from the first in its last token only."""
    length = min(LENGTH, model.config.max_len)
    if length <= PADDING + 2:
        raise ModelError("the model's context is too short", got=f"{model.config.max_len} tokens")
    size = model.config.vocab_size
    rows = (torch.arange(2 * length) * (size // 2 + 1) + torch.arange(2 * length)) % size
    rows = torch.cat([rows, rows[:length]]).view(3, length)
    rows[2, -1] = (rows[0, -1] + size // 3 + 1) % size
    return rows.to(model.embed.weight.device)


def _look(model: Foreign, tokens: Tensor) -> Tensor:
    """What the head reads, [3, T, D], or logits; notes what it is that follows the head."""
    own = model.head
    if type(own) is not nn.Linear:
        return model.call(tokens).logits
    ramp = head.ramp(len(own.weight)).to(tokens.device)
    with head.tapped(own, lambda hidden: ramp.expand(*hidden.shape[:-1], -1).clone()) as given:
        came = model.call(tokens).logits
    model.head_kind = head.kind_of(own, given, came, tokens)
    return model.call(tokens).logits if model.head_kind is None else given[0]


def _forgets(model: Foreign, tokens: Tensor, seen: Tensor) -> bool:
    """Whether rows with padding before them, read step by step, come out otherwise."""
    length, cache = tokens.shape[1], ForeignCache()
    padded = tokens[:2].clone()
    padded[1] = tokens[1].roll(PADDING)
    segments = torch.ones_like(padded)
    segments[1, :PADDING] = 0
    positions = (segments.cumsum(1) - 1).clamp(min=0)
    ends = [length - 2, length - 1, length]
    for begin, end in zip([0, *ends], ends, strict=False):
        part, own = padded[:, begin:end], positions[:, begin:end]
        came = _go_on(model, part, own, segments[:, :end], cache)
        if cache.theirs is None:
            return True
        if _differ(came[0, -1], seen[0, end - 1]):
            return True
        if _differ(came[1, -1], seen[1, end - 1 - PADDING]):
            return True
        cache.length = end
    cache.keep_rows(torch.tensor([1, 0], device=tokens.device))
    return False


def _go_on(
    model: Foreign, tokens: Tensor, positions: Tensor, segments: Tensor, cache: ForeignCache
) -> Any:
    """What the head reads, or logits."""
    if model.head_kind is None:
        return model.go_on(tokens, positions, segments, cache)[1]
    with head.tapped(model.head, head.nothing) as given:
        model.go_on(tokens, positions, segments, cache)
    return given[0]


def _differ(one: Tensor, other: Tensor) -> bool:
    """Whether two results differ by more than rounding."""
    close = 1e-4 if one.dtype in (torch.float32, torch.float64) else 5e-2
    gap = (one.double() - other.double()).abs().amax()
    return not bool(gap <= close * other.double().abs().amax())
