"""Parameters, work and memory of a model, by formula: no model is built."""

from __future__ import annotations

from danlu.models.config import ModelConfig


def parameters(c: ModelConfig) -> int:
    """Number of weights; a tied head counts once.

    >>> parameters(ModelConfig(vocab_size=50257, d_model=768, n_layers=12, n_heads=12,
    ...     n_kv_heads=12, head_dim=64, d_ff=3072, max_len=1024, position="learned", qk_norm=False,
    ...     qkv_bias=True, out_bias=True, norm="layer", gated=False, mlp_bias=True))
    124439808
    """
    norm = c.d_model * (2 if c.norm == "layer" else 1)
    total = c.vocab_size * c.d_model * (1 if c.tied else 2) + norm
    if c.position == "learned":
        total += c.max_len * c.d_model
    return total + c.n_layers * (block_matrices(c) + 2 * norm + _block_vectors(c))


def block_matrices(c: ModelConfig) -> int:
    """Weights in the matrices of one block."""
    heads = (c.n_heads + 2 * c.n_kv_heads) * c.head_dim
    attention = c.d_model * heads + c.n_heads * c.head_dim * c.d_model
    return attention + c.d_model * c.d_ff * (3 if c.gated else 2)


def _block_vectors(c: ModelConfig) -> int:
    heads = (c.n_heads + 2 * c.n_kv_heads) * c.head_dim
    total = heads if c.qkv_bias else 0
    total += c.d_model if c.out_bias else 0
    total += 2 * c.head_dim * (2 if c.norm == "layer" else 1) if c.qk_norm else 0
    if c.mlp_bias:
        total += c.d_ff * (2 if c.gated else 1) + c.d_model
    return total


def train_flops_per_token(c: ModelConfig, context: int) -> int:
    """Floating-point operations to learn from one token: 6 a weight, and attention.

    Each weight of a matrix multiplies once forward and twice backward, two operations each (Kaplan
    2020, §2.1); scores and values of a causal row of T tokens add 6 · T · heads · width a layer.
    """
    weights = c.n_layers * block_matrices(c) + c.vocab_size * c.d_model
    return 6 * weights + 6 * c.n_layers * context * c.n_heads * c.head_dim


def state_bytes(c: ModelConfig, moments: float) -> int:
    """Bytes of float32 weights, gradients, and so many optimizer numbers a weight."""
    return round(parameters(c) * 4 * (2 + moments))


def activation_bytes(c: ModelConfig, tokens: int, *, bytes_each: int = 4) -> int:
    """Bytes that one pass over so many tokens keeps for the backward pass.

    These are the tensors that autograd saves in `transformer`: of each block, the two norms' inputs
    and outputs, the heads as attention gets them (with qk_norm queries and keys before it too), its
    output, and the MLP's inner values; after the blocks, the last norm's input, its output, and the
    head's gradient by it. What the backward pass itself needs for a moment comes on top.
    """
    attention = (c.n_heads + 2 * c.n_kv_heads) * c.head_dim + c.n_heads * c.head_dim
    if c.qk_norm:
        attention += (c.n_heads + c.n_kv_heads) * c.head_dim
    inner = (4 if c.gated else 2) - (c.activation == "relu")  # which needs its output only
    block = 4 * c.d_model + attention + inner * c.d_ff
    return tokens * bytes_each * (c.n_layers * block + 3 * c.d_model)
