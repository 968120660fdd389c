"""Predict the next token: pretraining and supervised fine-tuning alike."""

from __future__ import annotations

from torch import Tensor, nn

from danlu.models.transformer import balance
from danlu.runtime import TensorBatch
from danlu.types import IGNORE, Batch


class NextToken:
    """Cross-entropy of the labels; positions labelled IGNORE (prompts, padding) do not count."""

    def units(self, batch: Batch) -> int:
        """Number of labels that count, known before any forward pass."""
        return int((batch.labels != IGNORE).sum())

    def loss(self, model: nn.Module, batch: TensorBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of -log p over the labels that count, in nats, float32.

        Experts add what spreads tokens over them, as much for each label; the metric `balance` is
        that alone. It is a product of means over the micro-batch, so that its gradient depends on
        how a step is split; all others' do not.
        """
        nll = model(
            batch.tokens,
            targets=batch.labels,
            positions=batch.positions,
            segments=batch.segments,
        )
        spread = balance(model)
        if spread is None:
            return nll.sum(), {}
        spread = spread * (batch.labels != IGNORE).sum()
        return nll.sum() + spread, {"balance": spread}
