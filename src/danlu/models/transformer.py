"""One Transformer, read from top to bottom: decoder, encoder, or one reading the other.

    Norm → View → Attention → MLP, Mixture → Block → Stack → Head → Transformer

Shapes: B rows, T positions, S keys (past and present), D model width, H query heads, K key heads,
d head width, V vocabulary. `q_BHTd` has the shape its suffix says.

Notable choices: parameters of q, k, v, gate and up are separate (optimizers, adapters and Hugging
Face want them so); norms compute in float32; with `targets` the loss is computed in chunks of rows
and no logits are kept; parallelism, adapters and quantisation are applied to the built model from
outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.models.cache import KVCache
from danlu.models.config import ModelConfig
from danlu.models.fused import rms_norm, rotate
from danlu.models.head import linear_nll, softcapped
from danlu.models.masks import BUCKETS, bias, distances, memory_mask, seen
from danlu.models.positions import rope, sinusoids

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu2": lambda x: F.relu(x).square(),  # So 2021
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


class Norm(nn.Module):
    """LayerNorm, or RMSNorm, which does not centre (Zhang & Sennrich 2019)."""

    def __init__(self, c: ModelConfig, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), 1.0 - c.norm_offset))
        self.bias = nn.Parameter(torch.zeros(dim)) if c.norm == "layer" and c.norm_bias else None
        self.centres, self.offset, self.eps = c.norm == "layer", c.norm_offset, c.norm_eps

    def forward(self, x: Tensor) -> Tensor:
        if self.centres:
            weight = self.weight + self.offset if self.offset else self.weight
            return F.layer_norm(x, self.weight.shape, weight, self.bias, self.eps)
        if self.offset:  # the sum and the product in float32: near one, bfloat16 has few numbers
            wide, weight = _wide(x.dtype), self.weight.to(_wide(self.weight.dtype))
            return rms_norm(x.to(wide), weight + self.offset, self.eps).type_as(x)
        return rms_norm(x, self.weight, self.eps)


class View:
    """What each query may look at, and how positions enter: made once, used by every block."""

    def __init__(
        self,
        c: ModelConfig,
        positions_BT: Tensor,
        segments_BS: Tensor | None,
        cache: KVCache | None,
        dtype: torch.dtype,
        *,
        causal: bool = True,
        distance: nn.Embedding | None = None,
    ) -> None:
        self.config, self.cache, self.dtype = c, cache, dtype
        self.positions, self.segments = positions_BT, segments_BS
        self.causal, self.bias = causal, None
        self.past = cache.length if cache is not None else 0
        if c.position in ("alibi", "relative"):
            self.bias = bias(c, self._gaps(), distance, causal=causal).to(dtype)
        self._masks: dict[int, Tensor | None] = {}
        self._turns: dict[bool, tuple[Tensor, Tensor]] = {}

    def mask(self, layer: int) -> tuple[Tensor | None, bool]:
        """Who sees whom, or what is added to the scores, [1 or B, 1 or H, T, S]; None with True:
        the causal triangle, None with False: everything.
        """
        T = self.positions.shape[-1]
        S = self.past + T
        window = self.config.window if self.config.is_local(layer) else 0
        window = window if window < S else 0
        if not window and self.bias is None and self.segments is None:
            if not self.causal or T == 1:
                return None, False
            if T == S:
                return None, True
        if window not in self._masks:
            sees = seen(self._gaps(), self.segments, window=window, causal=self.causal)
            self._masks[window] = (
                sees if self.bias is None else torch.where(sees, self.bias, -math.inf)
            )
        return self._masks[window], False

    def _gaps(self) -> Tensor:
        """[T, S], 8 bytes each: a long row that needs no mask must not make it."""
        return distances(self.positions.shape[-1], self.past, self.positions.device)

    def turn(self, layer: int) -> tuple[Tensor, Tensor] | None:
        """Cosine and sine of rotary positions, [1 or B, T, 1, d/2]; None where none turn."""
        c, local = self.config, self.config.is_local(layer)
        if c.position != "rope" or layer in c.no_rope_layers:
            return None
        if local not in self._turns:
            cos, sin = rope(c, self.positions, local=local)
            self._turns[local] = cos[:, :, None].to(self.dtype), sin[:, :, None].to(self.dtype)
        return self._turns[local]


class Attention(nn.Module):
    """Multi-head, grouped or multi-query attention (Vaswani 2017, Ainslie 2023)."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.q = nn.Linear(c.d_model, c.n_heads * c.head_dim, bias=c.qkv_bias)
        self.k = nn.Linear(c.d_model, c.n_kv_heads * c.head_dim, bias=c.qkv_bias)
        self.v = nn.Linear(c.d_model, c.n_kv_heads * c.head_dim, bias=c.qkv_bias)
        self.out = nn.Linear(c.n_heads * c.head_dim, c.d_model, bias=c.out_bias)
        self.q_norm: Norm | None = None
        self.k_norm: Norm | None = None
        if c.qk_norm != "none":
            each = c.qk_norm == "head"
            self.q_norm = Norm(c, c.head_dim * (1 if each else c.n_heads))
            self.k_norm = Norm(c, c.head_dim * (1 if each else c.n_kv_heads))
        self.head_dim, self.scale, self.softcap = c.head_dim, c.attn_scale or None, c.attn_softcap

    def forward(self, x: Tensor, view: View, layer: int) -> Tensor:
        """Attention of a sequence to itself."""
        q, k, v = self._heads(x, self.q, self.q_norm), *self._keys(x)
        if (turn := view.turn(layer)) is not None:
            q, k = _turned(q, *turn), _turned(k, *turn)
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        if view.cache is not None:
            k, v = view.cache.extend(layer, k, v)
        return self._attend(q, k, v, *view.mask(layer))

    def across(
        self, x: Tensor, memory: Tensor, mask: Tensor | None, cache: KVCache | None, layer: int
    ) -> Tensor:
        """Attention to another sequence, `memory` [B, S, D]: no positions, nobody is later."""
        q = self._heads(x, self.q, self.q_norm).transpose(1, 2)
        if cache is None or layer not in cache.across:
            k, v = (t.transpose(1, 2) for t in self._keys(memory))
            if cache is not None:
                cache.across[layer] = k, v
        else:
            k, v = cache.across[layer]
        return self._attend(q, k, v, mask, False)

    def _keys(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._heads(x, self.k, self.k_norm), self.v(x).unflatten(-1, (-1, self.head_dim))

    def _heads(self, x: Tensor, linear: nn.Linear, norm: Norm | None) -> Tensor:
        """[B, T, H or K, d], normalised by head or all together."""
        y = linear(x)
        if norm is not None and norm.weight.shape[0] != self.head_dim:
            y = norm(y)
        y = y.unflatten(-1, (-1, self.head_dim))
        if norm is not None and norm.weight.shape[0] == self.head_dim:
            y = norm(y)
        return y

    def _attend(
        self, q_BHTd: Tensor, k_BKSd: Tensor, v_BKSd: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        grouped = q_BHTd.shape[1] != k_BKSd.shape[1]
        if self.softcap:
            y_BHTd = self._softcapped(q_BHTd, k_BKSd, v_BKSd, mask, causal)
        else:
            y_BHTd = F.scaled_dot_product_attention(
                q_BHTd,
                k_BKSd,
                v_BKSd,
                mask,
                is_causal=causal,
                scale=self.scale,
                enable_gqa=grouped,
            )
        return self.out(y_BHTd.transpose(1, 2).flatten(2))

    def _softcapped(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """The formula, with scores held below the cap: no fused kernel on a CPU knows it."""
        k, v = (t.repeat_interleave(q.shape[1] // t.shape[1], 1) for t in (k, v))
        scores = softcapped(q @ k.mT * (self.scale or self.head_dim**-0.5), self.softcap)
        if causal:
            mask = distances(q.shape[2], 0, q.device) >= 0
        if mask is not None:  # not -inf: padding may see nothing at all, and 0 / 0 would spread
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        return scores.softmax(-1, dtype=_wide(scores.dtype)).type_as(v) @ v


class MLP(nn.Module):
    """down(act(up(x))), or down(act(gate(x)) · up(x))."""

    def __init__(self, c: ModelConfig, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(c.d_model, width, bias=c.mlp_bias) if c.gated else None
        self.up = nn.Linear(c.d_model, width, bias=c.mlp_bias)
        self.down = nn.Linear(width, c.d_model, bias=c.mlp_bias)
        self.activation = ACTIVATIONS[c.activation]

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is None:
            return self.down(self.activation(self.up(x)))
        return self.down(self.activation(self.gate(x)) * self.up(x))


class Mixture(nn.Module):
    """Each token goes to the k experts that its router likes best (Shazeer 2017, Fedus 2021).

    After a forward pass `balance` is w · E · Σ f_e p_e, where f is the share of choices that fell
    on an expert and p its mean probability: w · k where all are alike, else more.
    """

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.router = nn.Linear(c.d_model, c.n_experts, bias=False)
        self.experts = nn.ModuleList(MLP(c, c.expert_width) for _ in range(c.n_experts))
        self.top_k, self.adds_to_one, self.balance_weight = c.top_k, c.norm_top_k, c.balance
        self.balance: Tensor | None = None

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_ND = x_BTD.flatten(0, 1)
        logits = self.router(x_ND)
        share_NE = logits.softmax(-1, dtype=_wide(logits.dtype))
        weight_Nk, choice_Nk = share_NE.topk(self.top_k)
        if self.adds_to_one:
            weight_Nk = weight_Nk / weight_Nk.sum(-1, keepdim=True)
        chosen = F.one_hot(choice_Nk, len(self.experts)).sum(1).to(share_NE.dtype)
        shares = (chosen.mean(0) * share_NE.mean(0)).sum()
        self.balance = self.balance_weight * len(self.experts) * shares
        out = torch.zeros_like(x_ND)
        for number, expert in enumerate(self.experts):
            row, slot = (choice_Nk == number).nonzero(as_tuple=True)
            answer = expert(x_ND[row]) * weight_Nk[row, slot, None].type_as(x_ND)
            out = out.index_add(0, row, answer.type_as(out))
        return out.view_as(x_BTD)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); or with the norms elsewhere."""

    def __init__(self, c: ModelConfig, layer: int, *, reads_other: bool = False) -> None:
        super().__init__()
        self.place, self.parallel = c.norm_at, c.parallel
        names = ["attn", "mlp", *(["cross"] if reads_other else [])]
        self.attn_norm = Norm(c, c.d_model) if c.first_norm or layer else nn.Identity()
        self.attn = Attention(c)
        if reads_other:
            self.cross_norm, self.cross = Norm(c, c.d_model), Attention(c)
        self.mlp_norm = Norm(c, c.d_model)
        self.mlp = Mixture(c) if c.has_experts(layer) else MLP(c, c.d_ff)
        if c.norm_at == "both":
            for name in names:
                self.add_module(f"{name}_norm_out", Norm(c, c.d_model))
        self.dropout = nn.Dropout(c.dropout)

    def forward(
        self,
        x: Tensor,
        view: View,
        layer: int,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        if self.parallel:
            own = self.attn(self.attn_norm(x), view, layer)
            return x + self.dropout(own) + self.dropout(self.mlp(self.mlp_norm(x)))
        x = self._add("attn", x, lambda y: self.attn(y, view, layer))
        if memory is not None:
            x = self._add(
                "cross", x, lambda y: self.cross.across(y, memory, memory_mask, view.cache, layer)
            )
        return self._add("mlp", x, self.mlp)

    def _add(self, name: str, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        norm = getattr(self, f"{name}_norm")
        if self.place == "before":
            return x + self.dropout(sublayer(norm(x)))
        if self.place == "after":
            return x + self.dropout(norm(sublayer(x)))
        if self.place == "both":
            return x + self.dropout(getattr(self, f"{name}_norm_out")(sublayer(norm(x))))
        return norm(x + self.dropout(sublayer(x)))


class Stack(nn.Module):
    """Tokens in, one vector a token out: embeddings, blocks, and a norm."""

    def __init__(
        self,
        c: ModelConfig,
        *,
        n_layers: int,
        causal: bool,
        embed: nn.Embedding | None = None,
        reads_other: bool = False,
    ) -> None:
        super().__init__()
        assert c.vocab_size > 0, "the vocabulary's size is only known with the tokenizer"
        self.config, self.causal = c, causal
        self.embed = nn.Embedding(c.vocab_size, c.d_model) if embed is None else embed
        rows = c.max_len + c.first_position
        self.position = nn.Embedding(rows, c.d_model) if c.position == "learned" else None
        self.token_type = nn.Embedding(c.n_token_types, c.d_model) if c.n_token_types else None
        self.embed_norm = Norm(c, c.d_model) if c.embed_norm else None
        self.distance = nn.Embedding(BUCKETS, c.n_heads) if c.position == "relative" else None
        self.blocks = nn.ModuleList(Block(c, n, reads_other=reads_other) for n in range(n_layers))
        self.norm = Norm(c, c.d_model) if c.final_norm else nn.Identity()
        self.dropout = nn.Dropout(c.dropout)

    def hidden(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: KVCache | None = None,
        token_types: Tensor | None = None,
        memory: Tensor | None = None,
        memory_segments: Tensor | None = None,
    ) -> Tensor:
        """The last layer's output after its norm, [B, T, D]: what the head reads.

        Args:
            tokens: [B, T] ids.
            positions: [B, T] position in the document; by default they go on from the cache.
            segments: [B, past + T] number of the document each key belongs to; a query sees only
                keys of its own segment. By default all are one document.
            cache: keys and values of what came before; this call's are added.
            token_types: [B, T] kinds of token, 0 by default.
            memory: [B, S, D] what an encoder made of a source.
            memory_segments: [B, S] as `segments`, of the source; by default 1, as are a target's.
        """
        past = cache.length if cache is not None else 0
        if positions is None:
            positions = torch.arange(past, past + tokens.shape[1], device=tokens.device)[None]
        x = self._embedded(tokens, positions, token_types)
        view = View(
            *(self.config, positions, segments, cache, x.dtype),
            causal=self.causal,
            distance=self.distance,
        )
        across = memory_mask(tokens.shape, segments, memory_segments)
        for layer, block in enumerate(self.blocks):
            x = block(x, view, layer, memory, across)
        if cache is not None:
            cache.length += tokens.shape[1]
        return self.norm(x)

    def _embedded(self, tokens: Tensor, positions: Tensor, token_types: Tensor | None) -> Tensor:
        c = self.config
        x = self.embed(tokens)
        if c.embed_scale != 1:
            x = x * torch.tensor(c.embed_scale, dtype=x.dtype)  # rounded, as Gemma was trained
        if self.position is not None:
            x = x + self.position(positions + c.first_position)
        if c.position == "sinusoidal":
            x = x + sinusoids(positions, c.d_model).to(x.dtype)
        if self.token_type is not None:
            x = x + self.token_type(
                torch.zeros_like(tokens) if token_types is None else token_types
            )
        if self.embed_norm is not None:
            x = self.embed_norm(x)
        return self.dropout(x)


class Head(nn.Linear):
    """From a vector to the logits of all tokens, or straight to the losses."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__(c.d_model, c.vocab_size, bias=c.head_bias)
        self.dense = nn.Linear(c.d_model, c.d_model, bias=c.mlp_bias) if c.head_mlp else None
        self.norm = Norm(c, c.d_model) if c.head_mlp else None
        self.activation = ACTIVATIONS[c.activation]
        self.scale, self.softcap = c.logit_scale, c.logit_softcap

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(self._read(x))
        return softcapped(logits, self.softcap) if self.softcap else logits

    def nll(self, hidden_BTD: Tensor, targets_BT: Tensor) -> Tensor:
        """[B, T] losses in nats; see `linear_nll`."""
        rows, targets = self._read(hidden_BTD).flatten(0, 1), targets_BT.flatten()
        rows = rows.type_as(self.weight)  # under autocast `dense` answers in 16 bits
        losses = linear_nll(rows, self.weight, targets, bias=self.bias, softcap=self.softcap)
        return losses.view_as(targets_BT)

    def _read(self, x: Tensor) -> Tensor:
        if self.dense is not None and self.norm is not None:
            x = self.norm(self.activation(self.dense(x)))
        return x * self.scale if self.scale != 1 else x


class Transformer(Stack):
    """A language model: causal, masked, or from a source to a target.

    Called with tokens [B, T] it gives logits [B, T, V]; with `targets` [B, T] as well, the negative
    log-likelihood of each target in nats, [B, T] float32, 0 where the target is IGNORE.
    """

    def __init__(self, config: ModelConfig) -> None:
        c, both = config, config.kind == "encoder-decoder"
        super().__init__(c, n_layers=c.n_layers, causal=c.kind != "encoder", reads_other=both)
        self.encoder: Stack | None = None
        if both:
            self.encoder = Stack(c, n_layers=c.encoder_layers, causal=False, embed=self.embed)
        self.head = Head(c)
        if c.tied:
            self.head.weight = self.embed.weight

    def forward(
        self,
        tokens: Tensor,
        *,
        targets: Tensor | None = None,
        source: Tensor | None = None,
        source_segments: Tensor | None = None,
        source_positions: Tensor | None = None,
        cache: KVCache | None = None,
        **places: Tensor | None,
    ) -> Tensor:
        """Logits, or losses if `targets` are given.

        Args:
            tokens: [B, T] ids; of an encoder-decoder those of the target.
            targets: [B, T] ids that each position must predict, or IGNORE.
            source: [B, S] ids that the encoder reads; not needed where the cache has them.
            source_segments, source_positions: [B, S] see `encode`.
            cache: see `Stack.hidden`.
            places: positions, segments and token types, see `Stack.hidden`.
        """
        memory = None
        if self.encoder is not None:
            if cache is None or cache.memory is None:
                assert source is not None, "an encoder-decoder needs a source"
                memory = self.encode(source, source_segments, source_positions)
            else:
                memory, source_segments = cache.memory
            if cache is not None:
                cache.memory = memory, source_segments
        hidden_BTD = self.hidden(
            tokens, cache=cache, memory=memory, memory_segments=source_segments, **places
        )
        return self.head(hidden_BTD) if targets is None else self.head.nll(hidden_BTD, targets)

    def encode(
        self, source: Tensor, segments: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        """What the encoder makes of a source, [B, S, D]; `segments` and `positions` [B, S] are
        those of `Stack.hidden`, which several sources in a row need.
        """
        assert self.encoder is not None, "only an encoder-decoder has an encoder"
        return self.encoder.hidden(source, segments=segments, positions=positions)

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        return ", ".join(f"{k}={v}" for k, v in self.config.model_dump().items())


def balance(model: nn.Module) -> Tensor | None:
    """The mean load-balancing loss of the experts in the last forward pass; None without any."""
    found = [m.balance for m in model.modules() if isinstance(m, Mixture) and m.balance is not None]
    return torch.stack(found).mean() if found else None


def parameters(model: nn.Module) -> dict[str, Any]:
    """Named parameters without the second name of a tied one."""
    return dict(model.named_parameters(remove_duplicate=True))


def _turned(x_BTHd: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Heads with as many of their numbers turned as there are angles for."""
    turning = 2 * cos.shape[-1]
    if turning == x_BTHd.shape[-1]:
        return rotate(x_BTHd, cos, sin)
    turned = rotate(x_BTHd[..., :turning], cos, sin)
    return torch.cat([turned, x_BTHd[..., turning:].type_as(turned)], -1)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
