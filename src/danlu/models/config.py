"""What a model is: orthogonal knobs, none of them named after a family.

`danlu.models.families` says how Hugging Face spells each family; `model_type` here only remembers
which spelling the model is saved in. Knobs that differ from layer to layer are lists of layers.
`Rare` knobs are set in a YAML file only: as flags they would bury the others in `--help`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

import tyro
from pydantic import Field, model_validator

from danlu.config import Config
from danlu.models import presets

T = TypeVar("T")
Rare = Annotated[T, tyro.conf.Suppress]

Activation = Literal["relu", "relu2", "gelu", "gelu_tanh", "silu"]


class ModelConfig(Config):
    """The shape and the parts of one Transformer."""

    preset: str = ""
    """A published shape, such as gpt2-medium or gpt3-1.3b: fills what is left at its default."""

    model_type: str = "qwen3"
    """Family in whose spelling it is saved: qwen3, llama, gpt2, bert, t5 …"""

    kind: Rare[Literal["decoder", "encoder", "encoder-decoder"]] = "decoder"
    """Decoder: sees what came before (GPT); encoder: sees all (BERT); both, one reading the other
    (Vaswani 2017, T5)."""

    # ---- shape

    vocab_size: int = Field(0, ge=0, le=2**24)
    """Rows of the embedding, at least one for each token; 0: as many as the tokenizer needs."""

    d_model: int = Field(128, ge=1, le=65_536)
    """Width of the residual stream."""

    n_layers: int = Field(4, ge=1, le=1_000)
    """Number of blocks."""

    n_encoder_layers: Rare[int] = Field(0, ge=0, le=1_000)
    """Number of the encoder's blocks in an encoder-decoder; 0: as many as the decoder's."""

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

    # ---- positions

    position: Literal["none", "rope", "learned", "sinusoidal", "alibi", "relative"] = "rope"
    """How order is told: not at all, rotary (Su 2021), a learned table, sines (Vaswani 2017),
    slopes by distance (ALiBi, Press 2022), or learned distances (T5, Raffel 2020)."""

    rope_theta: float = Field(10_000.0, gt=0)
    """Base of the rotary wavelengths."""

    rope_fraction: Rare[float] = Field(1.0, gt=0, le=1)
    """Share of each head that turns (GPT-NeoX: a quarter)."""

    rope_local_theta: Rare[float] = Field(0.0, ge=0)
    """Base in the layers with a window, which are then not scaled; 0: the same as elsewhere."""

    no_rope_layers: Rare[tuple[int, ...]] = ()
    """Layers that do not turn at all, counted from 0 (SmolLM 3)."""

    rope_scaling: Rare[Literal["none", "linear", "llama3", "yarn", "longrope"]] = "none"
    """How positions beyond the length of training are reached; see `danlu.models.positions`."""

    rope_factor: Rare[float] = Field(1.0, ge=1)
    """How many times longer the context becomes."""

    rope_trained_len: Rare[int] = Field(0, ge=0)
    """Context of the training before; for llama3, yarn and longrope."""

    rope_low_freq: Rare[float] = Field(1.0, gt=0)
    """llama3: waves that turn less often than this in the old context are stretched whole."""

    rope_high_freq: Rare[float] = Field(4.0, gt=0)
    """llama3: waves that turn more often than this in the old context stay."""

    rope_beta_fast: Rare[float] = Field(32.0, gt=0)
    """yarn: the same, as the number of turns from which waves stay."""

    rope_beta_slow: Rare[float] = Field(1.0, gt=0)
    """yarn: the same, as the number of turns below which waves are stretched whole."""

    rope_loudness: Rare[float] = Field(0.0, ge=0)
    """yarn, longrope: what queries and keys are multiplied by; 0: by the papers' formulas."""

    rope_short: Rare[tuple[float, ...]] = ()
    """longrope: what each wave is divided by within the old context."""

    rope_long: Rare[tuple[float, ...]] = ()
    """longrope: what each wave is divided by beyond it."""

    first_position: Rare[int] = Field(0, ge=0, le=64)
    """Row of the learned table where positions begin (RoBERTa, BART: 2)."""

    n_token_types: Rare[int] = Field(0, ge=0, le=1_024)
    """Kinds of token that an embedding is added for (BERT's sentences A and B)."""

    # ---- attention

    window: int = Field(0, ge=0)
    """Tokens that a token sees, itself included, on either side in an encoder; 0: all."""

    global_layers: Rare[tuple[int, ...]] = ()
    """Layers that see everything in spite of `window`, counted from 0."""

    qk_norm: Literal["none", "head", "all"] = "head"
    """Normalise queries and keys before the product: each head alone, or all heads together."""

    qkv_bias: Rare[bool] = False
    """Biases in the query, key and value maps."""

    out_bias: Rare[bool] = False
    """A bias in attention's output map."""

    attn_scale: Rare[float] = Field(0.0, ge=0)
    """What scores are multiplied by; 0: 1 / √head_dim."""

    attn_softcap: Rare[float] = Field(0.0, ge=0)
    """Scores are bent so that they stay below this (Gemma 2); 0: they are not."""

    # ---- norms

    norm: Literal["rms", "layer"] = "rms"
    """RMSNorm (Zhang 2019), or LayerNorm (Ba 2016)."""

    norm_at: Literal["before", "after", "both", "sum"] = "before"
    """Where each sublayer is normalised: its input (GPT-2, Llama), its output (OLMo 2), both
    (Gemma), or the sum of both (Vaswani 2017, BERT)."""

    norm_eps: Rare[float] = Field(1e-6, gt=0)
    """Added to the variance."""

    norm_bias: Rare[bool] = True
    """A bias in LayerNorm."""

    norm_offset: Rare[Literal[0, 1]] = 0
    """1: weights of norms are kept as their distance from one (Gemma)."""

    parallel: Rare[bool] = False
    """Attention and MLP read the same input (GPT-J, GPT-NeoX)."""

    embed_norm: Rare[bool] = False
    """Normalise the sum of the embeddings (BERT)."""

    first_norm: Rare[bool] = True
    """Normalise what the first layer's attention reads (ModernBERT does not)."""

    final_norm: Rare[bool] = True
    """Normalise what the head reads."""

    # ---- MLP

    activation: Activation = "silu"
    """The MLP's nonlinearity."""

    gated: bool = True
    """activation(gate(x)) · up(x) instead of activation(up(x)) (Shazeer 2020)."""

    mlp_bias: Rare[bool] = False
    """Biases in the MLP."""

    n_experts: int = Field(0, ge=0, le=4_096)
    """MLPs of which each token chooses some (mixture of experts); 0: one MLP for all."""

    top_k: int = Field(2, ge=1, le=256)
    """Experts that a token chooses."""

    d_expert: Rare[int] = Field(0, ge=0, le=1_048_576)
    """Inner width of an expert; 0: d_ff."""

    norm_top_k: Rare[bool] = True
    """The chosen experts' weights add up to one."""

    balance: Rare[float] = Field(0.01, ge=0)
    """Weight of the loss that spreads tokens over experts (Fedus 2021, §2.2)."""

    dense_layers: Rare[tuple[int, ...]] = ()
    """Layers with one MLP in spite of `n_experts`, counted from 0."""

    # ---- in and out

    start_token: Rare[int] = Field(0, ge=0)
    """Id that the target of an encoder-decoder begins with."""

    tied: bool = True
    """The vocabulary head uses the embedding's matrix."""

    embed_scale: Rare[float] = Field(1.0, gt=0)
    """What embeddings are multiplied by (Gemma: √d_model)."""

    head_bias: Rare[bool] = False
    """A bias for each token in the vocabulary head."""

    head_mlp: Rare[bool] = False
    """A dense layer, activation and norm before the vocabulary head (BERT)."""

    logit_scale: Rare[float] = Field(1.0, gt=0)
    """What the head's input is multiplied by (T5: 1 / √d_model)."""

    logit_softcap: Rare[float] = Field(0.0, ge=0)
    """Logits are bent so that they stay below this (Gemma 2); 0: they are not."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the sublayers' outputs that is dropped in training."""

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        """With the preset's settings, and what earlier versions wrote."""
        if not isinstance(given, dict):
            return given
        usual = {name: field.default for name, field in cls.model_fields.items()}
        given = presets.filled(given, usual)
        if isinstance(given.get("qk_norm"), bool):
            given = given | {"qk_norm": "head" if given["qk_norm"] else "none"}
        return given

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_heads = {self.n_heads} is not divisible by n_kv_heads = {self.n_kv_heads}"
            )
        for problem in _impossible(self):
            raise ValueError(problem)
        return self

    def is_local(self, layer: int) -> bool:
        """Whether a layer sees a window only."""
        return self.window > 0 and layer not in self.global_layers

    def has_experts(self, layer: int) -> bool:
        """Whether a layer's MLP is a mixture of experts."""
        return self.n_experts > 0 and layer not in self.dense_layers

    @property
    def rope_dim(self) -> int:
        """Numbers of a head that turn."""
        return int(self.head_dim * self.rope_fraction)

    @property
    def expert_width(self) -> int:
        """Inner width of an expert."""
        return self.d_expert or self.d_ff

    @property
    def encoder_layers(self) -> int:
        """Blocks of the encoder beside a decoder."""
        return (self.n_encoder_layers or self.n_layers) if self.kind == "encoder-decoder" else 0


