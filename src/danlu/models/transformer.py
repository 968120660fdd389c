"""One Transformer decoder, read from top to bottom.

    Norm → View → Attention → MLP → Block → Transformer → formulas

Shapes: B rows, T positions, S keys (past and present), D model width, H query heads, K key heads,
d head width, V vocabulary. `q_BHTd` has the shape its suffix says.

Notable choices: parameters of q, k, v, gate and up are separate (optimizers, adapters and Hugging
Face want them so); norms compute in float32; with `targets` the loss is computed in chunks of rows
and no logits are kept; parallelism, adapters and quantisation are applied to the built model from
outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from danlu.models.cache import KVCache
from danlu.models.config import ModelConfig
from danlu.models.fused import rms_norm, rotate
from danlu.models.head import linear_nll

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


class Norm(nn.Module):
    """LayerNorm, or RMSNorm, which does not centre (Zhang & Sennrich 2019)."""

    def __init__(self, c: ModelConfig, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if c.norm == "layer" else None
        self.eps = c.norm_eps

    def forward(self, x: Tensor) -> Tensor:
        if self.bias is not None:
            return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
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
    ) -> None:
        T, past = positions_BT.shape[-1], cache.length if cache is not None else 0
        self.cache = cache
        self.causal = segments_BS is None and past == 0 and T > 1
        self.mask = (
            None
            if self.causal or (T == 1 and segments_BS is None)
            else causal_mask(T, past, segments_BS, positions_BT.device)
        )
        self.rope = None
        if c.position == "rope":
            angle = rope_angles(positions_BT, c.head_dim, c.rope_theta)[:, :, None, :]
            self.rope = angle.cos().to(dtype), angle.sin().to(dtype)


class Attention(nn.Module):
    """Multi-head, grouped or multi-query attention (Vaswani 2017, Ainslie 2023)."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.q = nn.Linear(c.d_model, c.n_heads * c.head_dim, bias=c.qkv_bias)
        self.k = nn.Linear(c.d_model, c.n_kv_heads * c.head_dim, bias=c.qkv_bias)
        self.v = nn.Linear(c.d_model, c.n_kv_heads * c.head_dim, bias=c.qkv_bias)
        self.out = nn.Linear(c.n_heads * c.head_dim, c.d_model, bias=c.out_bias)
        self.q_norm = Norm(c, c.head_dim) if c.qk_norm else None
        self.k_norm = Norm(c, c.head_dim) if c.qk_norm else None
        self.head_dim = c.head_dim

    def forward(self, x: Tensor, view: View, layer: int) -> Tensor:
        q, k, v = (
            linear(x).unflatten(-1, (-1, self.head_dim)) for linear in (self.q, self.k, self.v)
        )
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        if view.rope is not None:
            q, k = rotate(q, *view.rope), rotate(k, *view.rope)
        q_BHTd, k_BKSd, v_BKSd = (t.transpose(1, 2) for t in (q, k, v))
        if view.cache is not None:
            k_BKSd, v_BKSd = view.cache.extend(layer, k_BKSd, v_BKSd)
        y_BHTd = F.scaled_dot_product_attention(
            q_BHTd,
            k_BKSd,
            v_BKSd,
            view.mask,
            is_causal=view.causal,
            enable_gqa=q_BHTd.shape[1] != k_BKSd.shape[1],
        )
        return self.out(y_BHTd.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """down(act(up(x))), or down(act(gate(x)) · up(x))."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(c.d_model, c.d_ff, bias=c.mlp_bias) if c.gated else None
        self.up = nn.Linear(c.d_model, c.d_ff, bias=c.mlp_bias)
        self.down = nn.Linear(c.d_ff, c.d_model, bias=c.mlp_bias)
        self.activation = ACTIVATIONS[c.activation]

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is None:
            return self.down(self.activation(self.up(x)))
        return self.down(self.activation(self.gate(x)) * self.up(x))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.attn_norm, self.attn = Norm(c, c.d_model), Attention(c)
        self.mlp_norm, self.mlp = Norm(c, c.d_model), MLP(c)
        self.dropout = nn.Dropout(c.dropout)

    def forward(self, x: Tensor, view: View, layer: int) -> Tensor:
        x = x + self.dropout(self.attn(self.attn_norm(x), view, layer))
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class Transformer(nn.Module):
    """A causal language model.

    Called with tokens [B, T] it gives logits [B, T, V]; with `targets` [B, T] as well, the negative
    log-likelihood of each target in nats, [B, T] float32, 0 where the target is IGNORE.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = c = config
        assert c.vocab_size > 0, "the vocabulary's size is only known with the tokenizer"
        self.embed = nn.Embedding(c.vocab_size, c.d_model)
        self.position = nn.Embedding(c.max_len, c.d_model) if c.position == "learned" else None
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.n_layers))
        self.norm = Norm(c, c.d_model)
        self.head = nn.Linear(c.d_model, c.vocab_size, bias=False)
        self.dropout = nn.Dropout(c.dropout)
        if c.tied:
            self.head.weight = self.embed.weight

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
            segments: [B, past + T] number of the document each key belongs to; a query sees only
                keys of its own segment. By default all are one document.
            cache: keys and values of what came before; this call's are added.
        """
        hidden_BTD = self.hidden(tokens, positions=positions, segments=segments, cache=cache)
        if targets is None:
            return self.head(hidden_BTD)
        nll = linear_nll(hidden_BTD.flatten(0, 1), self.head.weight, targets.flatten())
        return nll.view_as(targets)

    def hidden(
        self,
        tokens: Tensor,
        *,
        positions: Tensor | None = None,
        segments: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """The last layer's output after its norm, [B, T, D]: what the head reads."""
        past = cache.length if cache is not None else 0
        if positions is None:
            positions = torch.arange(past, past + tokens.shape[1], device=tokens.device)[None]
        x = self.embed(tokens)
        if self.position is not None:
            x = x + self.position(positions)
        if self.config.position == "sinusoidal":
            x = x + sinusoids(positions, self.config.d_model).to(x.dtype)
        x = self.dropout(x)
        view = View(self.config, positions, segments, cache, x.dtype)
        for layer, block in enumerate(self.blocks):
            x = block(x, view, layer)
        if cache is not None:
            cache.length += tokens.shape[1]
        return self.norm(x)

    def extra_repr(self) -> str:
        """Shown by print(model)."""
        return ", ".join(f"{k}={v}" for k, v in self.config.model_dump().items())


