"""Predict the next token: pretraining and supervised fine-tuning alike."""

from __future__ import annotations

from torch import Tensor, nn

from danlu.runtime import TensorBatch
from danlu.types import IGNORE, Batch


class NextToken:
    """Cross-entropy of the labels; positions labelled IGNORE (prompts, padding) do not count."""

    def units(self, batch: Batch) -> int:
        """Number of labels that count, known before any forward pass."""
        return int((batch.labels != IGNORE).sum())

    def loss(self, model: nn.Module, batch: TensorBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of -log p over the labels that count, in nats, float32; no further metrics."""
        nll = model(
            batch.tokens,
            targets=batch.labels,
            positions=batch.positions,
            segments=batch.segments,
        )
        return nll.sum(), {}