def _impossible(c: ModelConfig) -> list[str]:
    """Why these knobs cannot go together."""
    layers = range(max(c.n_layers, c.encoder_layers))
    short = c.rope_dim // 2
    rules = [
        (
            c.position == "rope" and (c.rope_dim < 2 or c.rope_dim % 2 == 1),
            f"rotary positions turn pairs: {c.rope_dim} of head_dim = {c.head_dim} turn "
            f"(rope_fraction = {c.rope_fraction})",
        ),
        (
            c.position == "sinusoidal" and c.d_model % 2 == 1,
            f"sines and cosines come in pairs: d_model = {c.d_model} is odd",
        ),
        (
            c.position != "rope" and c.rope_scaling != "none",
            f"rope_scaling is for rotary positions, and position is {c.position}",
        ),
        (
            c.rope_scaling in ("llama3", "yarn", "longrope") and not c.rope_trained_len,
            f"rope_scaling = {c.rope_scaling} needs rope_trained_len",
        ),
        (
            c.rope_scaling == "llama3" and c.rope_low_freq >= c.rope_high_freq,
            f"rope_low_freq = {c.rope_low_freq} is not below rope_high_freq = {c.rope_high_freq}",
        ),
        (
            c.rope_scaling == "yarn" and c.rope_beta_fast <= c.rope_beta_slow,
            f"rope_beta_fast = {c.rope_beta_fast} is not above rope_beta_slow = {c.rope_beta_slow}",
        ),
        (
            c.rope_scaling == "yarn" and c.rope_theta <= 1,
            f"yarn needs waves of different lengths, and rope_theta = {c.rope_theta}",
        ),
        (
            c.rope_scaling == "longrope" and min((*c.rope_short, *c.rope_long), default=1) <= 0,
            "the factors of longrope (rope_short, rope_long) must be positive",
        ),
        (
            c.rope_scaling == "longrope" and c.rope_trained_len == 1,
            "longrope needs a rope_trained_len of more than one token",
        ),
        (
            c.rope_scaling == "longrope" and {len(c.rope_short), len(c.rope_long)} != {short},
            f"rope_scaling = longrope needs {short} factors in rope_short and in rope_long, "
            f"and got {len(c.rope_short)} and {len(c.rope_long)}",
        ),
        (
            c.attn_softcap > 0 and c.position in ("alibi", "relative"),
            f"attn_softcap would bend the bias of position = {c.position} as well",
        ),
        (
            c.parallel and (c.norm_at != "before" or c.kind == "encoder-decoder"),
            "parallel sublayers need norm_at = before, and no encoder-decoder",
        ),
        (not c.first_norm and c.norm_at != "before", "first_norm = false is for norm_at = before"),
        (
            c.n_experts > 0 and c.top_k > c.n_experts,
            f"top_k = {c.top_k} of n_experts = {c.n_experts}",
        ),
        (
            c.n_experts > 1 and c.top_k == 1 and c.norm_top_k,
            "with top_k = 1 and norm_top_k the one expert's weight is always 1, and the router "
            "learns nothing from the text: set norm_top_k to false",
        ),
        (
            c.n_encoder_layers > 0 and c.kind != "encoder-decoder",
            f"n_encoder_layers is for an encoder-decoder, and kind is {c.kind}",
        ),
        (
            c.kind == "encoder-decoder" and c.n_token_types > 0,
            "an encoder-decoder has no token types: set n_token_types to 0",
        ),
        *(
            (
                any(layer not in layers for layer in getattr(c, name)),
                f"{name} = {getattr(c, name)} of {len(layers)} layers, counted from 0",
            )
            for name in ("global_layers", "no_rope_layers", "dense_layers")
        ),
    ]
    return [problem for wrong, problem in rules if wrong]