def rope_angles(positions: Tensor, head_dim: int, theta: float) -> Tensor:
    """[..., d/2] float32: angle of pair i at position p is p · theta^(-2i/d)."""
    steps = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32)
    return positions[..., None].float() * (1.0 / theta ** (steps / head_dim))


def sinusoids(positions: Tensor, dim: int) -> Tensor:
    """[..., dim] float32: PE(p, 2i) = sin(p / 10000^(2i/dim)), PE(p, 2i+1) = cos of the same.

    Source: Vaswani 2017, §3.5.
    """
    angle = rope_angles(positions, dim, 10_000.0)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


def causal_mask(
    queries: int, past: int, segments_BS: Tensor | None, device: torch.device
) -> Tensor:
    """Who sees whom, bool [1 or B, 1, T, S]: earlier keys, of the same segment."""
    q = torch.arange(past, past + queries, device=device)
    sees = torch.arange(past + queries, device=device)[None, :] <= q[:, None]
    if segments_BS is None:
        return sees[None, None]
    same = segments_BS[:, None, :] == segments_BS[:, past:, None]
    return (sees & same)[:, None]


def parameters(model: nn.Module) -> dict[str, Any]:
    """Named parameters without the second name of a tied one."""
    return dict(model.named_parameters(remove_duplicate=True))
