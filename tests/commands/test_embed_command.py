"""`danlu embed`: what it writes, shows and refuses, and a model that starts from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command_examples import write_texts

from danlu import cli
from danlu.commands import embed
from danlu.data import prepare
from danlu.data.corpus import Corpus
from danlu.data.settings import PrepareSettings
from danlu.embeddings import vectors
from danlu.errors import ConfigError, DataError
from danlu.models.config import ModelConfig
from danlu.models.init import EMBEDDING_STD, initialise
from danlu.models.transformer import Transformer
from danlu.tokenizer import Tokenizer, train
from danlu.train import embedding_start

Capture = pytest.CaptureFixture[str]
QUICK = ("--width", 8, "--epochs", 1, "--chinese", "characters")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("embed")
    texts = write_texts(folder / "texts", files=8)
    made = prepare.prepare([texts], folder / "corpus", PrepareSettings(held_out=0.1))
    train((d.text for d in made.documents()), vocab=300).save(folder / "tokenizer")
    return made


@pytest.fixture(scope="module")
def tokenizer(corpus: Corpus) -> Tokenizer:
    return Tokenizer.load(corpus.folder.parent / "tokenizer")


def called(capsys: Capture, *words: object, code: int = 0) -> dict[str, Any]:
    assert cli.main([*map(str, words), "--json"]) == code
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("method", ["word2vec", "glove"])
def test_vectors_neighbours_and_analogies(
    corpus: Corpus, tmp_path: Path, capsys: Capture, method: str
) -> None:
    words = ["embed", corpus.folder, "--out", tmp_path / "e", "--method", method, *QUICK]
    asked = ["--neighbours", "King", "fox", "--analogy", "king fox student", "--n", 3]
    result = called(capsys, *words, *asked)
    made = vectors.load(tmp_path / "e")
    assert result["words"] == len(made.words) and made.matrix.shape[1] == 8
    assert {"king", "fox", "gardener"} <= set(made.words)
    near, answers = result["tables"]["nearest words"], result["tables"]["analogies"]
    assert [row["word"] for row in near] == ["King", "fox"] and len(near[0]["nearest"]) == 3
    assert near[0]["nearest"] == [word for word, _ in made.nearest("king", 3)]
    assert answers[0]["question"] == "king - fox + student"
    before = (tmp_path / "e/vectors.txt").stat().st_mtime_ns
    assert len(called(capsys, *words)["tables"]["nearest words"]) == 8
    assert (tmp_path / "e/vectors.txt").stat().st_mtime_ns == before, "made only once"
    error = called(capsys, *words, "--seed", 1, code=2)["error"]
    assert "other vectors" in error["message"]


def test_what_is_wrong_is_said(corpus: Corpus, tmp_path: Path, capsys: Capture) -> None:
    words = ["embed", corpus.folder, "--out", tmp_path / "e", *QUICK]
    error = called(capsys, *words, "--neighbours", "gardner", code=2)["error"]
    assert "gardener" in error["fix"]
    error = called(capsys, *words, "--analogy", "king fox", code=2)["error"]
    assert "three words" in error["message"]
    error = called(capsys, "embed", corpus.folder, "--units", "tokens", code=2)["error"]
    assert "--tokenizer" in error["message"]
    (tmp_path / "mine").write_text("mine")
    error = called(capsys, *words[:2], "--out", tmp_path / "mine", code=2)["error"]
    assert "something else" in error["message"] and (tmp_path / "mine").read_text() == "mine"


def test_a_plan_makes_nothing(corpus: Corpus, tmp_path: Path) -> None:
    cfg = embed.Config(corpus=corpus.folder, out=tmp_path / "e", method="glove")
    settings = embed.plan(cfg)["settings"]
    assert (settings["window"], settings["epochs"], settings["lr"]) == (10, 15, 0.05)
    assert not (tmp_path / "e").exists()


def of_tokens(corpus: Corpus, out: Path, capsys: Capture) -> None:
    words = ["embed", corpus.folder, "--units", "tokens", "--out", out, *QUICK]
    called(capsys, *words, "--tokenizer", corpus.folder.parent / "tokenizer")


def model(width: int = 8) -> Transformer:
    shape = {"d_model": width, "n_layers": 1, "n_heads": 1, "n_kv_heads": 1, "head_dim": 8}
    made = Transformer(ModelConfig(vocab_size=320, d_ff=16, **shape))  # type: ignore[arg-type]
    return initialise(made, seed=0)


def test_rows_are_copied_at_the_models_own_scale(
    corpus: Corpus, tokenizer: Tokenizer, tmp_path: Path, capsys: Capture
) -> None:
    of_tokens(corpus, tmp_path / "e", capsys)
    made, fresh = model(), model().embed.weight.detach().clone()
    rows = embedding_start.start(made, tmp_path / "e", tokenizer)
    record = vectors.record_of(tmp_path / "e") or {}
    unseen = record["unseen"]
    assert rows == tokenizer.vocab_size - len(unseen) and tokenizer.bos_id in unseen
    weight = made.embed.weight.detach()
    assert torch.equal(weight[unseen], fresh[unseen])
    assert torch.equal(weight[tokenizer.vocab_size :], fresh[tokenizer.vocab_size :])
    seen = [row for row in range(tokenizer.vocab_size) if row not in unseen]
    assert float(weight[seen].std()) == pytest.approx(EMBEDDING_STD, rel=0.1)
    found = torch.from_numpy(vectors.load(tmp_path / "e").matrix)[seen]
    alike = torch.cosine_similarity(weight[seen], found - found.mean(0))
    assert float(alike.min()) > 0.999


def test_vectors_that_do_not_fit_are_refused(
    corpus: Corpus, tokenizer: Tokenizer, tmp_path: Path, capsys: Capture
) -> None:
    of_tokens(corpus, tmp_path / "e", capsys)
    with pytest.raises(ConfigError, match="another width"):
        embedding_start.start(model(16), tmp_path / "e", tokenizer)
    other = train(["moon soon " * 40], vocab=262)
    with pytest.raises(ConfigError, match="not of the model's tokens"):
        embedding_start.start(model(), tmp_path / "e", other)
    with pytest.raises(DataError, match="no vectors"):
        embedding_start.start(model(), tmp_path / "absent", tokenizer)


def test_pretraining_starts_from_them(corpus: Corpus, tmp_path: Path, capsys: Capture) -> None:
    of_tokens(corpus, tmp_path / "e", capsys)
    words = ["pretrain", "--data.corpus", corpus.folder, "--out", tmp_path / "run"]
    words += ["--data.tokenizer", corpus.folder.parent / "tokenizer", "--train.steps", 2]
    words += ["--data.embeddings", tmp_path / "e", "--train.batch-tokens", 256]
    words += ["--train.evals", 0, "--model.n-layers", 1]
    assert "another width" in called(capsys, *words, code=2)["error"]["message"]
    assert not (tmp_path / "run/run.yaml").exists(), "refused before anything is written"
    assert called(capsys, *words, "--model.d-model", 8)["steps"] == 2
    assert (
        "auto" in called(capsys, *words, "--auto", "--out", tmp_path / "a", code=2)["error"]["got"]
    )
