"""From prompts to text for people: whole characters as they come, cut at stop texts.

A token may end in the middle of a character (a Chinese one has three bytes, an emoji four), and a
stop text may begin in one token and end in another. So what may still become either is held back.
What comes out does not depend on how the text was cut into tokens.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from danlu.generate.engine import Engine, FinishReason, Request
from danlu.generate.settings import Sampling
from danlu.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer."""

    text: str

    finish_reason: FinishReason
    """stop: the model ended it, or a stop text did; length: there was no room for more."""

    tokens: list[int]
    """Its ids, without the end token; with those of the stop text that ended it."""


class TextStream:
    r"""Turns the bytes of tokens into pieces of text that can be shown at once.

    Bytes that can never become a character come out as U+FFFD, as `bytes.decode` would have them.
    The text ends before the stop text whose last character comes first.

    >>> stream = TextStream(stop=["。\n"])
    >>> [stream.push(part) for part in (b"\xe6\x98", b"\xa5\xe3\x80\x82", b"\n!")]
    ['', '春', '']
    >>> stream.stopped, stream.close()
    (True, '')
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.stop, self.stopped = list(stop), False
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""

    def push(self, data: bytes) -> str:
        """The text that is certain after these bytes."""
        return self._advance(self._decoder.decode(data))

    def close(self) -> str:
        """The rest, when no more bytes will come."""
        text = self._advance(self._decoder.decode(b"", final=True))
        rest, self._held = self._held, ""
        return text + rest

    def _advance(self, text: str) -> str:
        if self.stopped:
            return ""
        self._held += text
        found = [(at + len(s), at) for s in self.stop if (at := self._held.find(s)) >= 0]
        if found:
            self.stopped, out = True, self._held[: min(found)[1]]
            self._held = ""
            return out
        sure = len(self._held) - max((overlap(self._held, s) for s in self.stop), default=0)
        out, self._held = self._held[:sure], self._held[sure:]
        return out


def overlap(text: str, stop: str) -> int:
    r"""How many characters at the end of a text may be the beginning of a stop text.

    >>> overlap("Yes.\nUs", "\nUser:")
    3
    """
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)


def generate_text(
    model: nn.Module,
    tokenizer: Tokenizer,
    prompts: Sequence[str | Sequence[int]],
    sampling: Sampling | None = None,
) -> list[Completion]:
    """What the model answers to each prompt.

    Args:
        model: as `Engine` wants it.
        tokenizer: of this model.
        prompts: texts, which get the token that begins a document; or ids, taken as they are, as a
            rendered conversation is. An encoder-decoder reads them as its source, and a text gets
            the token that ends one.
        sampling: how tokens are chosen and when to stop.

    Raises:
        DataError: a prompt is too long or has unknown ids.
    """
    requests = _requests(model, tokenizer, prompts, sampling or Sampling())
    texts = [""] * len(requests)
    ids: list[list[int]] = [[] for _ in requests]
    reasons: list[FinishReason] = ["length"] * len(requests)
    for piece in _pieces(model, tokenizer, requests):
        texts[piece.row] += piece.text
        ids[piece.row] += piece.ids
        reasons[piece.row] = piece.finish_reason or "length"
    return [Completion(*row) for row in zip(texts, reasons, ids, strict=True)]


def stream_text(
    model: nn.Module,
    tokenizer: Tokenizer,
    prompt: str | Sequence[int],
    sampling: Sampling | None = None,
) -> Iterator[str]:
    """The answer to one prompt, in pieces that are never empty and never half a character.

    Raises:
        DataError: the prompt is too long or has unknown ids.
    """
    requests = _requests(model, tokenizer, [prompt], sampling or Sampling())
    for piece in _pieces(model, tokenizer, requests):
        if piece.text:
            yield piece.text


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one token added to a row."""

    row: int
    text: str
    ids: list[int]
    finish_reason: FinishReason | None


def _requests(
    model: nn.Module,
    tokenizer: Tokenizer,
    prompts: Sequence[str | Sequence[int]],
    sampling: Sampling,
) -> list[Request]:
    config: Any = model.config
    if getattr(config, "kind", "decoder") == "encoder-decoder":
        end = tokenizer.eos_ids[0]
        sources = [[*tokenizer.encode(p), end] if isinstance(p, str) else p for p in prompts]
        start = [config.start_token]
        return [Request(start, sampling, row, source=own) for row, own in enumerate(sources)]
    ids = [[tokenizer.bos_id, *tokenizer.encode(p)] if isinstance(p, str) else p for p in prompts]
    return [Request(prompt, sampling, row) for row, prompt in enumerate(ids)]


def _pieces(
    model: nn.Module, tokenizer: Tokenizer, requests: Sequence[Request]
) -> Iterator[_Piece]:
    """Tokens as text; a row whose stop text has come is cancelled."""
    engine = Engine(model, eos_ids=tokenizer.eos_ids, n_tokens=tokenizer.vocab_size)
    streams = [TextStream(request.sampling.stop) for request in requests]
    opening = [_begins(tokenizer, request.prompt) for request in requests]
    for token in engine.stream(requests):
        stream, reason = streams[token.row], token.finish_reason
        ended = token.id in engine.eos_ids
        data = b"" if ended else tokenizer.token_bytes(token.id)
        if data and opening[token.row]:
            data, opening[token.row] = tokenizer.spelling.opened(data), False
        text = stream.push(data)
        if reason:
            text += stream.close()
        if stream.stopped:
            requests[token.row].cancelled, reason = True, "stop"
        yield _Piece(token.row, text, [] if ended else [token.id], reason)


def _begins(tokenizer: Tokenizer, prompt: Sequence[int]) -> bool:
    """Whether what is written behind a prompt begins a text, so that it has no space before it.

    Behind the token that begins a document it does, whatever the family does in conversations.
    """
    return tokenizer.begins(prompt) or list(prompt) == [tokenizer.bos_id]
