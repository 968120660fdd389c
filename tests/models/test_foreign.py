"""Families without a table: what transformers gives is what Danlu gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from foreign_examples import FAMILIES, LONG, SLOW, folder_of, greedy, pair, some, theirs
from model_examples import difference, tokenizer
from safetensors.torch import load_file, save_file

from danlu.errors import MissingExtra, ModelError, UnknownName
from danlu.evaluate.perplexity import Perplexity
from danlu.generate.engine import Engine
from danlu.generate.settings import Sampling
from danlu.models import foreign, hub
from danlu.models.foreign import documents, head, library, probe
from danlu.models.foreign.config import cleaned
from danlu.models.foreign.model import Foreign
from danlu.types import IGNORE

CLOSE = 2e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_losses(family):
    model, ours, _ = pair(family)
    tokens, targets = some(), some(seed=2)
    targets[0, :6] = IGNORE
    with torch.no_grad():
        want = model(tokens).logits
        assert torch.equal(ours(tokens), want)
        nll = F.cross_entropy(
            want.flatten(0, 1), targets.flatten(), reduction="none", ignore_index=IGNORE
        )
        got = ours(tokens, targets=targets)
    assert got.dtype == torch.float32 and bool((got[0, :6] == 0).all())
    assert difference(got, nll.view_as(targets)) < CLOSE
    assert ours.head_kind is not None, "no logits are made for the loss"


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradients_are_those_of_its_own_loss(family):
    model, ours, _ = pair(family)
    tokens = some(3, 17)
    own = model(tokens, labels=tokens).loss * (3 * 16)  # theirs shifts the labels, and is a mean
    own.backward()
    targets = torch.cat([tokens[:, 1:], torch.full((3, 1), IGNORE)], 1)
    nll = ours(tokens, targets=targets).sum()
    nll.backward()
    assert nll.item() == pytest.approx(own.item(), rel=1e-5)
    mine = dict(ours.body.named_parameters())
    for name, parameter in model.named_parameters():
        want = parameter.grad
        assert difference(mine[name].grad, want) <= 1e-4 * float(want.abs().max()) + 1e-6, name
    for parameter in (*model.parameters(), *ours.parameters()):
        parameter.grad = None


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_packed_documents_are_read_as_if_each_were_alone(family):
    model, ours, _ = pair(family)
    tokens, targets = some(2, 40), some(2, 40, seed=2)
    segments, positions = torch.zeros_like(tokens), torch.zeros_like(tokens)
    cuts = {0: [(0, 18), (18, 21), (21, 33)], 1: [(0, 1), (1, 40)]}  # row 0 ends in padding
    for row, spans in cuts.items():
        for number, (begin, end) in enumerate(spans, 1):
            segments[row, begin:end], positions[row, begin:end] = number, torch.arange(end - begin)
    logits = ours(tokens, segments=segments, positions=positions)
    targets[segments == 0] = IGNORE
    nll = ours(tokens, segments=segments, positions=positions, targets=targets)
    for row, spans in cuts.items():
        for begin, end in spans:
            alone = model(tokens[row : row + 1, begin:end]).logits[0]
            assert difference(logits[row, begin:end], alone) < 1e-4
            want = F.cross_entropy(alone, targets[row, begin:end], reduction="none")
            assert difference(nll[row, begin:end], want) < 1e-4
    assert bool((nll[segments == 0] == 0).all())


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_ids(family):
    """Prompts of unequal length together, some of which leave early."""
    model, ours, _ = pair(family)
    prompts = [some(1, n, seed=n)[0].tolist() for n in (9, 3, 6)]
    want = [greedy(model, prompt, 9) for prompt in prompts]
    assert Engine(ours).generate(prompts, Sampling(temperature=0, max_tokens=9)) == want
    assert ours.remembers == (family not in SLOW)
    end = want[1][4]
    cut = [ids[: ids.index(end)] if end in ids else ids for ids in want]
    engine = Engine(ours, eos_ids=[end])
    assert engine.generate(prompts, Sampling(temperature=0, max_tokens=9)) == cut
    out = model.generate(
        torch.tensor(prompts[:1]), max_new_tokens=9, do_sample=False, eos_token_id=None
    )
    assert out[0, 9:].tolist() == want[0]


@pytest.mark.parametrize("family", ["gpt_neo", "bloom", "cohere", "mamba"])
@pytest.mark.parametrize("accuracy", [True, False])
@torch.no_grad()
def test_perplexity(family, accuracy):
    model, ours, _ = pair(family)
    stream = some(1, 45)[0]
    measure = Perplexity(
        stream.numpy().astype(np.uint16), text_bytes=99, window=16, stride=1, accuracy=accuracy
    )
    nats = 0.0
    for at in range(1, 45):
        logits = model(stream[None, max(0, at - 16) : at]).logits[0, -1].double()
        nats -= float(logits.log_softmax(-1)[stream[at]])
    assert measure(ours)["loss"] == pytest.approx(nats / 44, rel=1e-6)


# ---- folders


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_saved_is_what_transformers_saves(family, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, ours, folder = pair(family)
    hub.save(tmp_path, ours, tokenizer())
    want, got = (load_file(f / "model.safetensors") for f in (folder, tmp_path))
    assert got.keys() == want.keys() and all(torch.equal(got[name], want[name]) for name in want)
    before, after = (json.loads((f / "config.json").read_text()) for f in (folder, tmp_path))
    after.pop("torch_dtype")
    assert after == before
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(again(some()).logits, model(some()).logits)
    ids = AutoTokenizer.from_pretrained(tmp_path).encode("the fox", add_special_tokens=False)
    assert ids == tokenizer().encode("the fox")
    assert torch.equal(hub.load(tmp_path).model(some()), ours(some()))


@pytest.mark.parametrize("family", ["opt", "granitemoe"])
def test_it_is_counted_without_being_loaded(family):
    _, ours, folder = pair(family)
    assert hub.size_of(folder) == sum(p.numel() for p in ours.parameters())
    config = hub.config_of(folder)
    assert isinstance(config, foreign.ForeignConfig) and config == ours.config
    assert (config.max_len, config.kind) == (LONG, "decoder")


def test_loading_draws_no_random_numbers():
    _, _, folder = pair("opt")
    torch.manual_seed(0)
    before = torch.get_rng_state()
    model = hub.load(folder, dtype=torch.bfloat16).model
    assert torch.equal(before, torch.get_rng_state())
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16} and model.remembers


@pytest.fixture
def folder(tmp_path):
    return folder_of(theirs("opt"), tmp_path / "opt")


def refusal(folder: Path, kind: Any = ModelError) -> str:
    with pytest.raises(kind) as caught:
        hub.load(folder)
    return str(caught.value)


def change(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def change_weights(folder: Path, edit: Any) -> None:
    named = load_file(folder / "model.safetensors")
    edit(named)
    save_file(named, folder / "model.safetensors")


NORM = "model.decoder.final_layer_norm.bias"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda n: n.pop(NORM), "numbers"),
        (lambda n: n.update({"more": torch.ones(2)}), "1 unknown to the model: more"),
        (lambda n: n[NORM].fill_(float("nan")), "infinities or NaN"),
        (lambda n: n.update({NORM: torch.zeros(33)}), "do not fit"),
        (lambda n: n.update({NORM + ".weight": n.pop(NORM).to(torch.int8)}), "unexpected kind"),
        (lambda n: n.update({"x": torch.ones(99), NORM[:9]: n.pop(NORM)}), "1 missing"),
        (lambda n: n.update({"lm_head.weight": torch.ones(304, 16)}), "must be the embedding"),
    ],
)
def test_weights_that_do_not_fit(folder, edit, said):
    change_weights(folder, edit)
    assert said in refusal(folder)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"auto_map": {"AutoModel": "x.X"}}, "needs code from its own folder"),
        ({"quantization_config": {"bits": 4}}, "is quantised"),
        ({"fusion_config": {"x": 1}}, "changes how transformers computes it"),
        ({"transformers_weights": "../other.safetensors"}, "changes how"),
        ({"hidden_size": "wide"}, "config.json of a opt model is wrong"),
        ({"num_hidden_layers": 10**7}, "lacks a usable size"),
        ({"vocab_size": 0}, "lacks a usable size"),
        ({"hidden_size": 2048, "word_embed_proj_dim": 2048}, "numbers"),
        ({"is_encoder_decoder": True}, "encoder-decoder"),
    ],
)
def test_configs_that_are_refused(folder, keys, said):
    change(folder, **keys)
    assert said in refusal(folder)


@pytest.mark.parametrize(
    ("model_type", "said"),
    [
        ("electra", "an encoder"),
        ("xlm-roberta", "an encoder"),
        ("deberta-v2", "an encoder"),
        ("mt5", "an encoder-decoder"),
        ("whisper", "an encoder-decoder"),
        ("gemma3", "it reads more than text"),
        ("vit", "no language model"),
    ],
)
def test_other_kinds_of_model_are_refused_with_the_reason(tmp_path, model_type, said):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(ModelError, match="cannot be used yet") as caught:
        hub.config_of(tmp_path)
    assert said in str(caught.value) and "gpt2" in caught.value.expected


def test_nobody_knows_the_family(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "lama"}')
    with pytest.raises(UnknownName, match="no model family named 'lama', and transformers"):
        hub.config_of(tmp_path)


def test_a_model_that_sees_the_future_is_refused(folder, monkeypatch):
    def call(self: Foreign, tokens: Any, **extra: Any) -> Any:
        return whole(self, tokens.flip(1), **extra)

    whole = Foreign.call
    monkeypatch.setattr(Foreign, "call", call)
    assert "its tokens see those behind them" in refusal(folder)


def test_a_cache_that_forgets_is_not_used(folder, monkeypatch):
    def go_on(self: Foreign, tokens: Any, *places: Any) -> Any:
        return whole(self, tokens.clamp(max=50), *places)

    whole = Foreign.go_on
    monkeypatch.setattr(Foreign, "go_on", go_on)
    assert not hub.load(folder).model.remembers
    monkeypatch.undo()
    assert hub.load(folder).model.remembers


def test_notes_about_another_machine_are_left_out():
    given = {
        "model_type": "opt",
        "_attn_implementation": "evil/kernel",
        "a": {"_name_or_path": 1, "c": [2]},
    }
    assert cleaned(given) == {"model_type": "opt", "a": {"c": [2]}}
    meant = {"x": {"__float__": "Infinity"}, "_remove_final_layer_norm": True}
    assert cleaned(meant) == meant


def test_private_keys_change_nothing(folder):
    want = hub.load(folder).model(some())
    change(folder, attn_implementation="somebody/kernel", _experts_implementation="x")
    assert torch.equal(hub.load(folder).model(some()), want)


def test_without_transformers(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"model_type": "opt"}')
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="a opt model") as caught:
        hub.config_of(tmp_path)
    assert caught.value.fix == "pip install 'danlu[hf]'" and caught.value.exit_code == 2


def test_with_an_old_transformers(tmp_path, monkeypatch):
    import transformers

    (tmp_path / "config.json").write_text('{"model_type": "opt"}')
    monkeypatch.setattr(transformers, "__version__", "4.57.1")
    with pytest.raises(MissingExtra, match=r"5\.3 or later"):
        hub.config_of(tmp_path)


def test_nothing_is_asked_of_the_network(monkeypatch):
    import socket

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("somebody opens a connection")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert hub.load(pair("gpt_neo")[2]).model.remembers


def test_its_vocabulary_is_not_extended():
    from danlu.commands.extend import _own

    with pytest.raises(ModelError, match="cannot be extended yet"):
        _own(hub.load(pair("opt")[2]))


def test_no_use_without_a_head():
    with pytest.raises(ModelError, match="without its head"):
        hub.load_stack(pair("opt")[2])


def test_bfloat16_activations():
    _, ours, _ = pair("cohere")
    want = ours(some(), targets=some(seed=2)).sum()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = ours(some(), targets=some(seed=2)).sum()
    got.backward()
    assert got.item() == pytest.approx(want.item(), rel=0.02)
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in ours.parameters())
    ours.zero_grad()


def test_transformers_is_imported_by_nobody_who_does_not_need_it():
    code = (
        "import sys; from danlu.models import hub; import danlu.train.fit, danlu.generate.text; "
        "sys.exit('transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# ---- the parts


def test_heads_that_cannot_be_understood_are_used_as_they_are():
    _, ours, _ = pair("opt")
    tokens, given = some(1, 4), [torch.zeros(1, 4, 16)]
    before = head.ramp(304).expand(1, 4, -1)
    kinds = {
        "plain": before,
        "scaled": before / 8,
        "bent": 30 * torch.tanh(before / 30),
        "both": 5 * torch.tanh(before / 2 / 5),
        "masked": before.clone().index_fill_(2, torch.tensor([7]), -1e9),
        "squared": before.square(),
        "negative": -before,
    }
    found = {name: head.kind_of(ours.head, given, came, tokens) for name, came in kinds.items()}
    assert found["plain"] == head.HeadKind() and found["scaled"] == head.HeadKind(0.125)
    assert found["bent"] == head.HeadKind(softcap=30.0)
    assert found["both"] is not None and found["both"].scale == pytest.approx(0.5)
    assert {found[name] for name in ("masked", "squared", "negative")} == {None}
    assert head.kind_of(ours.head, [], before, tokens) is None
    assert head.kind_of(ours.head, given * 2, before, tokens) is None


def test_all_logits_where_the_head_is_not_understood(monkeypatch):
    _, ours, folder = pair("cohere")
    want = ours(some(), targets=some(seed=2))
    monkeypatch.setattr(probe.head, "kind_of", lambda *a: None)
    plain = hub.load(folder).model
    assert plain.head_kind is None and plain.remembers
    assert difference(plain(some(), targets=some(seed=2)), want) < CLOSE
    with pytest.raises(ModelError, match="cannot be found"):
        plain.hidden(some())
    assert difference(ours.head(ours.hidden(some())) * 0.0625, ours(some())) < CLOSE


def test_a_tapped_head_is_itself_again():
    _, ours, _ = pair("opt")
    with pytest.raises(KeyError), head.tapped(ours.head, head.nothing):
        assert ours(some()).shape[-1] == 0
        raise KeyError
    assert ours(some()).shape[-1] == 304


def test_documents_in_several_pieces_and_odd_positions_are_refused():
    segments = torch.tensor([[1, 2, 1]])
    with pytest.raises(ModelError, match="several pieces"):
        documents.spans((1, 3), segments=segments)
    with pytest.raises(ModelError, match="do not rise"):
        documents.spans((1, 3), positions=torch.tensor([[0, 2, 3]]))


@torch.no_grad()
def test_positions_that_begin_inside_a_document():
    model, ours, _ = pair("opt")
    places = torch.arange(5, 25)[None].expand(2, -1)
    mask = torch.ones(2, 20, dtype=torch.long)
    want = model(some(), position_ids=places, attention_mask=mask).logits
    assert difference(ours(some(), positions=places), want) < CLOSE
    assert torch.equal(ours(some(), positions=torch.arange(20)[None]), ours(some()))
    with pytest.raises(ModelError, match="cannot begin inside"):
        pair("bloom")[1](some(), positions=places)


def test_nothing_to_learn_from_still_has_a_gradient():
    _, ours, _ = pair("opt")
    segments = torch.ones(2, 20, dtype=torch.long)
    nll = ours(some(), targets=torch.full((2, 20), IGNORE), segments=segments)
    assert nll.requires_grad and not nll.any()
