"""One vector for each text, from an encoder such as MiniLM or BGE: close in meaning, close by.

Each text is read between what begins and what ends a document ([CLS] and [SEP] of BERT). Its vector
is the mean of the last layer over all its tokens, these two included, or the first token's; then it
is made one long, so that a product of two is the cosine of their angle (Reimers & Gurevych 2019,
§3). Which of the two a model was trained for, its folder says in `1_Pooling/config.json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from danlu.errors import DataError, ModelError
from danlu.models.transformer import Transformer
from danlu.tokenizer import Tokenizer

Pooling = Literal["mean", "first"]


@torch.no_grad()
def sentence_embeddings(
    model: Transformer,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    pooling: Pooling = "mean",
    max_tokens: int | None = None,
    batch_rows: int = 32,
) -> Tensor:
    """[N, D] float32 on the CPU, each row one long, in the order of the texts.

    Args:
        model: an encoder, as `hub.load_stack` opens it; its head is not used.
        tokenizer: its own.
        texts: any number of them; an empty one has a vector too.
        pooling: the mean over tokens, or the first token's vector.
        max_tokens: longer texts are cut to so many, the two around them included; None: none is.
        batch_rows: texts that are read at a time, those of like length together.

    Raises:
        ModelError: the model is no encoder.
        DataError: a text is longer than the model's context, and `max_tokens` is None.
    """
    if model.config.kind != "encoder":
        raise ModelError("only an encoder makes sentence embeddings", got=model.config.kind)
    out = torch.empty(len(texts), model.config.d_model)
    ids = _framed(tokenizer, texts, model.config.max_len, max_tokens)
    for rows in _batches([len(row) for row in ids], batch_rows):
        out[rows] = _pooled(model, [ids[row] for row in rows], tokenizer.pad_id, pooling)
    return normalize(out, dim=-1)


def _framed(
    tokenizer: Tokenizer, texts: Sequence[str], context: int, max_tokens: int | None
) -> list[list[int]]:
    """Ids with what begins and ends a document, cut where that is wanted."""
    most = min(max_tokens or context, context)
    begin, end, framed = tokenizer.bos_id, tokenizer.eos_ids[0], []
    for text, inner in zip(texts, tokenizer.encode_batch(texts), strict=True):
        if len(inner) + 2 > most and max_tokens is None:
            raise DataError(
                f"a text has more tokens than the model can read: {text[:60]!r} …",
                got=len(inner) + 2,
                expected=f"{most} at most",
                fix=f"cut it into passages, or give max_tokens={most} to read its beginning only",
            )
        framed.append([begin, *inner[: most - 2], end])
    return framed


def _batches(lengths: list[int], rows: int) -> Iterator[list[int]]:
    order = sorted(range(len(lengths)), key=lambda n: lengths[n])
    yield from (order[start : start + rows] for start in range(0, len(order), rows))


def _pooled(model: Transformer, ids: list[list[int]], pad: int, pooling: Pooling) -> Tensor:
    """[B, D] float32, not normalised; what fills a short row is not looked at."""
    device, longest = model.embed.weight.device, max(map(len, ids))
    tokens_BT = torch.tensor([row + [pad] * (longest - len(row)) for row in ids], device=device)
    keep_BT = torch.tensor(
        [[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=device
    )
    hidden_BTD = model.hidden(tokens_BT, segments=keep_BT).float()
    if pooling == "first":
        return hidden_BTD[:, 0].cpu()
    weight_BT1 = keep_BT[..., None].float()
    return ((hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)).cpu()
