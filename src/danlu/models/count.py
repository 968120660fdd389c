"""Parameters, work and memory of a model, by formula: no model is built."""

from __future__ import annotations

from danlu.models.config import ModelConfig
from danlu.models.masks import BUCKETS


def parameters(c: ModelConfig) -> int:
    """Number of weights; a tied head counts once.

    >>> parameters(ModelConfig(preset="gpt2"))
    124439808
    """
    total = c.vocab_size * c.d_model * (1 if c.tied else 2) + c.n_token_types * c.d_model
    total += _stack(c, c.n_layers, reads_other=c.encoder_layers > 0)
    if c.encoder_layers:
        total += _stack(c, c.encoder_layers)
    if c.head_mlp:
        total += c.d_model * c.d_model + (c.d_model if c.mlp_bias else 0) + _norm(c)
    return total + (c.vocab_size if c.head_bias else 0)


def _stack(c: ModelConfig, layers: int, *, reads_other: bool = False) -> int:
    """A stack without the token embedding and the token types."""
    total = sum(
        block_matrices(c, layer, reads_other=reads_other)
        + _block_vectors(c, layer, reads_other=reads_other)
        for layer in range(layers)
    )
    if c.position == "learned":
        total += (c.max_len + c.first_position) * c.d_model
    if c.position == "relative":
        total += BUCKETS * c.n_heads
    return total + _norm(c) * (int(c.embed_norm) + int(c.final_norm))


def block_matrices(
    c: ModelConfig, layer: int = 0, *, reads_other: bool = False, active: bool = False
) -> int:
    """Weights in the matrices of one block; `active`: of the experts only the chosen ones."""
    heads = (c.n_heads + 2 * c.n_kv_heads) * c.head_dim
    attention = c.d_model * heads + c.n_heads * c.head_dim * c.d_model
    total = attention * (2 if reads_other else 1)
    maps = c.d_model * (3 if c.gated else 2)
    if not c.has_experts(layer):
        return total + maps * c.d_ff
    experts = c.top_k if active else c.n_experts
    return total + c.n_experts * c.d_model + experts * maps * c.expert_width


def _norm(c: ModelConfig, dim: int = 0) -> int:
    return (dim or c.d_model) * (2 if c.norm == "layer" and c.norm_bias else 1)


def _block_vectors(c: ModelConfig, layer: int, *, reads_other: bool) -> int:
    """Numbers in the norms and biases of one block."""
    heads = (c.n_heads + 2 * c.n_kv_heads) * c.head_dim
    attention = heads if c.qkv_bias else 0
    attention += c.d_model if c.out_bias else 0
    if c.qk_norm == "head":
        attention += 2 * _norm(c, c.head_dim)
    if c.qk_norm == "all":
        attention += _norm(c, c.n_heads * c.head_dim) + _norm(c, c.n_kv_heads * c.head_dim)
    attentions = 2 if reads_other else 1
    norms = (attentions + 1) * (2 if c.norm_at == "both" else 1)
    norms -= 0 if c.first_norm or layer else 1
    mlps, width = (c.n_experts, c.expert_width) if c.has_experts(layer) else (1, c.d_ff)
    biases = mlps * (width * (2 if c.gated else 1) + c.d_model) if c.mlp_bias else 0
    return attentions * attention + norms * _norm(c) + biases


def train_flops_per_token(c: ModelConfig, context: int) -> int:
    """Floating-point operations to learn from one token: 6 a weight that it meets, and attention.

    Each weight of a matrix multiplies once forward and twice backward, two operations each (Kaplan
    2020, §2.1); scores and values of a row of T tokens add 12 · T · heads · width a layer, half of
    it in a causal row, and only a window's in a layer that has one. An encoder-decoder's tokens
    are taken to be as many in the source as in the target.
    """
    stacks = [
        (c.n_layers, c.encoder_layers > 0, c.kind == "encoder"),
        (c.encoder_layers, False, True),
    ]
    weights = c.vocab_size * c.d_model + (c.d_model * c.d_model if c.head_mlp else 0)
    places = 0
    for layers, reads_other, sees_all in stacks:
        for layer in range(layers):
            weights += block_matrices(c, layer, reads_other=reads_other, active=True)
            places += _places(c, layer, context, sees_all=sees_all)
            places += 2 * context if reads_other else 0
    return 6 * weights + 6 * places * c.n_heads * c.head_dim


def _places(c: ModelConfig, layer: int, context: int, *, sees_all: bool) -> int:
    """Twice the keys that a query sees, on average; a window is counted as if never cut short."""
    sides = 2 if sees_all else 1
    if c.is_local(layer) and c.window * 2 < context:
        return 2 * c.window * sides
    return context * sides


def state_bytes(c: ModelConfig, moments: float) -> int:
    """Bytes of float32 weights, gradients, and so many optimizer numbers a weight."""
    return round(parameters(c) * 4 * (2 + moments))


def activation_bytes(c: ModelConfig, tokens: int, *, bytes_each: int = 4) -> int:
    """Bytes that one pass over so many tokens keeps for the backward pass.

    These are the tensors that autograd saves in `transformer`: of each block, the norms' inputs and
    outputs, the heads as attention gets them (with qk_norm queries and keys before it too), its
    output, and the MLP's inner values, for each chosen expert its own, with what goes in and comes
    out; after the blocks, the last norm's input, its output, what the head's own layer makes, and
    the head's gradient by its input. What the backward pass itself needs for a moment comes on top,
    and so do masks, and scores that have a cap or a learned bias. An encoder-decoder's source is
    taken to be as long as its target.
    """
    total = _kept_by_stack(c, c.n_layers, reads_other=c.encoder_layers > 0) + c.d_model
    if c.encoder_layers:
        total += _kept_by_stack(c, c.encoder_layers)
    if c.head_mlp:
        total += 3 * c.d_model
    return tokens * bytes_each * total


def _kept_by_stack(c: ModelConfig, layers: int, *, reads_other: bool = False) -> int:
    """Numbers a token, with the stack's output."""
    total = c.d_model * (1 + int(c.final_norm) + int(c.embed_norm))
    for layer in range(layers):
        total += _kept_by_attention(c) * (2 if reads_other else 1) + _kept_by_mlp(c, layer)
        total -= c.d_model if c.parallel else 0  # both read the same
    return total


def _kept_by_attention(c: ModelConfig) -> int:
    heads = (c.n_heads + 2 * c.n_kv_heads) * c.head_dim + c.n_heads * c.head_dim
    if c.qk_norm != "none":
        heads += (c.n_heads + c.n_kv_heads) * c.head_dim
    return heads + _kept_around(c)


def _kept_around(c: ModelConfig) -> int:
    """What a sublayer reads before and after its norm, and what it answers if that is normalised:
    where there is one norm, its two sides.
    """
    return c.d_model * (3 if c.norm_at == "both" else 2)


def _kept_by_mlp(c: ModelConfig, layer: int) -> int:
    inner = (4 if c.gated else 2) - (c.activation == "relu")  # which needs its output only
    if not c.has_experts(layer):
        return inner * c.d_ff + _kept_around(c)
    return c.top_k * (inner * c.expert_width + 3 * c.d_model) + _kept_around(c)
