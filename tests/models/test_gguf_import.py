"""From a GGUF file to a folder: settings, refusals, damage anywhere, and the command."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from danlu import cli, discover, files
from danlu.errors import ConfigError, DanluError, MissingExtra, ModelError, ResourceError
from danlu.models import hub, weights
from danlu.models.gguf import architecture, numbers, rope
from danlu.models.gguf.convert import convert
from danlu.models.gguf.header import read_header
from danlu.models.gguf.tokenizer_files import tokenizer_files

pytest.importorskip("gguf")
hf = pytest.importorskip("transformers")
import numpy as np  # noqa: E402
from gguf import GGUFReader, GGUFValueType  # noqa: E402
from gguf_examples import model, write  # noqa: E402

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def key(name: str, value: Any, kind: GGUFValueType | None = None) -> dict[str, Any]:
    return {"key": (name, value, kind or GGUFValueType.get_type(value))}


def config(path: Path, kind: str = "llama", built: Any = None, **more: Any) -> dict[str, Any]:
    write(path / "x.gguf", built or model(kind), **more)
    return architecture.plan(read_header(path / "x.gguf")).config


def refused(path: Path, kind: str = "llama", **more: Any) -> str:
    with pytest.raises(ModelError) as caught:
        config(path, kind, **more)
    return str(caught.value)


# ---- settings


def test_short_numbers_and_both_spellings(tmp_path):
    got = config(tmp_path)
    assert got["rms_norm_eps"] == 1e-5 and got["rope_theta"] == 50_000.0
    assert got["rope_parameters"] == {"rope_type": "default", "rope_theta": 50_000.0}
    assert got["rope_scaling"] is None and got["architectures"] == ["LlamaForCausalLM"]


@pytest.mark.parametrize("factor", [8.0, 32.0])
@pytest.mark.parametrize("head_dim", [16, 64])
def test_llama3s_positions_are_recognised(factor, head_dim, tmp_path):
    asked = LLAMA3 | {"factor": factor}
    built = model("llama", rope_parameters=asked, head_dim=head_dim)
    rotary = built.model.rotary_emb.inv_freq
    plain = model("llama", rope_parameters=LLAMA3 | {"rope_type": "default"}, head_dim=head_dim)
    divisors = (plain.model.rotary_emb.inv_freq / rotary).numpy()
    got = config(tmp_path, built=built, **{"rope_freqs.weight": divisors})
    assert got["rope_parameters"] == asked
    assert got["rope_scaling"] == {k: v for k, v in asked.items() if k != "rope_theta"}
    convert(tmp_path / "x.gguf", tmp_path / "out")
    opened = hf.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    tokens = torch.arange(20)[None]
    assert torch.allclose(opened(tokens).logits, built(tokens).logits, atol=1e-5, rtol=0)


def test_divisors_of_one_are_no_scaling(tmp_path):
    got = config(tmp_path, **{"rope_freqs.weight": np.ones(8, np.float32)})
    assert got["rope_parameters"]["rope_type"] == "default"


def test_other_divisors_are_refused(tmp_path):
    said = refused(tmp_path, **{"rope_freqs.weight": np.linspace(1, 9, 8).astype(np.float32)})
    assert "unknown way" in said and "divisors from 1 to 9" in said
    said = refused(tmp_path, **{"rope_freqs.weight": np.ones(7, np.float32)})
    assert "wrong shape" in said


def test_divisors_are_llama3s():
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    built = hf.LlamaConfig(rope_parameters=LLAMA3, head_dim=128, max_position_embeddings=131_072)
    plain = 500_000.0 ** (-torch.arange(0, 128, 2) / 128)
    want = plain / ROPE_INIT_FUNCTIONS["llama3"](built, "cpu")[0]
    got = torch.tensor(rope.llama3_divisors(128, 500_000.0, 32.0, 8192))
    assert torch.allclose(got, want, rtol=1e-5)


def test_linear_and_yarn(tmp_path):
    built = model("llama")
    linear = key("llama.rope.scaling.type", "linear")
    linear["factor"] = ("llama.rope.scaling.factor", 4.0, GGUFValueType.FLOAT32)
    got = config(tmp_path, built=built, **linear)
    assert got["rope_scaling"] == {"rope_type": "linear", "factor": 4.0}
    yarn = key("llama.rope.scaling.type", "yarn")
    yarn["factor"] = linear["factor"]
    yarn["first"] = ("llama.rope.scaling.original_context_length", 32, GGUFValueType.UINT32)
    got = config(tmp_path, built=built, **yarn)
    want = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
    assert got["rope_scaling"] == want
    assert "longrope" in refused(tmp_path, **key("llama.rope.scaling.type", "longrope"))


def test_gemma_3(tmp_path):
    got = config(tmp_path, "gemma3_text")
    assert got["model_type"] == "gemma3_text"
    opened = hf.Gemma3TextConfig(**got)
    want = model("gemma3_text").config
    assert opened.rope_parameters == want.rope_parameters
    assert opened.layer_types == want.layer_types and opened.sliding_window == 16
    old = {k: v for k, v in got.items() if k not in ("rope_parameters", "layer_types")}
    again = hf.Gemma3TextConfig(**old)  # the spelling of transformers 4
    assert again.rope_parameters == want.rope_parameters
    assert again.layer_types == want.layer_types


def test_gemma_2(tmp_path):
    got = config(tmp_path, "gemma2")
    want = model("gemma2").config
    opened = hf.Gemma2Config(**got)
    for name in ("layer_types", "attn_logit_softcapping", "final_logit_softcapping"):
        assert getattr(opened, name) == getattr(want, name)
    assert got["query_pre_attn_scalar"] == 32


def test_the_scalar_of_the_largest():
    from danlu.models.gguf.architectures import gemma2
    from danlu.models.gguf.settings import Sizes

    sizes = Sizes(layers=46, heads=32, kv_heads=16, V=1, D=4608, F=1, H=128, L=1)
    assert gemma2.attention_scalar(sizes, 46) == 144
    assert gemma2.attention_scalar(sizes, 62) == 128


# ---- refusals


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (key("llama.logit_scale", 0.5), "llama.logit_scale = 0.5"),
        (key("llama.attention.sliding_window", 16), "not supported"),
        (key("llama.expert_count", 8), "mixtures of experts"),
        (key("llama.attention.causal", False), "cannot write"),
        ({"blk.0.attn_rot.weight": np.ones((4, 4), np.float32)}, "1 unknown: blk.0.attn_rot"),
        ({"blk.1.attn_q.bias": np.ones(64, np.float32)}, "1 unknown: blk.1.attn_q.bias"),
        ({"blk.0.attn_q.bias": np.ones(64, np.float32)}, "7 missing"),
        ({"output.weight": np.ones((304, 32), np.float32)}, "wrong shape"),
    ],
)
def test_what_is_not_supported_is_refused(more, word, tmp_path):
    built = model("llama", tie_word_embeddings=True)
    assert word in refused(tmp_path, built=built, **more)


def changed(path: Path, name: str, data: bytes) -> None:
    """Overwrite a setting's number in the file."""
    field = GGUFReader(path).fields[name]
    raw = bytearray(path.read_bytes())
    at = field.offset + 8 + len(name.encode()) + 4
    raw[at : at + len(data)] = data
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("llama.block_count", struct.pack("<I", 0), "from 1 to"),
        ("llama.block_count", struct.pack("<I", 0xFFFF_FFFF), "from 1 to"),
        ("llama.block_count", struct.pack("<I", 5000), "5,000 layers"),
        ("llama.block_count", struct.pack("<I", 3), "missing"),
        ("llama.block_count", struct.pack("<I", 1), "unknown"),
        ("llama.embedding_length", struct.pack("<I", 1 << 24), "wrong shape"),
        ("llama.attention.head_count", struct.pack("<I", 3), "heads"),
        ("llama.attention.key_length", struct.pack("<I", 15), "equally wide"),
        ("llama.rope.dimension_count", struct.pack("<I", 8), "turned in part"),
        ("llama.rope.freq_base", struct.pack("<f", float("nan")), "a number above 0"),
        ("llama.rope.freq_base", struct.pack("<f", -1.0), "a number above 0"),
        ("llama.attention.layer_norm_rms_epsilon", struct.pack("<f", 0), "a number above 0"),
    ],
)
def test_settings_without_sense(name, data, word, tmp_path):
    write(tmp_path / "x.gguf", model("llama"))
    changed(tmp_path / "x.gguf", name, data)
    with pytest.raises(ModelError, match=word):
        architecture.plan(read_header(tmp_path / "x.gguf"))


