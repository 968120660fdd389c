"""What a model is: orthogonal knobs, none of them named after a family.

`danlu.models.families` says how Hugging Face spells each family; `model_type` here only remembers
which spelling the model is saved in.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from danlu.config import Config

Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]


class ModelConfig(Config):
    """The shape and the parts of one decoder."""

    model_type: str = "qwen3"
    """Family in whose spelling it is saved: qwen3, llama or gpt2."""

    vocab_size: int = Field(0, ge=0, le=2**24)
    """Rows of the embedding, at least one for each token; 0: as many as the tokenizer needs."""

    d_model: int = Field(128, ge=1, le=65_536)
    """Width of the residual stream."""

    n_layers: int = Field(4, ge=1, le=1_000)
    """Number of blocks."""

    n_heads: int = Field(2, ge=1, le=1_024)
    """Query heads."""

    n_kv_heads: int = Field(2, ge=1, le=1_024)
    """Key and value heads: n_heads is multi-head, 1 multi-query, between them grouped attention."""

    head_dim: int = Field(64, ge=1, le=4_096)
    """Width of one head."""

    d_ff: int = Field(384, ge=1, le=1_048_576)
    """Inner width of the MLP."""

    max_len: int = Field(256, ge=1, le=2**24)
    """Longest context, in tokens."""

    position: Literal["rope", "learned", "sinusoidal"] = "rope"
    """How order is told: rotary (Su 2021), a learned table, or sines (Vaswani 2017)."""

    rope_theta: float = Field(10_000.0, gt=0)
    """Base of the rotary wavelengths."""

    qk_norm: bool = True
    """Normalise each query and key head before the product."""

    qkv_bias: bool = False
    """Biases in the query, key and value maps."""

    out_bias: bool = False
    """A bias in attention's output map."""

    norm: Literal["rms", "layer"] = "rms"
    """RMSNorm (Zhang 2019), or LayerNorm with a bias (Ba 2016)."""

    norm_eps: float = Field(1e-6, gt=0)
    """Added to the variance."""

    activation: Activation = "silu"
    """The MLP's nonlinearity."""

    gated: bool = True
    """activation(gate(x)) · up(x) instead of activation(up(x)) (Shazeer 2020)."""

    mlp_bias: bool = False
    """Biases in the MLP."""

    tied: bool = True
    """The vocabulary head uses the embedding's matrix."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the sublayers' outputs that is dropped in training."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_heads = {self.n_heads} is not divisible by n_kv_heads = {self.n_kv_heads}"
            )
        if self.position == "rope" and self.head_dim % 2:
            raise ValueError(f"rotary positions turn pairs: head_dim = {self.head_dim} is odd")
        if self.position == "sinusoidal" and self.d_model % 2:
            raise ValueError(f"sines and cosines come in pairs: d_model = {self.d_model} is odd")
        return self
