"""More rows for a model's vocabulary: surgery on the embedding and the head, nothing else.

The row of a new token begins at the mean of the rows of the tokens that it replaces. Rows that fill
up to a multiple of 64 begin at the mean of all (Hewitt 2021), so they draw little probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from danlu.errors import ModelError
from danlu.models.transformer import Transformer

MULTIPLE = 64


def padded(tokens: int) -> int:
    """Rows for so many tokens: a multiple of 64, which kernels like.

    >>> padded(1), padded(64), padded(50_257)
    (64, 64, 50304)
    """
    return -(-tokens // MULTIPLE) * MULTIPLE


@torch.no_grad()
def resize(model: Transformer, tokens: int, replaced: Mapping[int, Sequence[int]]) -> None:
    """Give a model rows for `tokens` tokens, in place; old rows stay as they are, to the bit.

    Args:
        model: what is changed; it never gets smaller.
        tokens: size of the new vocabulary.
        replaced: new id → the old ids whose mean its rows begin at.

    Raises:
        ModelError: an id is outside the old or the new vocabulary.
    """
    old = model.config.vocab_size
    rows = max(old, padded(tokens))
    for number, ids in replaced.items():
        if not ids or not 0 <= number < tokens or not all(0 <= own < old for own in ids):
            raise ModelError(
                f"token {number} cannot begin at the mean of {list(ids)[:8]}",
                expected=f"a new id below {tokens} and old ones below {old}",
            )
    is_tied = model.head.weight is model.embed.weight
    model.embed.weight = _larger(model.embed.weight, rows, replaced)
    model.embed.num_embeddings = model.head.out_features = rows
    model.head.weight = (
        model.embed.weight if is_tied else _larger(model.head.weight, rows, replaced)
    )
    if isinstance(getattr(model.head, "bias", None), nn.Parameter):
        model.head.bias = _larger(model.head.bias, rows, replaced)
    model.config = model.config.model_copy(update={"vocab_size": rows})


def _larger(table: Tensor, rows: int, replaced: Mapping[int, Sequence[int]]) -> nn.Parameter:
    """[rows, …]: the table, then means; computed in float32 at least."""
    wide = torch.promote_types(table.dtype, torch.float32)
    new = table.to(wide).mean(0).expand(rows, *table.shape[1:]).to(table.dtype).clone()
    new[: len(table)] = table
    for number, ids in replaced.items():
        new[number] = table[list(ids)].to(wide).mean(0).to(table.dtype)
    return nn.Parameter(new, requires_grad=table.requires_grad)
