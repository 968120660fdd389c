"""Every family against transformers, on random weights in every tensor, both ways."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from family_examples import CASES, MASKED, SEQ2SEQ, V, batch, randomise
from model_examples import difference, tokenizer
from safetensors.torch import load_file

from danlu import discover
from danlu.models import count, hub, spelling
from danlu.models.cache import KVCache
from danlu.models.transformer import Transformer, parameters

CLOSE = 1e-4
"""Largest difference of a logit, float32."""

EXACT = 1e-10
"""The same in float64. T5 has only this: its scores are not scaled, so float32 is rough."""

every_case = pytest.mark.parametrize("name", CASES)


def auto(kind: str) -> Any:
    import transformers

    if kind in MASKED:
        return transformers.AutoModelForMaskedLM
    if kind in SEQ2SEQ:
        return transformers.AutoModelForSeq2SeqLM
    return transformers.AutoModelForCausalLM


def attention(kind: str) -> str:
    """The attention of theirs that knows caps, and in version 4 T5."""
    return "eager" if kind in ("gemma2", "t5") else "sdpa"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """Name of a case → their model and the folder that they saved it to."""
    transformers = pytest.importorskip("transformers")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    made: dict[str, tuple[Any, Path]] = {}

    def make(name: str) -> tuple[Any, Path]:
        if name not in made:
            kind, knobs = CASES[name]
            config = transformers.AutoConfig.for_model(kind, **knobs)
            model = auto(kind).from_config(config, attn_implementation=attention(kind))
            model = randomise(model).eval()
            if "untied" in name:
                model.lm_head.weight = torch.nn.Parameter(torch.randn(V, 64) * 0.3)
                model.config.scale_decoder_outputs = False
            folder = tmp_path_factory.mktemp("theirs")
            model.save_pretrained(folder)
            made[name] = model, folder
        return made[name]

    return make


@torch.no_grad()
def their_logits(model: Any, kind: str) -> torch.Tensor:
    b = batch(kind)
    if kind in SEQ2SEQ:
        out = model(input_ids=b["ids"], attention_mask=b["keep"], decoder_input_ids=b["target"])
    elif kind in MASKED:
        more = {"token_type_ids": b["types"]} if kind == "bert" else {}
        out = model(input_ids=b["ids"], attention_mask=b["keep"], **more)
    else:
        out = model(input_ids=b["ids"])
    return out.logits[b["keep"].bool()] if kind in MASKED else out.logits


@torch.no_grad()
def our_logits(model: Transformer, kind: str) -> torch.Tensor:
    b = batch(kind)
    if kind in SEQ2SEQ:
        return model(b["target"], source=b["ids"], source_segments=b["keep"])
    if kind in MASKED:
        more = {"token_types": b["types"]} if kind == "bert" else {}
        return model(b["ids"], segments=b["keep"], **more)[b["keep"].bool()]
    return model(b["ids"])


@contextmanager
def no_float32():
    """Their code and ours cast to float32 inside norms, softmax and rope; here to float64."""
    with (
        mock.patch.object(torch, "float32", torch.float64),
        mock.patch.object(torch, "float", torch.float64),
        mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
    ):
        yield


@pytest.mark.parametrize("name", [n for n, (kind, _) in CASES.items() if kind != "t5"])
def test_logits_are_theirs(name, theirs):
    model, folder = theirs(name)
    kind = CASES[name][0]
    want = their_logits(model, kind)
    assert want.abs().max() > 1
    assert difference(our_logits(hub.load_model(folder).eval(), kind), want) < CLOSE


@every_case
def test_logits_are_theirs_to_the_last_digits(name, theirs):
    model, folder = theirs(name)
    kind = CASES[name][0]
    experts = {"experts_implementation": "eager"} if kind in ("mixtral", "qwen3_moe") else {}
    with no_float32():
        wide = auto(kind).from_config(model.config, attn_implementation=attention(kind), **experts)
        wide = wide.double().eval()
        if "untied" in name:
            wide.lm_head.weight = torch.nn.Parameter(wide.lm_head.weight.detach().clone())
        wide.load_state_dict(model.state_dict())
        ours = hub.load_model(folder, dtype=torch.float64).eval()
        assert difference(our_logits(ours, kind), their_logits(wide, kind)) < EXACT


@every_case
def test_saved_and_opened_there_it_is_the_same(name, theirs, tmp_path):
    model, folder = theirs(name)
    kind = CASES[name][0]
    ours = hub.load_model(folder).eval()
    hub.save(tmp_path, ours, tokenizer())
    again, report = auto(kind).from_pretrained(
        tmp_path, attn_implementation=attention(kind), output_loading_info=True
    )
    assert not any(report.values()), report
    noise = 1e-5 if ours.config.n_experts else 0  # their experts' sums have no fixed order
    assert difference(their_logits(again.eval(), kind), their_logits(model, kind)) <= noise
    before, after = (load_file(f / "model.safetensors") for f in (folder, tmp_path))
    spare = {*spelling.find(kind).copies, *spelling.find(kind).zeros}
    assert set(before) - spare == set(after) - spare
    for key in after:
        assert torch.equal(before[key], after[key]), key
    assert hub.load_model(tmp_path).config == ours.config


@every_case
def test_a_config_means_the_same_to_both(name, theirs, tmp_path):
    transformers = pytest.importorskip("transformers")
    _, folder = theirs(name)
    mine = hub.load_model(folder).config
    read = spelling.read_config(json.loads((folder / "config.json").read_text()))
    assert read == mine or mine == read.model_copy(update={"tied": False})
    (tmp_path / "config.json").write_text(json.dumps(spelling.write_config(mine)))
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    again = spelling.read_config(config.to_dict())
    assert mine in (again, again.model_copy(update={"tied": False}))


@every_case
def test_parameters_are_counted(name, theirs):
    model, folder = theirs(name)
    ours = hub.load_model(folder)
    total = sum(p.numel() for p in parameters(ours).values())
    assert count.parameters(ours.config) == total == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", [n for n, (k, _) in CASES.items() if k not in MASKED])
def test_decoding_with_a_cache_is_the_full_pass(name, theirs):
    _, folder = theirs(name)
    kind = CASES[name][0]
    model = hub.load_model(folder, dtype=torch.float64).eval()
    b = batch(kind)
    tokens, extra = b["ids"], {}
    if kind in SEQ2SEQ:
        tokens, extra = b["target"], {"source": b["ids"], "source_segments": b["keep"]}
    if "phi4" in name:
        tokens = tokens[:, :20]  # beyond, its waves change with the length
    cuts = [0, 9, 15, *range(16, tokens.shape[1])]
    with torch.no_grad():
        full = model(tokens, **extra)
        cache = KVCache()
        ends = [*cuts[1:], tokens.shape[1]]
        parts = [
            model(tokens[:, a:z], cache=cache, **extra) for a, z in zip(cuts, ends, strict=True)
        ]
    assert difference(torch.cat(parts, 1), full) < 1e-10


def test_every_family_has_a_case():
    there = set(discover.names("danlu.models.families")) - {"danlu"}
    assert there == {kind for kind, _ in CASES.values()}


def test_longrope_changes_its_waves_where_theirs_does(theirs):
    """Within the old context by one set of factors, beyond it by the other."""
    model, folder = theirs("phi4's rope")
    ours = hub.load_model(folder).eval()
    for length in (19, 20, 21, 40):
        ids = batch("phi3")["ids"][:, :length]
        with torch.no_grad():
            assert difference(ours(ids), model(input_ids=ids).logits) < CLOSE, length


def test_an_encoder_decoder_writes_what_theirs_writes(theirs):
    """Greedy, sources of unequal length together."""
    from danlu.generate.engine import Engine, Request
    from danlu.generate.settings import Sampling

    model, folder = theirs("t5 gated")
    engine = Engine(hub.load_model(folder), max_rows=4)
    ids = batch("t5")["ids"]
    rows = [ids[0, :n].tolist() for n in (5, 11, 30)]
    asked = [
        Request([0], Sampling(temperature=0, max_tokens=12), row, source=own)
        for row, own in enumerate(rows)
    ]
    got: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for token in engine.stream(asked):
        got[token.row].append(token.id)
    for row, own in enumerate(rows):
        want = model.generate(
            torch.tensor([own]),
            **{"max_new_tokens": 12, "do_sample": False, "eos_token_id": None},
            decoder_start_token_id=0,
        )
        assert got[row] == want[0, 1:].tolist()


def test_an_encoder_is_told_that_it_does_not_write(theirs):
    from danlu.errors import ModelError
    from danlu.generate.engine import Engine

    _, folder = theirs("bert")
    with pytest.raises(ModelError, match="does not write"):
        Engine(hub.load_model(folder))
