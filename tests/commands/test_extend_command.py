"""`danlu extend`: the folder that it writes, its figures, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
import torch
from command_examples import write_texts

from danlu import cli
from danlu.data import prepare
from danlu.data.corpus import Corpus
from danlu.data.settings import PrepareSettings
from danlu.models import hub
from danlu.models.config import ModelConfig
from danlu.models.init import initialise
from danlu.models.transformer import Transformer
from danlu.tokenizer import train

Capture = pytest.CaptureFixture[str]

LINES = ["春眠不觉晓，处处闻啼鸟。", "夜来风雨声，花落知多少。", "白日依山尽，黄河入海流。"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("extend")
    texts = write_texts(folder / "texts", files=5)
    for name in sorted(topics)[::4]:
        (texts / f"{name}.txt").write_text(topics[name], "utf-8")
    for n in range(60):
        chosen = LINES[n % 3] + LINES[(n // 3) % 3] * (1 + n % 4) + str(n) + LINES[n // 20]
        (texts / f"zh{n}.txt").write_text(chosen * 3, "utf-8")
    return prepare.prepare([texts], folder / "corpus", PrepareSettings(held_out=0.2))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extend") / "base"
    tokenizer = train([topics[name] for name in sorted(topics)], vocab=320, strict=False)
    knobs = {"vocab_size": 320, "d_model": 32, "n_layers": 1, "head_dim": 16, "d_ff": 64}
    hub.save(folder, initialise(Transformer(ModelConfig(**knobs)), seed=0), tokenizer)
    return folder


def called(capsys: Capture, *words: object) -> dict[str, Any]:
    assert cli.main([*map(str, words), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_the_model_is_larger_and_texts_are_shorter(
    corpus: Corpus, model: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "new"
    words = ["extend", model, "--corpus", corpus.folder, "--tokens", 100, "--out", out]
    found = called(capsys, *words, "--documents", 20)
    before, after = found["before"], found["after"]
    rates = zip(before["bytes_per_token"].items(), after["bytes_per_token"].values(), strict=True)
    assert all(new > old for (_, old), new in rates) and len(before["bytes_per_token"]) >= 2
    for name, bits in before["bits_per_byte"].items():
        assert 0 < bits != after["bits_per_byte"][name] > 0
    assert found["rows"] == {"before": 320, "after": 448} and found["vocab_size"] <= 420
    old, new = hub.load(model), hub.load(out)
    assert new.tokenizer.vocab_size == found["vocab_size"] == 320 + found["new_tokens"]
    assert new.model.config.vocab_size == 448
    assert json.loads((out / "config.json").read_text())["vocab_size"] == 448
    assert torch.equal(new.model.embed.weight[:320], old.model.embed.weight)


def test_a_model_is_not_overwritten(corpus: Corpus, model: Path, capsys: Capture) -> None:
    words = ["extend", str(model), "--corpus", str(corpus.folder), "--out", str(model)]
    assert cli.main(words) == 2
    assert "holds a model" in capsys.readouterr().err


def test_the_plan_reads_no_model(corpus: Corpus, capsys: Capture) -> None:
    found = called(capsys, "extend", "nowhere", "--corpus", corpus.folder, "--dry-run")
    assert found["plan"]["tokens"] == 2000
