"""Small GGUF files as llama.cpp's converter writes them, made with the `gguf` package."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from gguf import (
    GGML_QUANT_SIZES,
    MODEL_ARCH,
    GGMLQuantizationType,
    GGUFWriter,
    get_tensor_name_map,
    quants,
)
from model_examples import tokenizer

Weights = dict[str, np.ndarray]

VOCAB = 304
LAYERS = 2
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": LAYERS} | {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "vocab_size": VOCAB,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 3,
}
ARCH = {"gemma3_text": "gemma3"}
ROPE = {"rope_theta": 50_000.0, "rope_type": "default"}
NUMBERS = {
    "vocab_size": "vocab_size",
    "context_length": "max_position_embeddings n_positions",
    "embedding_length": "hidden_size n_embd",
    "block_count": "num_hidden_layers n_layer",
    "feed_forward_length": "intermediate_size n_inner",
    "attention.head_count": "num_attention_heads n_head",
    "attention.head_count_kv": "num_key_value_heads n_head",
    "attention.key_length": "head_dim",
    "attention.value_length": "head_dim",
    "attention.sliding_window": "sliding_window",
}


def model(kind: str, **settings: Any) -> Any:
    """A random model of transformers; every tensor has numbers of its own."""
    import torch
    import transformers as hf
    from model_examples import randomise

    if kind == "gpt2":
        sizes = {"n_embd": 64, "n_layer": LAYERS, "n_head": 4, "n_positions": 128, "n_inner": 96}
        config: Any = hf.GPT2Config(vocab_size=VOCAB, **sizes | settings)
        return randomise(hf.GPT2LMHeadModel(config)).eval()
    more: dict[str, Any] = {} if kind == "qwen2" else {"head_dim": 16}
    if kind.startswith("gemma"):
        more["head_dim"] = 32
    if kind == "gemma3_text":
        local = {"rope_type": "default", "rope_theta": 10_000.0}
        more["rope_parameters"] = {"full_attention": dict(ROPE), "sliding_attention": local}
    else:
        more["rope_parameters"] = dict(ROPE)
    if kind in ("gemma2", "gemma3_text"):
        more |= {"query_pre_attn_scalar": 32, "sliding_window": 16}
    names = {
        "llama": ("LlamaConfig", "LlamaForCausalLM"),
        "qwen2": ("Qwen2Config", "Qwen2ForCausalLM"),
        "qwen3": ("Qwen3Config", "Qwen3ForCausalLM"),
        "gemma": ("GemmaConfig", "GemmaForCausalLM"),
        "gemma2": ("Gemma2Config", "Gemma2ForCausalLM"),
        "gemma3_text": ("Gemma3TextConfig", "Gemma3ForCausalLM"),
    }
    config_class, model_class = (getattr(hf, name) for name in names[kind])
    built = model_class(config_class(**SIZES | more | settings))
    with torch.no_grad():
        randomise(built)
        if kind.startswith("gemma"):  # its norms are around 0
            for name, parameter in built.named_parameters():
                parameter.sub_(1.0 if name.endswith("norm.weight") else 0.0)
    return built.eval()


def weights(built: Any) -> Weights:
    tied = built.config.tie_word_embeddings
    return {
        name: tensor.detach().numpy().copy()
        for name, tensor in built.state_dict().items()
        if not (tied and name == "lm_head.weight")
    }


def write(
    path: Path, built: Any, *, kind: str = "F32", vocab: Any = None, **more: Any
) -> dict[str, np.ndarray]:
    """Write a model; returns what its tensors are once unpacked, under GGUF's names."""
    config = built.config
    arch = ARCH.get(config.model_type, config.model_type)
    writer = GGUFWriter(str(path), arch)
    for key, names in NUMBERS.items():
        value = next((v for n in names.split() if (v := getattr(config, n, None))), None)
        if value and not (key == "attention.sliding_window" and arch in ("qwen2", "qwen3")):
            writer.add_uint32(f"{arch}.{key}", value)
    if arch == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        rope = config.rope_parameters
        writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
        writer.add_rope_dimension_count(getattr(config, "head_dim", None) or 16)
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    (vocab or byte_level)(writer)
    for key, value in more.items():
        writer.add_key_value(*value) if isinstance(value, tuple) else writer.add_tensor(key, value)
    unpacked = {}
    for name, array in forward(config, weights(built)).items():
        type_ = GGMLQuantizationType[kind if array.ndim > 1 else "F32"]
        stored = packed(array, type_)
        unpacked[name] = quants.dequantize(stored, type_) if stored.dtype == np.uint8 else stored
        writer.add_tensor(name, stored, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return unpacked


def packed(array: np.ndarray, type_: GGMLQuantizationType) -> np.ndarray:
    """Quantised; kinds that the package cannot write get random bytes with sensible scales."""
    try:
        return quants.quantize(array, type_)
    except NotImplementedError:
        count = array.size // GGML_QUANT_SIZES[type_][0]
        return random_blocks(type_.name, count).reshape(array.shape[0], -1)


HALVES = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)} | {
    "IQ4_XS": (0,),
    "IQ4_NL": (0,),
}
"""Where a block's half-precision scales are."""


