"""Training families without a table: the same loop, the same checkpoints, the same numbers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train_examples import CPU, OPTIMIZERS, STEPS, Training, batches, snapshot, train_config
from train_examples import model as small

from danlu import files
from danlu.errors import CheckpointError, Stopped
from danlu.evaluate.perplexity import Perplexity
from danlu.generate.engine import Engine
from danlu.generate.settings import Sampling
from danlu.models import foreign, hub
from danlu.models.foreign import Foreign
from danlu.models.transformer import Transformer, parameters
from danlu.train import optimizers
from danlu.train.horizon import Steps
from danlu.train.objectives.next_token import NextToken
from danlu.train.steps import steps

sys.path.append(str(Path(__file__).parents[1] / "models"))
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from foreign_examples import folder_of, pair, theirs
from train_examples import tokenizer

FAMILIES = ("gpt_neo", "cohere", "granitemoe", "bloom")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    yield


def loaded(family: str, **changes: Any) -> Foreign:
    ours = hub.load_model(pair(family)[2], **changes)
    assert isinstance(ours, Foreign)
    return ours


def run(built: Any, name: str = "adamw", n: int = 10) -> list[tuple[float, float]]:
    cfg = train_config()
    optimizer = optimizers.build(built, OPTIMIZERS[name])
    stream = steps(built, NextToken(), batches(cfg), optimizer, horizon=Steps(n), runtime=CPU)
    return [(info.loss, info.grad_norm) for info in stream]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_ten_steps_and_transformers_opens_the_result(
    family: str, name: str, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    ours = loaded(family)
    before = snapshot(ours)
    losses = run(ours, name)
    after = snapshot(ours)
    assert losses[-1][0] < losses[0][0]
    assert all(not torch.equal(before[key], after[key]) for key in before)
    hub.save(tmp_path, ours, tokenizer())
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    tokens = torch.arange(4, 20)[None]
    with torch.no_grad():
        assert torch.equal(again(tokens).logits, ours.eval()(tokens))


@pytest.mark.parametrize("family", ["opt", "granitemoe", "gptj", "mamba"])
def test_which_optimizer_moves_what(family: str) -> None:
    ours = loaded(family)
    table = {row["tensor"]: row for row in optimizers.build(ours, OPTIMIZERS["muon"]).table()}
    assert table.keys() == parameters(ours).keys()
    kinds = {
        name: (row["optimizer"], row["lr"])
        for name, row in table.items()
        if name.endswith("weight") or "experts" in name or "A_log" in name
    }
    rates = OPTIMIZERS["muon"]
    choosing = {n for n, kind in kinds.items() if kind == ("adamw", rates.embed_lr)}
    matrices = {n for n, kind in kinds.items() if kind[0] == "muon"}
    words = {
        "opt": ("embed_tokens.weight", "embed_positions.weight"),
        "granitemoe": ("embed_tokens.weight", "router.weight", "lm_head.weight"),
        "gptj": ("wte.weight", "lm_head.weight"),
        "mamba": ("embeddings.weight",),
    }[family]
    assert all(name.endswith(words) for name in choosing)
    assert {word for word in words if any(n.endswith(word) for n in choosing)} >= set(words[:1])
    if family == "granitemoe":
        assert any("experts" in n and table[n]["shape"][0] == 4 for n in matrices)
    if family == "mamba":
        assert not any("A_log" in n or "conv1d" in n for n in matrices)
    assert matrices and all(len(table[n]["shape"]) >= 2 for n in matrices)


# ---- resuming


@dataclass
class ForeignTraining(Training):
    """A run folder of a family with dropout."""

    family: str = "gpt_neo"

    def go(self, **kwargs: Any) -> dict[str, Any]:
        patch = pytest.MonkeyPatch()
        patch.setattr("train_examples.model", lambda dropout: loaded(self.family))
        try:
            return super().go(**kwargs)
        finally:
            patch.undo()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("family", ["gpt_neo", "granitemoe"])
def test_stopped_and_resumed_is_never_stopped(memory_path: Path, family: str, name: str) -> None:
    """Dropout is on in gpt_neo: a second session must draw what the first would have drawn."""
    whole = ForeignTraining(memory_path / "whole", OPTIMIZERS[name], family=family)
    assert whole.go()["step"] == STEPS
    again = ForeignTraining(memory_path / "again", OPTIMIZERS[name], family=family)
    for step in (3, 6):

        def stop(now: int, micro: int, at: int = step) -> None:
            if (now, micro) == (at, 1):
                os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(Stopped):
            again.go(at=stop)
        opened = hub.load_model(memory_path / "again")
        assert isinstance(opened, Foreign), "the folder is a model at any time"
    assert again.go()["step"] == STEPS
    assert again.saved() == whole.saved() and again.losses() == whole.losses()


class Crash(BaseException):
    """The process is gone: nothing is saved."""


def test_crashed_and_resumed_is_never_crashed(memory_path: Path) -> None:
    whole = ForeignTraining(memory_path / "whole")
    whole.go()
    again = ForeignTraining(memory_path / "again", train=train_config(save_every_s=0.0))
    for step in (2, 5, 8):

        def crash(now: int, micro: int, at: int = step) -> None:
            if (now, micro) == (at, 1):
                raise Crash

        with pytest.raises(Crash):
            again.go(at=crash)
    again.go()
    assert again.saved() == whole.saved() and again.losses() == whole.losses()


def test_a_checkpoint_of_another_model_is_refused(memory_path: Path) -> None:
    run = ForeignTraining(memory_path / "run", family="opt")
    run.go()
    other = ForeignTraining(memory_path / "run", family="bloom")
    with pytest.raises(CheckpointError):
        other.go()


# ---- what both can do


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def both(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Transformer, Foreign]:
    """The same folder, by our own tables and by transformers."""
    shape: dict[str, Any] = {
        **{"vocab_size": 320, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 3},
        **{"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2},
        **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 32},
    }
    if request.param == "gpt2":
        shape = {
            **{"vocab_size": 320, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 3},
            **{"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 32},
            **{"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0},
        }
    folder = folder_of(
        theirs(request.param, **shape), tmp_path_factory.mktemp(request.param) / "model"
    )
    config = foreign.read_config(files.read_json(folder / "config.json"), None)  # type: ignore[arg-type]
    own, other = hub.load_model(folder), foreign.load(config, folder)
    assert isinstance(own, Transformer)
    assert config.max_len == own.config.max_len and config.vocab_size == own.config.vocab_size
    return own, other


@torch.no_grad()
def test_the_same_logits_losses_and_perplexity(both: tuple[Transformer, Foreign]) -> None:
    own, other = (model.eval() for model in both)
    generator = torch.Generator().manual_seed(1)
    tokens, targets = (torch.randint(0, 320, (3, 30), generator=generator) for _ in range(2))
    segments = torch.ones_like(tokens)
    segments[:, 11:] = 2
    positions = torch.cat([torch.arange(11), torch.arange(19)])[None].expand(3, -1)
    for extra in ({}, {"segments": segments, "positions": positions}):
        assert torch.allclose(own(tokens, **extra), other(tokens, **extra), atol=2e-5)
        nll = [model(tokens, targets=targets, **extra) for model in (own, other)]
        assert torch.allclose(*nll, atol=2e-5) and nll[0].dtype == nll[1].dtype
    stream = np.random.default_rng(0).integers(0, 320, 150).astype(np.uint16)
    for accuracy in (True, False):
        measure = Perplexity(stream, text_bytes=300, stride=5, accuracy=accuracy)
        mine, its = measure(own), measure(other)
        assert mine.pop("accuracy", 0) == its.pop("accuracy", 0)
        assert its == pytest.approx(mine, rel=1e-6)


def test_the_same_greedy_ids(both: tuple[Transformer, Foreign]) -> None:
    prompts = [[5, 9, 7], [100], list(range(40, 52)), [8, 8]]
    sampling = Sampling(temperature=0, max_tokens=14)
    own, other = (Engine(model, eos_ids=[17]).generate(prompts, sampling) for model in both)
    assert own == other and both[1].remembers


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_same_steps(both: tuple[Transformer, Foreign], name: str) -> None:
    """Losses and gradient norms of eight steps; GPT-2's q, k and v are one matrix to Muon."""
    import copy

    own, other = (run(copy.deepcopy(model), name, n=STEPS) for model in both)
    fused = name == "muon" and both[0].config.model_type == "gpt2"
    upto = 1 if fused else STEPS
    assert np.allclose(own[:upto], other[:upto], rtol=2e-4)


def test_the_token_that_pads_is_trained_like_others() -> None:
    ours = loaded("opt")
    ours(torch.tensor([[3, 5]]), targets=torch.tensor([[9, 9]])).sum().backward()
    assert ours.embed.weight.grad is not None and bool(ours.embed.weight.grad[3].any())


def test_our_own_models_are_grouped_as_before() -> None:
    for changes in ({}, {"tied": False}, {"n_experts": 4, "position": "learned"}):
        built = small(**changes)
        table = optimizers.build(built, OPTIMIZERS["muon"]).table()
        lr = {row["tensor"]: row["lr"] for row in table}
        words = ("embed.weight", "head.weight", "router.weight", "position.weight")
        choosing = {name for name in lr if name.endswith(words)}
        assert {n for n, rate in lr.items() if rate == OPTIMIZERS["muon"].embed_lr} == choosing
