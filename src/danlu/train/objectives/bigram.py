"""Predict the next token from the present one alone, with its whole distribution as the target.

Used to start a model: see `train.bigram_start`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from danlu.models.transformer import Transformer
from danlu.runtime import TensorBatch
from danlu.types import Batch


class Bigram:
    """Cross-entropy with the distribution of what follows a token; blocks are passed by.

    Args:
        following_VV: [V, V] row t is the distribution of the token after t.
    """

    def __init__(self, following_VV: Tensor) -> None:
        self.following = following_VV

    def units(self, batch: Batch) -> int:
        """Number of tokens."""
        return int(batch.tokens.size)

    def loss(self, model: nn.Module, batch: TensorBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of the cross-entropies, in nats; no further metrics."""
        assert isinstance(model, Transformer)
        tokens = batch.tokens.flatten()
        logits = model.head(model.norm(model.embed(tokens)))
        return F.cross_entropy(logits.float(), self.following[tokens], reduction="sum"), {}
