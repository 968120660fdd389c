"""`danlu tokenizer` and `danlu tokenize`: what they write, say and refuse."""

from __future__ import annotations

import json
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import pytest
from command_examples import write_texts

from danlu import cli, config
from danlu.commands import _vocabulary
from danlu.commands import tokenize as tokenize_command
from danlu.commands import tokenizer as tokenizer_command
from danlu.data import prepare
from danlu.data.corpus import Corpus
from danlu.data.settings import PrepareSettings
from danlu.errors import ConfigError, DataError
from danlu.tokenizer import Tokenizer, train

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("tok")
    texts = write_texts(folder / "texts", files=5)
    for name in sorted(topics)[::3]:
        (texts / f"{name}.txt").write_text(topics[name], "utf-8")
    return prepare.prepare([texts], folder / "corpus", PrepareSettings(held_out=0.1))


def called(capsys: Capture, *words: object) -> dict[str, Any]:
    assert cli.main([*map(str, words), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_figures_in_json_and_in_words(corpus: Corpus, tmp_path: Path, capsys: Capture) -> None:
    words = ["tokenizer", corpus.folder, "--vocab", 400, "--out", tmp_path / "t"]
    assert cli.main([*map(str, words)]) == 0
    said = capsys.readouterr().err
    for part in ("bytes a token on held-out text", "comes back unchanged", "suggested size"):
        assert part in said
    figures = json.loads((tmp_path / "t/stats.json").read_text())
    own = Tokenizer.load(tmp_path / "t")
    assert figures["vocab_size"] == own.vocab_size == 400 and figures["kind"] == "bpe"
    texts = [d.text for d in corpus.documents("train")]
    assert own.sha256 == train(texts, vocab=400).sha256, "the ladder changes nothing"
    sizes = [rung["vocab"] for rung in figures["ladder"]]
    assert 400 in sizes and 512 in sizes and sizes == sorted(sizes)
    (here,) = [rung for rung in figures["ladder"] if rung["vocab"] == 400]
    assert here["bytes_per_token"] == pytest.approx(figures["bytes_per_token"])
    assert figures["sample"]["rule"] == "all text"
    assert figures["words"]["en"]["words"] > 10
    result = called(capsys, *words)
    assert result["vocab_size"] == 400 and result["tables"] and result["suggestion"]["vocab"]


@pytest.mark.parametrize("kind", ["unigram", "wordpiece", "characters"])
def test_other_kinds(corpus: Corpus, tmp_path: Path, capsys: Capture, kind: str) -> None:
    vocab = 268 if kind == "characters" else 320
    words = ["tokenizer", corpus.folder, "--kind", kind, "--vocab", vocab, "--out", tmp_path / "t"]
    result = called(capsys, *words)
    own = Tokenizer.load(tmp_path / "t")
    assert result["kind"] == kind and own.vocab_size == vocab
    assert ("tables" in result and bool(result["tables"])) == (kind != "unigram")
    assert result["lossless"] == own.lossless == (kind != "wordpiece")
    result = called(capsys, "tokenize", corpus.folder, "--tokenizer", tmp_path / "t")
    assert result["new"] and result["tokens"] > 100


def test_the_size_that_pays(corpus: Corpus, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "t"
    result = called(capsys, "tokenizer", corpus.folder, "--vocab", 0, "--out", out)
    assert result["vocab_size"] == result["suggestion"]["vocab"]
    again = [corpus.folder, "--vocab", 0, "--parameters", "1e9", "--out", tmp_path / "l"]
    assert called(capsys, "tokenizer", *again)["vocab_size"] >= result["vocab_size"]


def test_what_is_there_is_kept_and_nothing_is_overwritten(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _vocabulary.make(corpus, tmp_path / "t", vocab=300)
    with monkeypatch.context() as patch:
        patch.setattr(_vocabulary, "_trained", None)
        assert tokenizer_command.make(corpus, tmp_path / "t", vocab=300) == first
    with pytest.raises(ConfigError, match="holds another tokenizer"):
        _vocabulary.make(corpus, tmp_path / "t", vocab=310)


def test_a_size_the_text_does_not_support(corpus: Corpus, tmp_path: Path) -> None:
    for ladder in (True, False):
        with pytest.raises(DataError, match="does not support so many") as caught:
            _vocabulary.make(corpus, tmp_path / "t", vocab=40_000, ladder=ladder)
        assert "--vocab" in caught.value.fix
    assert not (tmp_path / "t").exists()


def test_a_sample_is_recorded(corpus: Corpus, tmp_path: Path) -> None:
    found = _vocabulary.make(corpus, tmp_path / "t", vocab=280, sample_mb=0.02)
    assert found["sample"]["bytes"] <= 20_000 < found["sample"]["of_bytes"]
    assert "small hash" in found["sample"]["rule"]
    again = _vocabulary.make(corpus, tmp_path / "u", vocab=280, sample_mb=0.02)
    assert again == found


def test_plans(corpus: Corpus, tmp_path: Path) -> None:
    train(["moon soon " * 40], vocab=262).save(tmp_path / "t")
    cfg = config.parse(tokenizer_command.Config, [str(corpus.folder)], prog="x")
    assert tokenizer_command.plan(cfg)["sample_bytes"] > 0
    words = [str(corpus.folder), "--tokenizer", str(tmp_path / "t")]
    plan = tokenize_command.plan(config.parse(tokenize_command.Config, words, prog="x"))
    assert plan["vocab_size"] == 262 and "tokens-" in plan["out"]
    assert not Path(plan["out"]).exists()


# ---- tokenize


def test_shards_and_their_figures(corpus: Corpus, tmp_path: Path, capsys: Capture) -> None:
    train((d.text for d in corpus.documents()), vocab=300).save(tmp_path / "t")
    words = ["tokenize", corpus.folder, "--tokenizer", tmp_path / "t", "--out", tmp_path / "s"]
    result = called(capsys, *words)
    size = sum(len(d.text.encode()) for p in ("train", "held_out") for d in corpus.documents(p))
    assert result["bytes"] == size and result["new"] and result["mb_per_s"] > 0
    assert result["tokens"] == result["train_tokens"] + result["held_out_tokens"]
    assert result["bytes_per_token"] == pytest.approx(size / result["tokens"])
    assert result["dtype"] == "<u2" and (tmp_path / "s/train.bin").is_file()
    again = called(capsys, *words)
    assert not again["new"] and again["sha256"] == result["sha256"]
    inside = called(capsys, *words[:-2])
    assert inside["sha256"] == result["sha256"] and str(corpus.folder) in inside["shards"]


def test_a_folder_with_other_things_is_left_alone(corpus: Corpus, tmp_path: Path) -> None:
    train(["moon soon " * 40], vocab=262).save(tmp_path / "t")
    with pytest.raises(ConfigError, match="not token shards"):
        tokenize_command.run(
            tokenize_command.Config(
                corpus=corpus.folder, tokenizer=tmp_path / "t", out=tmp_path / "t"
            )
        )
    assert (tmp_path / "t/tokenizer.json").is_file()


def test_plain_text_is_answered_with_the_command_that_prepares_it(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("moon")
    for path in (tmp_path / "texts", tmp_path / "texts/a.txt"):
        with pytest.raises(DataError, match="was not prepared") as caught:
            tokenize_command.run(tokenize_command.Config(corpus=path))
        assert f"danlu prepare {path}" in caught.value.fix
    with pytest.raises(DataError, match="there is no corpus"):
        tokenize_command.run(tokenize_command.Config(corpus=tmp_path / "nothing"))
