"""Against transformers, on random weights in every tensor: logits, names, bytes, ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_examples import GPT2, KINDS, LEN, SHAPE, V, build, difference, randomise, tokenizer
from safetensors.torch import load_file, save_file

from danlu.models import family, hub, spelling
from danlu.models.config import ModelConfig
from danlu.tokenizer import Tokenizer, encode_chat
from danlu.types import Message

CLOSE = 1e-4
"""Largest difference of a logit, float32: the issue's figure. Measured: 2e-6."""

LLAMA: dict[str, Any] = {
    "vocab_size": V,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": LEN,
    "pad_token_id": 3,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
THEIR_GPT2: dict[str, Any] = {
    "vocab_size": V,
    "n_embd": 64,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": LEN,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
BIASES = {"attention_bias": True, "mlp_bias": True}

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("gpt2", THEIR_GPT2),
    "gpt2 relu, other inner width": (
        "gpt2",
        THEIR_GPT2 | {"n_inner": 80, "activation_function": "relu"},
    ),
    "gpt2 exact gelu, other eps": (
        "gpt2",
        THEIR_GPT2 | {"activation_function": "gelu", "layer_norm_epsilon": 1e-3},
    ),
    "gpt2 untied": ("gpt2", THEIR_GPT2 | {"tie_word_embeddings": False}),
    "llama multi-head": ("llama", LLAMA | {"num_key_value_heads": 4}),
    "llama grouped": ("llama", LLAMA),
    "llama multi-query": ("llama", LLAMA | {"num_key_value_heads": 1}),
    "llama biases": ("llama", LLAMA | BIASES),
    "llama mlp bias only": ("llama", LLAMA | {"mlp_bias": True}),
    "llama tied": ("llama", LLAMA | {"tie_word_embeddings": True}),
    "llama other base, eps, activation": (
        "llama",
        LLAMA
        | {"rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0}}
        | {"rms_norm_eps": 1e-3, "hidden_act": "gelu_pytorch_tanh"},
    ),
    "llama other head width": ("llama", LLAMA | {"head_dim": 24}),
    "qwen3 wide heads": ("qwen3", LLAMA | {"head_dim": 24}),
    "qwen3 tied": ("qwen3", LLAMA | {"head_dim": 16, "tie_word_embeddings": True}),
    "qwen3 multi-query, biases": (
        "qwen3",
        LLAMA | {"head_dim": 8, "num_key_value_heads": 1, "attention_bias": True},
    ),
    "qwen3 heads that do not divide the width": (
        "qwen3",
        LLAMA | {"head_dim": 8, "num_attention_heads": 6, "num_key_value_heads": 3},
    ),
}


@pytest.fixture(scope="module")
def transformers():
    library = pytest.importorskip("transformers")
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library


@pytest.fixture(scope="module")
def theirs(transformers, tmp_path_factory):
    """Name of a case → their model and the folder that they saved it to."""
    made: dict[str, tuple[Any, Path]] = {}

    def make(name: str) -> tuple[Any, Path]:
        if name not in made:
            kind, knobs = CASES[name]
            config = transformers.AutoConfig.for_model(kind, **knobs)
            model = randomise(transformers.AutoModelForCausalLM.from_config(config)).eval()
            folder = tmp_path_factory.mktemp("theirs")
            model.save_pretrained(folder)
            made[name] = model, folder
        return made[name]

    return make


def ids(rows=2, length=40):
    return torch.randint(0, V, (rows, length), generator=torch.Generator().manual_seed(1))


def opened(transformers, folder):
    """Their model from a folder, which must fit to the last tensor."""
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True
    )
    assert not any(report.values()), report
    return model.eval()


@torch.no_grad()
def logits(model):
    out = model(ids())
    return out if isinstance(out, torch.Tensor) else out.logits


every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_logits_are_theirs(name, theirs):
    model, folder = theirs(name)
    want, got = logits(model), logits(hub.load_model(folder).eval())
    assert want.abs().max() > 1 and difference(got, want) < CLOSE


@every_case
def test_read_and_written_again_it_is_the_same(name, theirs, transformers, tmp_path):
    model, folder = theirs(name)
    ours = hub.load_model(folder).eval()
    hub.save(tmp_path, ours, tokenizer())
    before, after = (load_file(f / "model.safetensors") for f in (folder, tmp_path))
    assert before.keys() == after.keys()
    for key, tensor in before.items():
        assert tensor.dtype == after[key].dtype and torch.equal(tensor, after[key]), key
    assert torch.equal(logits(opened(transformers, tmp_path)), logits(model))
    again = hub.load(tmp_path)
    assert again.model.config == ours.config and torch.equal(logits(again.model), logits(ours))


@every_case
def test_a_config_means_the_same_to_both(name, theirs, transformers, tmp_path):
    model, folder = theirs(name)
    mine = spelling.read_config(json.loads((folder / "config.json").read_text()))
    assert spelling.read_config(model.config.to_dict()) == mine
    (tmp_path / "config.json").write_text(json.dumps(spelling.write_config(mine)))
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    assert spelling.read_config(config.to_dict()) == mine
    for key in family.find(mine.model_type).keys:
        if key not in ("n_inner", "head_dim"):  # None there: the usual value
            assert getattr(config, key) == getattr(model.config, key), key


@pytest.mark.parametrize("kind", KINDS)
def test_our_models_open_in_transformers(kind, transformers, tmp_path):
    model = build(KINDS[kind])
    hub.save(tmp_path, model, tokenizer())
    hf = opened(transformers, tmp_path)
    assert difference(logits(model), logits(hf)) < CLOSE
    config = hf.generation_config
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (0, [0, 2], 3)
    assert hub.load(tmp_path).model.config == model.config


def test_what_transformers_saves_of_ours_opens_here(transformers, tmp_path):
    """Also of a sinusoidal model, whose table they take for a learned one."""
    for kind in ("rope, grouped, qk norm", "sinusoidal"):
        first, second = tmp_path / kind / "a", tmp_path / kind / "b"
        model = build(KINDS[kind])
        hub.save(first, model, tokenizer())
        opened(transformers, first).save_pretrained(second)
        again = hub.load_model(second).eval()
        assert again.config == model.config and torch.equal(logits(again), logits(model))


def test_greedy_generation_is_theirs(theirs, transformers):
    from danlu.generate.engine import Engine
    from danlu.generate.settings import Sampling

    for name in ("qwen3 wide heads", "gpt2"):
        model, folder = theirs(name)
        prompt = ids(1, 6)
        out = model.generate(
            prompt, max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=3
        )
        mine = Engine(hub.load_model(folder)).generate(
            prompt.tolist(), Sampling(temperature=0, max_tokens=20)
        )
        assert mine[0] == out[0, 6:].tolist()


# ---- spellings of other versions


def respelled(folder: Path, out: Path, change: Any) -> Path:
    """A folder whose config.json was changed."""
    config = json.loads((folder / "config.json").read_text())
    change(config)
    out.mkdir(exist_ok=True)
    (out / "config.json").write_text(json.dumps(config))
    (out / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    return out


def version4(config: dict[str, Any]) -> None:
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    config["torch_dtype"] = config.pop("dtype")
    config["rope_scaling"] = None
    for key in ("head_dim", "layer_types"):
        config.pop(key, None)


def test_version_4_of_transformers_spelled_it_differently(theirs, tmp_path):
    model, folder = theirs("llama other base, eps, activation")
    old = hub.load_model(respelled(folder, tmp_path, version4))
    assert (
        old.config.rope_theta == 500_000 and difference(logits(old.eval()), logits(model)) < CLOSE
    )


def test_ours_is_written_in_both_spellings(tmp_path):
    hub.save(tmp_path, build(SHAPE | {"rope_theta": 77_000.0}), tokenizer())
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 77_000
    assert config["rope_scaling"] is None and config["rope_parameters"]["rope_type"] == "default"
    assert config["dtype"] == config["torch_dtype"] == "float32"
    assert config["tie_word_embeddings"] is True


def test_numbers_of_16_bits_stay_what_they_are(theirs, transformers, tmp_path):
    _, folder = theirs("llama grouped")
    model = hub.load_model(folder, dtype=torch.bfloat16)
    hub.save(tmp_path, model, tokenizer())
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["dtype"] == config["torch_dtype"] == "bfloat16"
    assert opened(transformers, tmp_path).dtype == torch.bfloat16
    saved = load_file(tmp_path / "model.safetensors")
    for key, tensor in load_file(folder / "model.safetensors").items():
        assert torch.equal(saved[key], tensor.bfloat16())
    wide = hub.load_model(tmp_path)
    assert wide.embed.weight.dtype == torch.float32
    assert difference(logits(wide.eval()), logits(model.float().eval())) == 0


def test_old_checkpoints_have_buffers_and_no_prefix(theirs, tmp_path):
    """GPT-2's first files: the bare stack's names, and causal masks as tensors."""
    model, folder = theirs("gpt2")
    old = respelled(folder, tmp_path, lambda config: config.pop("tie_word_embeddings"))
    named = load_file(folder / "model.safetensors")
    named = {key.removeprefix("transformer."): t for key, t in named.items()}
    named |= {f"h.{n}.attn.bias": torch.ones(1, 1, LEN, LEN) for n in range(3)}
    named |= {f"h.{n}.attn.masked_bias": torch.tensor(-1e4) for n in range(3)}
    save_file(named, old / "model.safetensors")
    assert difference(logits(hub.load_model(old).eval()), logits(model)) < CLOSE


def test_a_tied_head_may_be_in_the_file_if_it_is_the_embedding(theirs, tmp_path):
    model, folder = theirs("qwen3 tied")
    out = respelled(folder, tmp_path, lambda config: None)
    named = load_file(folder / "model.safetensors")
    named["lm_head.weight"] = named["model.embed_tokens.weight"].clone()
    named["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    save_file(named, out / "model.safetensors")
    assert difference(logits(hub.load_model(out).eval()), logits(model)) < CLOSE


# ---- ids

NASTY = (
    " leading\ttabs\r\n\r\n  trailing   \n\n\n 3.14159 1,000,000 ２０２６ ٣٤ don't DON'T we'LL "
    "naïve café e\u0301 ﬁ Ⅷ İ ẞ 床前明月光 👩‍👩‍👧‍👦 🇨🇳 𠮷 \u200b\u200d"
    "\ufeff\u00a0\u3000\u2028\x00\x07 <tag> &amp; [INST] {{ x }} a_b ``` $1.50 <s> </s> <unk> "
    "אבג हिन्दी ไทย 한국어 ∑∫\uffff"
)
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen3": SHAPE,
    "llama": KINDS["rope, multi-query"],
    "gpt2": GPT2,
}


@pytest.fixture(scope="module", params=FAMILIES)
def auto(request, transformers, tmp_path_factory):
    """Their tokenizer of a folder that we saved."""
    folder = tmp_path_factory.mktemp("tokenizer")
    hub.save(folder, build(FAMILIES[request.param]), tokenizer())
    return transformers.AutoTokenizer.from_pretrained(folder)


def agree(auto: Any, text: str) -> None:
    mine = tokenizer().encode(text)
    assert auto.encode(text, add_special_tokens=False) == mine
    assert auto.encode(text) == [0, *mine], "one token begins a document"
    assert auto.decode(mine) == text == tokenizer().decode(mine)


def test_ids_are_theirs(auto):
    for text in (NASTY, "", " ", "\n", "x" * 1000):
        agree(auto, text)
    assert len(auto) == tokenizer().vocab_size
    assert auto.padding_side == "left"
    assert (auto.bos_token_id, auto.eos_token_id, auto.pad_token_id) == (0, 0, 3)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_ids_of_any_text_are_theirs(auto, text):
    if not any(special in text for special in tokenizer().special):
        agree(auto, text)


def test_special_tokens_in_text_are_control_tokens_there_and_text_here(auto):
    text = "a<|im_end|>b"
    assert 2 in auto.encode(text) and 2 not in tokenizer().encode(text)
    assert auto.encode(text, split_special_tokens=True, add_special_tokens=False) == (
        tokenizer().encode(text)
    )


CONVERSATIONS = [
    [("user", "Hi")],
    [("user", "What does os.path.join do?"), ("assistant", "It joins two paths.")],
    [("system", "Be brief."), ("user", "床前？"), ("assistant", "明月光 3.14"), ("user", "More!")],
    [("user", " spaces  "), ("assistant", "def f():\n    return 1\n\n"), ("user", "\n\nthanks\n")],
]


@pytest.mark.parametrize("prompt", [False, True])
@pytest.mark.parametrize("conversation", range(len(CONVERSATIONS)))
def test_conversations_become_their_ids(auto, conversation, prompt):
    messages = [Message(*turn) for turn in CONVERSATIONS[conversation]]
    encoded = encode_chat(tokenizer(), messages, add_generation_prompt=prompt)
    rows = [{"role": m.role, "content": m.content} for m in messages]
    want = auto.apply_chat_template(rows, add_generation_prompt=prompt, return_dict=False)
    assert encoded.ids == want and want.count(0) == 1


def test_a_template_of_our_own_travels_too(transformers, tmp_path):
    template = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    changed = Tokenizer({**tokenizer().contents, "chat_template.jinja": template.encode()})
    hub.save(tmp_path, build(), changed)
    auto = transformers.AutoTokenizer.from_pretrained(tmp_path)
    rows = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    ids = auto.apply_chat_template(rows, return_dict=False)
    assert ids == encode_chat(changed, [Message("user", "Hi"), Message("assistant", "Hello")]).ids


def test_the_config_knows_nothing_that_transformers_drops(transformers, tmp_path):
    """What their config cannot say is kept under a key of ours; nobody else needs it."""
    model = build(GPT2 | {"dropout": 0.25})
    hub.save(tmp_path, model, tokenizer())
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["danlu"] == {"dropout": 0.25}
    assert config["resid_pdrop"] == config["embd_pdrop"] == 0.25 and config["attn_pdrop"] == 0
    assert (
        hub.load(tmp_path).model.config == model.config == ModelConfig(**GPT2 | {"dropout": 0.25})
    )
    assert opened(transformers, tmp_path).config.resid_pdrop == 0.25