@pytest.mark.parametrize("name", ["mamba", "bloom"])
def test_an_unknown_architecture(name, tmp_path):
    write(tmp_path / "x.gguf", model("llama"))
    data = (tmp_path / "x.gguf").read_bytes()
    old = struct.pack("<Q", 5) + b"llama"
    assert data.count(old) == 1
    (tmp_path / "x.gguf").write_bytes(data.replace(old, struct.pack("<Q", 5) + name.encode()))
    with pytest.raises(ModelError) as caught:
        architecture.plan(read_header(tmp_path / "x.gguf"))
    said = str(caught.value)
    assert "architecture that is not supported" in said and name in said
    assert "gemma, gemma2, gemma3, gpt2, llama, qwen2, qwen3" in said


def test_damage_anywhere_is_one_clear_message(tmp_path):
    """Bytes of the header changed at random: a model comes out, or an error of ours."""
    path = tmp_path / "x.gguf"
    write(path, model("llama"), kind="Q8_0")
    whole = path.read_bytes()
    end = min(part.start for part in read_header(path).tensors.values())
    rng = random.Random(0)
    refusals = 0
    for _ in range(150):
        raw = bytearray(whole)
        for _ in range(rng.choice([1, 1, 4])):
            at = rng.randrange(4, end)
            raw[at] = rng.choice([0, 1, 127, 128, 255, raw[at] ^ 1 << rng.randrange(8)])
        path.write_bytes(raw)
        try:
            header = read_header(path)
            made = architecture.plan(header)
            from danlu.models.gguf import vocabulary

            tokens = vocabulary.read(header, made.config["vocab_size"])
            tokenizer_files(tokens, max_len=64)
        except DanluError as error:
            assert len(str(error)) < 2000
            refusals += 1
    assert refusals > 50


