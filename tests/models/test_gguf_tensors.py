"""Weights from GGUF: every architecture and every kind of numbers, against three oracles.

The checkpoint that was written, the formats in closed form, and transformers' own reading.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from danlu.errors import ModelError
from danlu.models import hub
from danlu.models.gguf import convert as converting
from danlu.models.gguf.convert import convert
from danlu.models.gguf.header import KINDS

pytest.importorskip("gguf")
hf = pytest.importorskip("transformers")
from gguf import GGMLQuantizationType, quants  # noqa: E402
from gguf_examples import forward, model, packed, random_blocks, weights, write  # noqa: E402

FAMILIES = ["llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "gpt2"]
RUN_BY_DANLU = ["llama", "qwen3", "gpt2"]
TOKENS = torch.arange(3, 43).reshape(2, 20) * 7 % 300


def written(folder: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            found |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return found


def imported(path: Path, built: Any, kind: str = "F32", **more: Any) -> Path:
    write(path / "x.gguf", built, kind=kind, **more)
    convert(path / "x.gguf", path / "out")
    return path / "out"


def logits(built: Any) -> torch.Tensor:
    with torch.no_grad():
        return built(TOKENS).logits


def opened(folder: Path) -> Any:
    return hf.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_checkpoint_comes_back_to_the_bit(kind, tmp_path):
    built = model(kind)
    out = imported(tmp_path, built)
    want, got = weights(built), written(out)
    assert want.keys() == got.keys()
    for name, array in want.items():
        if kind.startswith("gemma") and name.endswith("norm.weight"):
            assert np.abs(array - got[name]).max() < 2e-7, name  # + 1 and - 1 in float32
        else:
            assert np.array_equal(array, got[name]), name
    assert torch.allclose(logits(opened(out)), logits(built), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind != "gemma"])
def test_it_is_what_transformers_reads(kind, tmp_path):
    built = model(kind)
    out = imported(tmp_path, built, "Q8_0" if kind != "gpt2" else "Q4_1")
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    theirs = load_gguf_checkpoint(tmp_path / "x.gguf", return_tensors=True, model_to_load=built)
    got = {name: torch.from_numpy(array) for name, array in written(out).items()}
    assert theirs["tensors"].keys() - {"lm_head.weight"} == got.keys() - {"lm_head.weight"}
    for name, tensor in got.items():
        assert torch.equal(tensor, theirs["tensors"][name]), name
    config = opened(out).config
    for key, value in theirs["config"].items():
        if key in ("rope_theta", "feed_forward_length", "_model_name_or_path"):
            continue  # in rope_parameters; n_inner, which it does not read; no setting
        mine = getattr(config, key)
        assert mine == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), key


@pytest.mark.parametrize("kind", RUN_BY_DANLU)
def test_danlu_runs_it(kind, tmp_path):
    built = model(kind)
    loaded = hub.load(imported(tmp_path, built))
    with torch.no_grad():
        mine = loaded.model(TOKENS)
    assert torch.allclose(mine, logits(built), atol=2e-5, rtol=0)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@pytest.mark.parametrize("settings", [{"tie_word_embeddings": True}, {"attention_bias": True}])
def test_optional_parts(kind, settings, tmp_path):
    built = model(kind, **settings)
    out = imported(tmp_path, built)
    want, got = weights(built), written(out)
    assert want.keys() == got.keys()
    assert all(np.array_equal(array, got[name]) for name, array in want.items())
    config = opened(out).config
    assert all(getattr(config, key) == value for key, value in settings.items())


def test_biases_of_an_mlp(tmp_path):
    built = model("llama", mlp_bias=True, num_key_value_heads=1)
    out = imported(tmp_path, built)
    assert torch.allclose(logits(opened(out)), logits(built), atol=1e-6, rtol=0)


def test_a_head_that_gpt2s_converter_wrote_again(tmp_path):
    built = model("gpt2")
    head = weights(built)["transformer.wte.weight"] * np.float32(1.5)
    out = imported(tmp_path, built, **{"output.weight": head})
    assert not opened(out).config.tie_word_embeddings
    assert np.array_equal(written(out)["lm_head.weight"], head)


# ---- kinds of numbers


def halves(block: bytes, *places: int) -> list[float]:
    return [struct.unpack_from("<e", block, at)[0] for at in places]


def six_bits(scales: bytes) -> list[tuple[int, int]]:
    """Eight pairs of a scale and a minimum in 12 bytes (ggml, get_scale_min_k4)."""
    pairs = []
    for j in range(8):
        if j < 4:
            pairs.append((scales[j] & 63, scales[j + 4] & 63))
        else:
            low, high = scales[j + 4], (scales[j - 4] >> 6, scales[j] >> 6)
            pairs.append((low & 15 | high[0] << 4, low >> 4 | high[1] << 4))
    return pairs


def q4(block: bytes, at: int) -> list[int]:
    low, high = zip(*((b & 15, b >> 4) for b in block[at : at + 16]), strict=True)
    return [*low, *high]


def bits(block: bytes, at: int) -> list[int]:
    word = int.from_bytes(block[at : at + 4], "little")
    return [word >> n & 1 for n in range(32)]


def closed_form(kind: str, block: bytes) -> list[float]:
    """A block's numbers, one by one, as ggml documents the formats."""
    if kind == "Q4_0":
        (d,) = halves(block, 0)
        return [d * (q - 8) for q in q4(block, 2)]
    if kind == "Q4_1":
        d, m = halves(block, 0, 2)
        return [d * q + m for q in q4(block, 4)]
    if kind == "Q5_0":
        (d,) = halves(block, 0)
        return [d * ((q | h << 4) - 16) for q, h in zip(q4(block, 6), bits(block, 2), strict=True)]
    if kind == "Q5_1":
        d, m = halves(block, 0, 2)
        return [d * (q | h << 4) + m for q, h in zip(q4(block, 8), bits(block, 4), strict=True)]
    if kind == "Q8_0":
        (d,) = halves(block, 0)
        return [d * q for q in struct.unpack_from("<32b", block, 2)]
    if kind in ("Q4_K", "Q5_K"):
        d, m = halves(block, 0, 2)
        quants_at = 16 if kind == "Q4_K" else 48
        out = []
        for j, (scale, least) in enumerate(six_bits(block[4:16])):
            for n in range(32):
                q = block[quants_at + j // 2 * 32 + n] >> 4 * (j % 2) & 15
                if kind == "Q5_K":
                    q |= (block[16 + n] >> j & 1) << 4
                out.append(d * scale * q - m * least)
        return out
    assert kind == "Q6_K"
    (d,) = halves(block, 208)
    scales = struct.unpack_from("<16b", block, 192)
    out = []
    for n in range(256):
        half, at = n // 128, n % 128
        low = block[half * 64 + at % 64] >> 4 * (at // 64) & 15
        high = block[128 + half * 32 + at % 32] >> 2 * (at // 32) & 3
        out.append(d * scales[n // 16] * ((low | high << 4) - 32))
    return out


QUANTISED = [kind.name for kind in KINDS.values() if kind.block > 1]
CLOSED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
WIDE = {"hidden_size": 256, "intermediate_size": 256, "num_attention_heads": 16}


@pytest.mark.parametrize("kind", ["F16", "BF16", *QUANTISED])
def test_every_kind_of_numbers(kind, tmp_path):
    built = model("llama", **WIDE)
    unpacked = write(tmp_path / "x.gguf", built, kind=kind)
    convert(tmp_path / "x.gguf", tmp_path / "out")
    got = forward(built.config, written(tmp_path / "out"))
    assert got.keys() == unpacked.keys()
    for name, array in unpacked.items():
        assert np.array_equal(array.astype(np.float32), got[name]), name
    assert np.ptp(got["blk.0.ffn_up.weight"]) > 0


@pytest.mark.parametrize("kind", CLOSED)
def test_blocks_in_closed_form(kind):
    type_ = GGMLQuantizationType[kind]
    if kind.endswith("K"):
        blocks = random_blocks(kind, 5)
    else:
        rng = np.random.default_rng(0)
        blocks = quants.quantize(rng.normal(size=(5, 32)).astype(np.float32), type_)
    from danlu.models.gguf.numbers import float32

    kinds = {k.name: k for k in KINDS.values()}
    got = float32(blocks, kinds[kind]).numpy()
    want = [closed_form(kind, row.tobytes()) for row in blocks]
    assert np.allclose(got, want, rtol=1e-6, atol=1e-9)
    assert np.ptp(want) > 0


@pytest.mark.parametrize("kind", [k for k in QUANTISED if k not in ("Q5_0", "Q5_1")])
def test_blocks_as_transformers_unpacks_them(kind):
    theirs = pytest.importorskip("transformers.integrations.gguf.dequant")
    from danlu.models.gguf.numbers import float32

    number, stored = next((n, k) for n, k in KINDS.items() if k.name == kind)
    if stored.block == 32 and kind != "IQ4_NL":
        rng = np.random.default_rng(1)
        blocks = packed(rng.normal(size=(4, 64)).astype(np.float32), GGMLQuantizationType(number))
        blocks = blocks.reshape(8, -1)
    else:
        blocks = random_blocks(kind, 8)
    want = theirs.dequantize(torch.from_numpy(blocks.copy()).flatten(), number).reshape(8, -1)
    assert torch.allclose(float32(blocks, stored), want, rtol=1e-6, atol=1e-9)


# ---- writing


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_rounded_as_asked(dtype, tmp_path):
    built = model("llama")
    write(tmp_path / "x.gguf", built)
    made = convert(tmp_path / "x.gguf", tmp_path / "out", dtype=dtype)
    with safe_open(tmp_path / "out" / "model.safetensors", "pt") as file:
        for name, array in weights(built).items():
            want = torch.from_numpy(array).to(getattr(torch, dtype))
            assert torch.equal(file.get_tensor(name), want), name
    assert made.parameters == sum(array.size for array in weights(built).values())


@pytest.mark.parametrize("kind", ["llama", "gemma", "gpt2"])
def test_pieces_and_shards_change_nothing(kind, tmp_path, monkeypatch):
    write(tmp_path / "x.gguf", model(kind), kind="F16")
    convert(tmp_path / "x.gguf", tmp_path / "one")
    monkeypatch.setattr(converting, "PIECE", 1)
    convert(tmp_path / "x.gguf", tmp_path / "many", shard_bytes=40_000)
    one, many = written(tmp_path / "one"), written(tmp_path / "many")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 3
    assert one.keys() == many.keys()
    assert all(np.array_equal(array, many[name]) for name, array in one.items())
    assert opened(tmp_path / "many").config.model_type == kind


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("tensor", ["model.norm.weight", "model.layers.1.self_attn.k_proj.weight"])
def test_no_numbers(bad, tensor, tmp_path):
    built = model("llama")
    with torch.no_grad():
        built.get_parameter(tensor).view(-1)[5] = bad
    write(tmp_path / "x.gguf", built)
    with pytest.raises(ModelError, match="infinities or NaN"):
        convert(tmp_path / "x.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_1", "Q4_K", "Q6_K"])
def test_a_scale_that_is_no_number(kind, tmp_path):
    built = model("llama", **WIDE)
    write(tmp_path / "x.gguf", built, kind=kind)
    from danlu.models.gguf.header import read_header

    part = read_header(tmp_path / "x.gguf").tensors["blk.1.ffn_up.weight"]
    data = bytearray((tmp_path / "x.gguf").read_bytes())
    at = part.end - 2 if kind == "Q6_K" else part.start
    data[at : at + 2] = struct.pack("<e", float("nan"))
    (tmp_path / "x.gguf").write_bytes(data)
    with pytest.raises(ModelError, match=r"blk\.1\.ffn_up\.weight .* infinities or NaN"):
        convert(tmp_path / "x.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_large_for_float16(tmp_path):
    built = model("llama")
    with torch.no_grad():
        built.model.norm.weight[3] = 1e6
    write(tmp_path / "x.gguf", built)
    with pytest.raises(ModelError, match="too large for float16"):
        convert(tmp_path / "x.gguf", tmp_path / "out", dtype="float16")
    convert(tmp_path / "x.gguf", tmp_path / "out", dtype="bfloat16")
