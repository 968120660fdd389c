"""From prompts to new tokens, many at once, with a KV cache. Ids only: text is text.py's matter.

Prompts of unequal length are padded on the left, so that all rows end at the same place and grow
together. The padding is a segment of its own, which no text token sees, and each text's positions
begin at 0: a row gets the same logits as alone. A row that ends leaves the batch at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from danlu.errors import DataError, ModelError
from danlu.generate.sampling import Sampler
from danlu.generate.settings import Sampling
from danlu.models.cache import KVCache

FinishReason = Literal["stop", "length"]


@dataclass(slots=True)
class Request:
    """A prompt and what is wanted of it."""

    prompt: Sequence[int]
    """Ids, the first token of a document included; at least one."""

    sampling: Sampling = field(default_factory=Sampling)

    row: int = 0
    """Names the request in the tokens that come back, and chooses its random stream."""

    cancelled: bool = False
    """Set it to stop the row before its next token."""

    source: Sequence[int] = ()
    """Of an encoder-decoder: the ids that its encoder reads."""


@dataclass(frozen=True, slots=True)
class Token:
    """One new token of one row."""

    row: int

    id: int

    finish_reason: FinishReason | None = None
    """On a row's last token: it is an end token (stop), or there is no room for more (length)."""


class Engine:
    """Generates with a decoder, or with an encoder-decoder from a source.

    Args:
        model: `models.Transformer`, or anything that is called like it.
        eos_ids: tokens that end a row.
        n_tokens: how many tokens the tokenizer has; the vocabulary's padding is never chosen.
            None: all of the vocabulary.
        max_rows: most rows at once; further requests wait.

    Raises:
        ModelError: the model is an encoder, which sees what it would have to write.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        eos_ids: Collection[int] = (),
        n_tokens: int | None = None,
        max_rows: int = 32,
    ) -> None:
        config: Any = model.config
        kind = getattr(config, "kind", "decoder")
        if kind == "encoder":
            raise ModelError(
                "an encoder does not write text",
                got=f"a {config.model_type} model",
                expected="a decoder such as GPT-2 or Llama, or an encoder-decoder such as T5",
            )
        self.reads_source = kind == "encoder-decoder"
        self.model, self.eos_ids, self.max_rows = model, frozenset(eos_ids), max_rows
        self.max_len, self.vocab_size = int(config.max_len), int(config.vocab_size)
        self.n_tokens = self.vocab_size if n_tokens is None else min(n_tokens, self.vocab_size)

    def stream(self, requests: Sequence[Request]) -> Iterator[Token]:
        """New tokens as they come, of all rows in turn; the last one of a row has a reason.

        Prompts of similar length go together. Prompt and answer never exceed the model's context.
        Stop texts are not looked at: who reads the text cancels the request.

        Raises:
            DataError: a prompt is empty, leaves no room for an answer, or has unknown ids; found
                before the first token.
            ModelError: a logit is not a number.
        """
        for request in requests:
            self._check(request)
        waiting = sorted(requests, key=lambda r: len(r.source) + len(r.prompt))
        was_training = self.model.training
        self.model.eval()
        try:
            for at in range(0, len(waiting), self.max_rows):
                yield from self._batch(waiting[at : at + self.max_rows])
        finally:
            self.model.train(was_training)

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling | None = None
    ) -> list[list[int]]:
        """The new tokens of each prompt, end tokens left out; row n is prompt n."""
        sampling = sampling or Sampling()
        answers: list[list[int]] = [[] for _ in prompts]
        for token in self.stream([Request(p, sampling, row) for row, p in enumerate(prompts)]):
            if token.id not in self.eos_ids:
                answers[token.row].append(token.id)
        return answers

    def _check(self, request: Request) -> None:
        length = len(request.prompt)
        if length == 0:
            raise DataError(
                "a prompt is empty", expected="at least the token that begins a document"
            )
        if bool(request.source) != self.reads_source:
            raise DataError(
                "only an encoder-decoder reads a source, and it needs one",
                got=f"{len(request.source)} tokens of a source",
            )
        if length >= self.max_len:
            raise DataError(
                "a prompt is too long for the model",
                got=f"{length} tokens",
                expected=f"at most {self.max_len - 1}, so that there is room for an answer",
                fix="shorten the prompt",
            )
        ids = [*request.source, *request.prompt]
        if not 0 <= min(ids) <= max(ids) < self.vocab_size:
            raise DataError(
                "a prompt has ids that the model does not know",
                got=f"{min(ids)} … {max(ids)}",
                expected=f"0 … {self.vocab_size - 1}",
            )

    def _batch(self, requests: Sequence[Request]) -> Iterator[Token]:
        """Tokens of rows that run together until the last of them ends."""
        rows = _Rows(requests, self)
        while rows.requests:
            ids = rows.step()
            going = []
            for at, (request, token) in enumerate(zip(rows.requests, ids, strict=True)):
                if request.cancelled:
                    continue
                rows.room[at] -= 1
                ended = token in self.eos_ids
                full = rows.room[at] == 0
                yield Token(request.row, token, "stop" if ended else "length" if full else None)
                if not ended and not full and not request.cancelled:
                    going.append(at)
            rows.keep(going)


class _Rows:
    """The state of rows that run together; shapes: B of them, S places so far."""

    def __init__(self, requests: Sequence[Request], engine: Engine) -> None:
        self.requests, self.engine = list(requests), engine
        self.device = next(engine.model.parameters()).device
        # MPS has no float64, which the sampler needs
        self.sampler_device = torch.device("cpu") if self.device.type == "mps" else self.device
        lengths = [len(r.prompt) for r in requests]
        self.room = [
            min(r.sampling.max_tokens, engine.max_len - n)
            for r, n in zip(requests, lengths, strict=True)
        ]
        self.tokens, self.positions, self.segments = (
            t.to(self.device) for t in left_padded([r.prompt for r in requests])
        )
        self.padded = min(lengths) != max(lengths)
        self.source: dict[str, Tensor] = {}
        if engine.reads_source:
            names = ("source", "source_segments")
            found = right_padded([r.source for r in requests])
            self.source = {n: t.to(self.device) for n, t in zip(names, found, strict=True)}
        self.cache: KVCache = getattr(engine.model, "new_cache", KVCache)()
        self.sampler = Sampler(
            [r.sampling for r in requests],
            rows=[r.row for r in requests],
            n_tokens=engine.n_tokens,
            device=self.sampler_device,
        )
        self.seen = torch.zeros(len(lengths), engine.vocab_size, dtype=torch.bool)
        for row, request in enumerate(requests):
            self.seen[row, list(request.prompt)] = True
        self.seen = self.seen.to(self.sampler_device)

    @torch.no_grad()
    def step(self) -> list[int]:
        """Read what was not read yet, and choose the next token of each row."""
        logits: Tensor = self.engine.model(
            self.tokens,
            positions=self.positions,
            segments=self.segments if self.padded else None,
            cache=self.cache,
            **self.source,
        )[:, -1]
        self.source = {}  # the cache has it now
        ids = self.sampler(logits.to(self.sampler_device), self.seen)
        self.seen.scatter_(1, ids[:, None], True)
        self.tokens = ids[:, None].to(self.device)
        self.positions = self.positions[:, -1:] + 1
        self.segments = torch.cat([self.segments, torch.ones_like(self.tokens)], 1)
        return ids.tolist()

    def keep(self, rows: list[int]) -> None:
        """Go on with some of the rows."""
        if len(rows) == len(self.requests):
            return
        self.requests = [self.requests[row] for row in rows]
        self.room = [self.room[row] for row in rows]
        if not rows:
            return
        self.sampler.keep_rows(rows)
        index = torch.tensor(rows, device=self.device)
        self.cache.keep_rows(index)
        self.tokens, self.positions = self.tokens[index], self.positions[index]
        self.segments, self.seen = self.segments[index], self.seen[index.to(self.seen.device)]


def right_padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Tokens and segments, each [B, longest]; the padding is segment 0.

    >>> tokens, segments = right_padded([[7, 8, 9], [5]])
    >>> tokens.tolist(), segments.tolist()
    ([[7, 8, 9], [5, 0, 0]], [[1, 1, 1], [1, 0, 0]])
    """
    longest = max(map(len, rows))
    tokens, segments = (torch.zeros(len(rows), longest, dtype=torch.long) for _ in range(2))
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row)
        segments[number, : len(row)] = 1
    return tokens, segments


def left_padded(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, positions and segments, each [B, longest]; the padding is segment 0.

    >>> tokens, positions, segments = left_padded([[7, 8, 9], [5]])
    >>> tokens.tolist(), positions.tolist(), segments.tolist()
    ([[7, 8, 9], [0, 0, 5]], [[0, 1, 2], [0, 0, 0]], [[1, 1, 1], [0, 0, 1]])
    """
    longest = max(map(len, prompts))
    tokens, positions, segments = (
        torch.zeros(len(prompts), longest, dtype=torch.long) for _ in range(3)
    )
    for row, prompt in enumerate(prompts):
        start = longest - len(prompt)
        tokens[row, start:] = torch.tensor(prompt)
        positions[row, start:] = torch.arange(len(prompt))
        segments[row, start:] = 1
    return tokens, positions, segments
