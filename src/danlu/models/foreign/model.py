"""A causal model that transformers computes, called as `models.transformer.Transformer` is.

Notable choices: packed documents are read one by one (`documents`), so no family has to know them;
the loss never makes all logits where the head can be understood (`head`); what the family's cache
and its padding are good for is tried out once (`probe`), and where they fail, each new token is
computed from the whole text. What a mixture of experts would add to the loss is left out.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.errors import ModelError
from danlu.models.cache import KVCache
from danlu.models.foreign import documents, head
from danlu.models.foreign.cache import ForeignCache
from danlu.models.foreign.config import ForeignConfig
from danlu.types import IGNORE

CACHES = ("cache", "past_key_values", "cache_params")
"""What a cache is called, in several families and versions."""


class Foreign(nn.Module):
    """A language model of a family that Danlu has no table of.

    Called with tokens [B, T] it gives logits [B, T, V]; with `targets` [B, T] as well, the negative
    log-likelihood of each target in nats, [B, T] float32, 0 where the target is IGNORE.

    Args:
        body: a causal language model of transformers.
        config: what it is.
    """

    def __init__(self, body: Any, config: ForeignConfig) -> None:
        super().__init__()
        self.body, self.config = body, config
        self.embed.padding_idx = None  # or the token that pads, often the one that ends, is frozen
        self.takes = frozenset(inspect.signature(body.forward).parameters)
        self.cache_name = next((name for name in CACHES if name in self.takes), None)
        self.head_kind: head.HeadKind | None = None
        self.remembers = self.cache_name is not None
        """Whether its own cache may be used, with padding on the left."""

    @property
    def embed(self) -> nn.Embedding:
        """The embedding of tokens."""
        return self.body.get_input_embeddings()

    @property
    def head(self) -> Any:
        """From vectors to logits; None where the family keeps it in another way."""
        return self.body.get_output_embeddings()

    def new_cache(self) -> KVCache:
        """What `forward` takes as `cache`."""
        return ForeignCache()

    def forward(
        self,
        tokens: Tensor,
        *,
        targets: Tensor | None = None,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Logits, or losses if `targets` are given.

        Args:
            tokens: [B, T] ids.
            targets: [B, T] ids that each position must predict, or IGNORE.
            positions: [B, T] position in the document; by default they go on from the cache.
            segments: [B, past + T] number of the document each token belongs to; with a cache those
                of a row are padding, then text.
            cache: what came before, from `new_cache`; this call's tokens are added.

        Raises:
            ModelError: the family cannot do what is asked.
        """
        if cache is not None:
            logits = self._cached(tokens, positions, segments, cache)
            return logits if targets is None else _nll(logits, targets)
        if segments is None and positions is None:
            return self._read(tokens, targets)
        wanted = None if targets is None else targets != IGNORE
        found = documents.spans(
            tuple(tokens.shape), segments=segments, positions=positions, wanted=wanted
        )

        def read(places: Tensor, rising: Tensor | None) -> Tensor:
            own = None if targets is None else targets.flatten()[places]
            return self._read(tokens.flatten()[places], own, rising)

        return documents.apart(read, tokens, found)

    def hidden(self, tokens: Tensor) -> Tensor:
        """What the head reads, [B, T, D].

        Raises:
            ModelError: this family's head cannot be tapped.
        """
        if self.head_kind is None:
            raise ModelError(
                f"what the head of a {self.config.model_type} model reads cannot be found"
            )
        return self._hidden(tokens)

    def _read(
        self, tokens: Tensor, targets: Tensor | None, positions: Tensor | None = None
    ) -> Tensor:
        """Logits or losses of rows that are one document each, from their beginning."""
        extra = self._positions(positions)
        if targets is None:
            return self.call(tokens, **extra).logits
        if self.head_kind is None or type(self.head) is not nn.Linear:
            return _nll(self.call(tokens, **extra).logits, targets)
        return self.head_kind.nll(self.head, self._hidden(tokens, **extra), targets)

    def _hidden(self, tokens: Tensor, **extra: Any) -> Tensor:
        with head.tapped(self.head, head.nothing) as given:
            self.call(tokens, **extra)
        return given[0]

    def _positions(self, positions: Tensor | None) -> dict[str, Any]:
        """Arguments that say where documents begin, if not at 0."""
        if positions is None:
            return {}
        if "position_ids" not in self.takes:
            raise ModelError(f"a {self.config.model_type} model cannot begin inside a document")
        mask = torch.ones_like(positions)  # without one, positions would be taken for packed rows
        return {"position_ids": positions, "attention_mask": mask}

    def call(self, tokens: Tensor, **extra: Any) -> Any:
        """Their forward pass, without a cache unless `extra` says so."""
        if "use_cache" in self.takes:
            extra.setdefault("use_cache", False)
        return self.body(input_ids=tokens, **extra)

    def _cached(
        self, tokens: Tensor, positions: Tensor | None, segments: Tensor | None, cache: KVCache
    ) -> Tensor:
        """Logits [B, T, V] of tokens that go on from a cache."""
        assert isinstance(cache, ForeignCache), "from new_cache()"
        rows, length = tokens.shape
        past, cache.length = cache.length, cache.length + length
        if positions is None:
            positions = torch.arange(past, past + length, device=tokens.device)
        positions = positions.expand(rows, length)
        if segments is None:
            segments = tokens.new_ones(rows, past + length)
        if not self.remembers:
            return self._again(tokens, positions, segments, cache)
        _, logits = self.go_on(tokens, positions, segments, cache)
        return logits

    def go_on(
        self, tokens: Tensor, positions: Tensor, segments: Tensor, cache: ForeignCache
    ) -> tuple[Any, Tensor]:
        """Their output and logits, with their own cache; other segments are padding."""
        assert self.cache_name is not None
        extra: dict[str, Any] = {"use_cache": True, self.cache_name: cache.theirs}
        if "attention_mask" in self.takes:
            extra["attention_mask"] = (segments == segments[:, -1:]).long()
        if "position_ids" in self.takes:
            extra["position_ids"] = positions
        out = self.call(tokens, **extra)
        cache.theirs = getattr(out, self.cache_name)
        return out, out.logits

    def _again(
        self, tokens: Tensor, positions: Tensor, segments: Tensor, cache: ForeignCache
    ) -> Tensor:
        """The same from the whole text, for families whose cache cannot be used."""
        text = cache.remember(tokens=tokens, positions=positions)
        new = torch.zeros_like(segments, dtype=torch.bool)
        new[:, -tokens.shape[1] :] = True
        found = documents.spans(
            tuple(segments.shape), segments=segments, positions=text["positions"], wanted=new
        )

        def read(places: Tensor, rising: Tensor | None) -> Tensor:
            own = text["tokens"].flatten()[places]
            if self.head_kind is None:
                return self._read(own, None, rising)
            return self._hidden(own, **self._positions(rising))

        last = documents.apart(read, text["tokens"], found)[:, -tokens.shape[1] :]
        return last if self.head_kind is None else self.head_kind.logits(self.head, last)


def _nll(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """[B, T] losses of whole logits."""
    wide = torch.promote_types(logits_BTV.dtype, torch.float32)
    rows = logits_BTV.to(wide).flatten(0, 1)
    nll = F.cross_entropy(rows, targets_BT.flatten(), ignore_index=IGNORE, reduction="none")
    return nll.view_as(targets_BT)