# ---- the folder and the command


def test_the_folder_must_be_empty(tmp_path):
    write(tmp_path / "x.gguf", model("llama"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        convert(tmp_path / "x.gguf", tmp_path / "out")
    with pytest.raises(ConfigError, match="is no folder"):
        convert(tmp_path / "x.gguf", tmp_path / "x.gguf")


def test_no_room(tmp_path, monkeypatch):
    write(tmp_path / "x.gguf", model("llama"))
    monkeypatch.setattr(files, "free_bytes", lambda path: 1000)
    with pytest.raises(ResourceError, match="no room"):
        convert(tmp_path / "x.gguf", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_quantised_files_need_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(numbers.importlib.util, "find_spec", lambda name: None)
    write(tmp_path / "x.gguf", model("llama"), kind="Q8_0")
    with pytest.raises(MissingExtra, match="Q8_0 needs the package gguf"):
        convert(tmp_path / "x.gguf", tmp_path / "out")
    write(tmp_path / "y.gguf", model("llama"), kind="F16")
    convert(tmp_path / "y.gguf", tmp_path / "out")


def test_the_command(tmp_path, capsys):
    write(tmp_path / "x.gguf", model("qwen3"), kind="Q8_0")
    out = tmp_path / "out"
    words = ["import", str(tmp_path / "x.gguf"), "--out", str(out), "--json"]
    assert cli.main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["family"] == "qwen3" and said["next"] == [f"danlu chat {out}"]
    assert said["stored_as"].endswith("Q8_0 × 16")
    assert sorted(path.name for path in out.iterdir()) == [
        *("chat_template.jinja", "config.json", "generation_config.json", "model.safetensors"),
        *("tokenizer.json", "tokenizer_config.json"),
    ]
    assert json.loads((out / "generation_config.json").read_text())["eos_token_id"] == [0, 2]
    loaded = hub.load(out)
    assert loaded.tokenizer.chat_template and loaded.tokenizer.vocab_size == 300
    asked = ["chat", str(out), "--question", "the cat?", "--sampling.max-tokens", "3", "--json"]
    assert cli.main(asked) == 0
    capsys.readouterr()
    assert cli.main(words) == 2
    assert "not empty" in capsys.readouterr().out


def test_the_command_on_no_file(tmp_path, capsys):
    assert cli.main(["import", str(tmp_path / "x.gguf"), "--out", str(tmp_path / "out")]) == 3
    assert "there is no file" in capsys.readouterr().err


def test_a_family_that_danlu_does_not_run_yet_is_written_and_said(tmp_path, capsys, monkeypatch):
    write(tmp_path / "x.gguf", model("llama"))

    def unknown(folder: Path) -> None:
        raise discover.unknown("model family", "llama", ["qwen3"])

    monkeypatch.setattr(hub, "config_of", unknown)
    assert cli.main(["import", str(tmp_path / "x.gguf"), "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "danlu itself cannot run it yet" in said.err and "danlu chat" not in said.out


def test_the_plan(tmp_path, capsys):
    write(tmp_path / "x.gguf", model("llama"))
    words = ["import", str(tmp_path / "x.gguf"), "--out", str(tmp_path / "out"), "--dry-run"]
    assert cli.main(words) == 0
    assert "llama" in capsys.readouterr().out and not (tmp_path / "out").exists()


# ---- tensors that are made when they are written


def test_later_tensors_give_the_same_file():
    named = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4, dtype=torch.bfloat16)}
    later = {
        name: weights.Later(t.dtype, tuple(t.shape), lambda t=t: iter(t.split(1)))
        for name, t in named.items()
    }
    assert b"".join(weights.dump(later)) == b"".join(weights.dump(named))
    assert weights.dump(later).nbytes == weights.dump(named).nbytes
    assert weights.dump_sharded(later, max_bytes=10).keys() == (
        weights.dump_sharded(named, max_bytes=10).keys()
    )
