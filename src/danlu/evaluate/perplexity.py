"""How well a model predicts held-out text: loss, perplexity, bits per byte, next-token accuracy.

A stream longer than the model's context is read in windows that overlap: a window brings `stride`
tokens that no earlier one has scored, and the rest of it is context. So each token is scored
exactly once, with more than window - stride tokens before it (or all there are). The first token of
a stream is never scored: it is what the stream begins with, a document boundary. Sums are taken
over everything and divided once, because a mean of means weighs short windows too much.

Bits per byte count the bytes of the *original* text; boundary tokens cost bits but have no bytes.
It is the measure that can be compared between tokenizers; loss and perplexity cannot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from danlu.errors import ConfigError, DataError
from danlu.evaluate.ngram import Tokens
from danlu.types import IGNORE

LOGITS = 1 << 25
"""Numbers of logits that are held at a time (128 MiB), or one row's if those are more."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What was added up over scored tokens."""

    nats: float = 0.0
    tokens: int = 0
    correct: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.nats + other.nats, self.tokens + other.tokens, self.correct + other.correct
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a stream: places start … stop - 1 are read, and first + 1 … stop are scored."""

    stream: int
    start: int
    first: int
    stop: int


def windows(lengths: Sequence[int], window: int, stride: int) -> Iterator[Window]:
    """Cut streams of given lengths so that all their tokens but the first are scored once.

    >>> [(w.start, w.first, w.stop) for w in windows([10], window=4, stride=2)]
    [(0, 0, 4), (2, 4, 6), (4, 6, 8), (5, 8, 9)]
    """
    for stream, length in enumerate(lengths):
        done = 0
        while done < length - 1:
            stop = min(done + (window if done == 0 else stride), length - 1)
            yield Window(stream, max(0, stop - window), done, stop)
            done = stop


class Perplexity:
    """Scores a model on held-out streams; an evaluation for `fit`.

    Args:
        tokens: one stream [N], or a list of them, each read on its own (for documents that must not
            see each other). A stream begins with a boundary token, which is not scored.
        text_bytes: UTF-8 bytes of the original text of all streams.
        window: tokens that the model reads at once; None: as many as it can.
        stride: tokens that a window scores after the first; None: half the window. 1 gives each
            token all the context that there is, window the least work.
        batch_tokens: tokens in a batch.
        accuracy: also count where the most probable token was the right one. Needs logits of a
            whole row at a time; without it the model's chunked head is used.

    Raises:
        DataError: there is nothing to score.
        ConfigError: a number is out of range.
    """

    def __init__(
        self,
        tokens: Tokens | Sequence[Tokens],
        *,
        text_bytes: int,
        window: int | None = None,
        stride: int | None = None,
        batch_tokens: int = 8192,
        accuracy: bool = True,
    ) -> None:
        self.streams = [tokens] if isinstance(tokens, np.ndarray) else list(tokens)
        self.text_bytes, self.window, self.stride = text_bytes, window, stride
        self.batch_tokens, self.accuracy = batch_tokens, accuracy
        self.tokens = sum(max(0, len(stream) - 1) for stream in self.streams)
        if self.tokens == 0 or text_bytes < 1:
            got = f"{self.tokens} tokens to score, {text_bytes} bytes"
            raise DataError("there is no held-out text to evaluate on", got=got)

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """Loss (nats a token), perplexity, bits per byte, accuracy, and the counts behind them."""
        total = sum(self.documents(model), Sums())
        result = summary(total, self.text_bytes)
        if not self.accuracy:
            del result["accuracy"]
        return result

    def documents(self, model: nn.Module) -> list[Sums]:
        """The sums of each stream, in order; what a bootstrap over documents needs."""
        window, stride = self._sizes(model)
        pieces = list(windows([len(s) for s in self.streams], window, stride))
        pieces.sort(key=lambda w: w.start - w.stop)  # long ones first: little padding
        rows = max(1, self.batch_tokens // window)
        results = [Sums() for _ in self.streams]
        was_training = model.training
        model.eval()
        try:
            for at in range(0, len(pieces), rows):
                batch = pieces[at : at + rows]
                for piece, sums in zip(batch, self._score(model, batch), strict=True):
                    results[piece.stream] += sums
        finally:
            model.train(was_training)
        assert sum(r.tokens for r in results) == self.tokens, "each token is scored exactly once"
        return results

    def _sizes(self, model: Any) -> tuple[int, int]:
        """Window and stride for this model."""
        max_len = model.config.max_len
        window = self.window or max_len
        stride = self.stride or max(1, window // 2)
        if not 1 <= stride <= window <= max_len:
            raise ConfigError(
                "the evaluation windows do not fit the model",
                got=f"window {window}, stride {stride}",
                expected=f"1 ≤ stride ≤ window ≤ {max_len}, the model's context",
            )
        return window, stride

    # no_grad, not inference_mode: what a model keeps from one call to the next must stay trainable
    @torch.no_grad()
    def _score(self, model: nn.Module, pieces: list[Window]) -> list[Sums]:
        """The sums of each window, from one pass over a batch of them."""
        device = next(model.parameters()).device
        tokens, targets = (t.to(device) for t in self._rows(pieces))
        if not self.accuracy:
            nll = model(tokens, targets=targets)
            correct = torch.zeros_like(targets, dtype=torch.bool)
        else:
            vocab_size = int(model.config.vocab_size)  # type: ignore[union-attr, arg-type]
            rows = max(1, LOGITS // (tokens.shape[1] * vocab_size))
            parts = zip(torch.split(tokens, rows), torch.split(targets, rows), strict=True)
            scored = [_nll_and_correct(model(some), wanted) for some, wanted in parts]
            nll, correct = (torch.cat(column) for column in zip(*scored, strict=True))
        wide = torch.float32 if device.type == "mps" else torch.float64
        nats, hits = nll.to(wide).sum(1).tolist(), correct.sum(1).tolist()
        counts = [piece.stop - piece.first for piece in pieces]
        return [Sums(*row) for row in zip(nats, counts, hits, strict=True)]

    def _rows(self, pieces: list[Window]) -> tuple[Tensor, Tensor]:
        """[B, T] what is read, and what must be predicted or IGNORE; padded on the right."""
        length = max(piece.stop - piece.start for piece in pieces)
        tokens = np.zeros((len(pieces), length), np.int64)
        targets = np.full((len(pieces), length), IGNORE, np.int64)
        for row, piece in enumerate(pieces):
            stream, used = self.streams[piece.stream], piece.stop - piece.start
            tokens[row, :used] = stream[piece.start : piece.stop]
            fresh = stream[piece.first + 1 : piece.stop + 1]
            targets[row, used - len(fresh) : used] = fresh
        return torch.from_numpy(tokens), torch.from_numpy(targets)


def _nll_and_correct(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """[B, T] losses and whether the first most probable token is the target; row by row."""
    dtype = logits.dtype if logits.dtype == torch.float64 else torch.float32
    rows = zip(logits, targets, strict=True)
    nll = [cross_entropy(r.to(dtype), t, ignore_index=IGNORE, reduction="none") for r, t in rows]
    return torch.stack(nll), logits.argmax(-1) == targets


def summary(sums: Sums, text_bytes: int) -> dict[str, float]:
    """Sums as the figures that people read.

    >>> uniform = summary(Sums(nats=10 * math.log(256), tokens=10), text_bytes=10)
    >>> uniform["bits_per_byte"], round(uniform["perplexity"])
    (8.0, 256)
    """
    loss = sums.nats / sums.tokens
    return {
        "loss": loss,
        "perplexity": math.inf if loss > 700 else math.exp(loss),
        "bits_per_byte": sums.nats / math.log(2) / text_bytes,
        "accuracy": sums.correct / sums.tokens,
        "tokens": sums.tokens,
        "bytes": text_bytes,
    }