def random_blocks(kind: str, count: int, seed: int = 0) -> np.ndarray:
    from danlu.models.gguf.header import KINDS

    nbytes = next(k.nbytes for k in KINDS.values() if k.name == kind)
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (count, nbytes), dtype=np.uint8)
    for at in HALVES[kind]:
        scale = rng.uniform(-2e-4, 2e-4, (count, 1)).astype("<f2")
        blocks[:, at : at + 2] = scale.view(np.uint8)
    return blocks


def forward(config: Any, theirs: Weights) -> Weights:
    """What llama.cpp's converter does to the weights of a checkpoint."""
    kind = ARCH.get(config.model_type, config.model_type)
    arch = next(a for a in MODEL_ARCH if a.name.lower() == kind)
    names = get_tensor_name_map(arch, LAYERS)
    out = {}
    for name, array in theirs.items():
        if kind == "llama" and ("q_proj" in name or "k_proj" in name):
            heads = config.num_attention_heads
            heads = config.num_key_value_heads if "k_proj" in name else heads
            halves = array.reshape(heads, 2, -1, *array.shape[1:])
            array = halves.swapaxes(1, 2).reshape(array.shape)
        if kind.startswith("gemma") and name.endswith("norm.weight"):
            array = array + np.float32(1)
        if kind == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            array = array.T
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert found, name
        out[found] = np.ascontiguousarray(array)
    return out


def byte_level(writer: GGUFWriter, pre: str | None = "qwen2") -> None:
    """The vocabulary of `model_examples.tokenizer`."""
    core = json.loads(tokenizer().contents["tokenizer.json"])
    by_id = {number: token for token, number in core["model"]["vocab"].items()}
    special = {token["id"] for token in core["added_tokens"]}
    by_id |= {token["id"]: token["content"] for token in core["added_tokens"]}
    tokens = [by_id.get(n, f"[PAD{n}]") for n in range(VOCAB)]
    types = [3 if n in special else 1 if n in by_id else 5 for n in range(VOCAB)]
    writer.add_tokenizer_model("gpt2")
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(pair) for pair in core["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_eot_token_id(2)
    writer.add_pad_token_id(3)
    writer.add_add_bos_token(False)
    assert tokenizer().chat_template
    writer.add_chat_template(tokenizer().chat_template)


WORDS = [
    *("▁the", "▁cat", "s", "▁sat", "▁on", "▁a", "▁mat", ".", "▁do", "gs", "▁dog", "the", "cat"),
    *("at", "og", "▁s", "▁c", "▁m", "▁t", "he", "月", "▁▁", "</s", "床前"),
]


def sentencepiece(writer: GGUFWriter, *, size: int = VOCAB) -> None:
    """A vocabulary with scores, all bytes, control tokens, and rows that no token has."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256))]
    types = [2, 3, 3] + [6] * 256
    letters = sorted(set("".join(WORDS)) - {"▁"})
    pieces = ["▁", *WORDS, *letters]
    pieces = list(dict.fromkeys(pieces))
    tokens += pieces[: size - len(tokens)]
    types += [1] * (len(tokens) - len(types))
    scores = [0.0] * 259 + [-float(n) for n in range(len(tokens) - 259)]
    while len(tokens) < size:
        tokens.append(f"[PAD{len(tokens)}]")
        types.append(5)
        scores.append(-10_000.0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def raw(
    pairs: list[tuple[str, int, bytes]],
    tensors: list[tuple[str, tuple[int, ...], int, int]],
    data: bytes = b"",
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """A file written by hand, right or wrong: settings (name, type, bytes) and tensors
    (name, dimensions, type, offset)."""
    out = b"GGUF" + struct.pack("<IQQ", version, *(counts or (len(tensors), len(pairs))))
    for key, kind, value in pairs:
        out += text(key) + struct.pack("<I", kind) + value
    for name, dims, kind, offset in tensors:
        out += text(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
        out += struct.pack("<IQ", kind, offset)
    return out + b"\0" * (-len(out) % 32) + data
