"""Model folders: strict reading, whole writing, and messages that say what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from model_examples import GPT2, KINDS, SHAPE, V, build, tokenizer
from safetensors.torch import load_file, save_file

from danlu.errors import DanluError, DataError, ModelError, ResourceError, UnknownName
from danlu.files import Disk
from danlu.models import hub, weights
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer, parameters

FILES = [
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
]


@pytest.fixture
def folder(tmp_path):
    """A good model folder."""
    path = tmp_path / "run"
    hub.save(path, build(), tokenizer())
    return path


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_weights(folder: Path, change: Any) -> None:
    path = folder / "model.safetensors"
    named = load_file(path)
    change(named)
    save_file(named, path)


def same(model: Transformer, other: Transformer) -> None:
    mine, theirs = parameters(model), parameters(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(weight, theirs[name]) for name, weight in mine.items())


def refusal(folder: Path, kind: type[DanluError] = ModelError) -> str:
    with pytest.raises(kind) as caught:
        hub.load(folder)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded_it_is_the_same(kind, tmp_path):
    model = build(KINDS[kind])
    hub.save(tmp_path, model, tokenizer())
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    loaded = hub.load(tmp_path)
    assert loaded.model.config == model.config and loaded.folder == tmp_path
    assert loaded.tokenizer.sha256 == tokenizer().sha256
    assert not loaded.model.training
    mine, again = parameters(model), parameters(loaded.model)
    assert mine.keys() == again.keys()
    for name, weight in mine.items():
        assert torch.equal(weight, again[name]) and again[name].requires_grad, name
    assert (loaded.model.head.weight is loaded.model.embed.weight) == model.config.tied


def test_it_is_loaded_as_asked(folder):
    model = hub.load(folder, dtype=torch.float64, device=torch.device("cpu")).model
    assert {p.dtype for p in model.parameters()} == {torch.float64}


def test_loading_draws_no_random_numbers(folder):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    hub.load(folder)
    assert torch.equal(before, torch.get_rng_state())


def test_saving_again_replaces_the_weights(folder):
    other = build(SHAPE | {"activation": "relu"})
    (folder / "model.safetensors.index.json").write_text("{}")
    hub.save(folder, other, tokenizer())
    assert sorted(path.name for path in folder.iterdir()) == FILES, "no index beside a single file"
    assert hub.load(folder).model.config.activation == "relu"


def test_the_old_weights_stand_when_the_disk_is_full(folder, monkeypatch):
    before = (folder / "model.safetensors").read_bytes()

    def full(self, path, parts, **kwargs):
        if "safetensors" in path.name:
            raise ResourceError("disk full")
        return original(self, path, parts, **kwargs)

    original = Disk.write
    monkeypatch.setattr(Disk, "write", full)
    with pytest.raises(ResourceError):
        hub.save(folder, build(), tokenizer())
    assert (folder / "model.safetensors").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_a_model_that_its_family_cannot_say_is_not_written(tmp_path):
    model = build(SHAPE | {"model_type": "llama"})
    with pytest.raises(ModelError, match="qk_norm = 'head'"):
        hub.save(tmp_path / "new", model, tokenizer())
    assert not (tmp_path / "new").exists()


def test_a_model_smaller_than_its_tokenizer_is_not_written(tmp_path):
    with pytest.raises(ModelError, match="300 tokens"):
        hub.save(tmp_path / "new", build(SHAPE | {"vocab_size": 290}), tokenizer())
    assert not (tmp_path / "new").exists()


def test_tensors_of_a_tied_model_have_no_head():
    assert "lm_head.weight" not in hub.tensors(build())
    assert "lm_head.weight" in hub.tensors(build(SHAPE | {"tied": False}))


# ---- folders that are wrong


def test_no_folder(tmp_path):
    text = refusal(tmp_path / "nowhere")
    assert "no model folder" in text and "nowhere" in text


def test_a_file_is_no_folder(folder):
    assert "no model folder" in refusal(folder / "config.json")


def test_no_config(tmp_path):
    text = refusal(tmp_path)
    assert "no config.json" in text and "runs/demo/base" in text


def test_no_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer.json" in refusal(folder, DataError)


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    assert "has no weights" in refusal(folder)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_broken_config(folder, data):
    (folder / "config.json").write_bytes(data)
    text = refusal(folder, DataError)
    assert "config.json" in text


@pytest.mark.parametrize("data", [b"[]", b"3", b"null"])
def test_a_config_that_is_no_object(folder, data):
    (folder / "config.json").write_bytes(data)
    assert "not a JSON object" in refusal(folder)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_weights_that_were_cut_off(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "not a usable safetensors file" in refusal(folder)


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pickle" in refusal(folder)


def test_missing_tensors_are_named(folder):
    def drop(named):
        for key in list(named):
            if "layers.1.mlp" in key:
                del named[key]

    change_weights(folder, drop)
    text = refusal(folder)
    assert "model.layers.1.mlp.gate_proj.weight" in text and "3" in text


def test_tensors_too_many_are_named(folder):
    change_weights(
        folder, lambda named: named.update({"model.layers.0.extra.weight": torch.ones(2)})
    )
    assert "model.layers.0.extra.weight" in refusal(folder)


def test_a_layer_too_many_is_not_overlooked(tmp_path):
    """Also its biases, whose names end like those of a causal mask."""
    hub.save(tmp_path, build(GPT2), tokenizer())

    def more(named):
        named["transformer.h.2.attn.c_attn.bias"] = torch.ones(96)

    change_weights(tmp_path, more)
    assert "transformer.h.2.attn.c_attn.bias" in refusal(tmp_path)


def test_missing_and_left_over_are_told_together(folder):
    def rename(named):
        named["model.norm.scale"] = named.pop("model.norm.weight")

    change_weights(folder, rename)
    text = refusal(folder)
    assert "model.norm.weight" in text and "model.norm.scale" in text


def test_a_wrong_shape_is_told(folder):
    change_weights(folder, lambda named: named.update({"model.norm.weight": torch.ones(5)}))
    text = refusal(folder)
    assert "model.norm.weight" in text and "(5,)" in text and "(32,)" in text


def test_a_wrong_shape_of_a_stacked_tensor_is_told(tmp_path):
    hub.save(tmp_path, build(GPT2), tokenizer())
    key = "transformer.h.0.attn.c_attn.weight"
    change_weights(tmp_path, lambda named: named.update({key: named[key].T.contiguous()}))
    text = refusal(tmp_path)
    assert key in text and "(96, 32)" in text and "(32, 96)" in text, "as they lie in the file"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(folder, value):
    def spoil(named):
        named["model.layers.0.mlp.up_proj.weight"][3, 4] = value

    change_weights(folder, spoil)
    text = refusal(folder)
    assert "model.layers.0.mlp.up_proj.weight" in text and "NaN" in text and "fix:" in text


def test_quantised_weights_are_not_taken_for_plain_ones(folder):
    key = "model.layers.0.mlp.up_proj.weight"
    change_weights(folder, lambda named: named.update({key: named[key].to(torch.int8)}))
    text = refusal(folder)
    assert key in text and "int8" in text


def test_a_tokenizer_larger_than_the_model(folder):
    change_config(folder, vocab_size=290)
    text = refusal(folder)
    assert "300 tokens" in text and "290 rows" in text


def test_a_tied_model_with_a_head_of_its_own(folder):
    change_weights(folder, lambda named: named.update({"lm_head.weight": torch.ones(V, 32)}))
    text = refusal(folder)
    assert "lm_head.weight" in text and "tie_word_embeddings" in text


def test_an_untied_model_without_a_head(folder):
    change_config(folder, tie_word_embeddings=False)
    assert "lm_head.weight" in refusal(folder)


def test_sines_that_somebody_trained(tmp_path):
    """Their class learns the table; what it learned must not be lost without a word."""
    hub.save(tmp_path, build(GPT2 | {"position": "sinusoidal"}), tokenizer())
    change_weights(tmp_path, lambda named: named["transformer.wpe.weight"].mul_(1.5))
    text = refusal(tmp_path)
    assert "transformer.wpe.weight" in text and "danlu" in text
    change_config(tmp_path, danlu=None)
    assert hub.load(tmp_path).model.config.position == "learned"


def test_sines_are_known_in_16_bits_too(tmp_path):
    model = build(GPT2 | {"position": "sinusoidal"}).bfloat16()
    hub.save(tmp_path, model, tokenizer())
    assert hub.load(tmp_path).model.config.position == "sinusoidal"


def test_code_of_strangers_is_never_run(folder):
    change_config(folder, auto_map={"AutoModelForCausalLM": "modeling_x.Model"})
    assert "auto_map" in refusal(folder)


def test_an_unknown_family(folder):
    change_config(folder, model_type="qwen")
    text = refusal(folder, UnknownName)
    assert "'qwen3'" in text


def test_a_quantised_checkpoint(folder):
    change_config(folder, quantization_config={"quant_method": "awq"})
    assert "awq" in refusal(folder)


def test_what_is_wrong_is_found_before_the_weights_are_read(folder, monkeypatch):
    monkeypatch.setattr(weights.Reader, "tensor", lambda *_: pytest.fail("weights were read"))
    change_config(folder, vocab_size=290)
    refusal(folder)


def test_a_checkpoint_in_shards(folder):
    named = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    keys, where = sorted(named), {}
    for number, part in enumerate((keys[:7], keys[7:]), 1):
        name = f"model-{number:05}-of-00002.safetensors"
        save_file({key: named[key] for key in part}, folder / name)
        where |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": 0}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    loaded = hub.load(folder).model
    same(loaded, build())


def test_filling_a_model_leaves_its_gradients_and_identity_alone(folder):
    """Resuming fills the very tensors that the optimizer holds."""
    model = Transformer(ModelConfig(**SHAPE))
    before = {name: id(p) for name, p in parameters(model).items()}
    with weights.Reader(folder) as reader:
        hub.fill(model, reader, folder=folder)
    assert {name: id(p) for name, p in parameters(model).items()} == before
    same(model, build())
