"""What people get wrong: one clear message, the right exit code, no traceback, nothing lost."""

from __future__ import annotations

import codecs
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from command_examples import write_texts

from danlu import cli
from danlu.data.corpus import Corpus

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: Capture, code: int, *words: object) -> str:
    """The message of a command that must fail, the same for people and programs."""
    capsys.readouterr()
    assert cli.main([*map(str, words), "--json"]) == code
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert error["exit_code"] == code
    assert "Traceback" not in said.out + said.err
    assert not Path("danlu-error.log").exists()
    return str(error["message"]) + " " + json.dumps(error, ensure_ascii=False)


def test_an_unknown_recipe_gets_the_nearest(here: Path, capsys: Capture) -> None:
    (here / "poems.yaml").write_text("train: {steps: 1}\n")
    assert "did you mean poems.yaml?" in refused(capsys, 2, "pretrain", "peoms.yaml")
    (here / "recipes").mkdir()
    (here / "recipes" / "books.yaml").write_text("train: {steps: 1}\n")
    assert "recipes/books.yaml" in refused(capsys, 2, "pretrain", "boks.yaml")


def test_an_unknown_model_says_what_is_expected(here: Path, capsys: Capture) -> None:
    (here / "runs" / "base").mkdir(parents=True)
    for command in ("generate", "evaluate", "chat"):
        assert "runs/bsae" in refused(capsys, 3, command, "runs/bsae")
        assert "config.json" in refused(capsys, 3, command, "runs/base")
    assert "runs/bsae" in refused(capsys, 3, "finetune", "--base", "runs/bsae", "--dry-run")
    (here / "runs" / "base" / "config.json").write_text("{}")
    assert "did you mean runs/base?" in refused(capsys, 3, "generate", "runs/bsae")
    assert "did you mean runs/base?" in refused(capsys, 3, "generate", "runs")


def test_a_recipe_with_five_mistakes_gets_five_answers(here: Path, capsys: Capture) -> None:
    (here / "bad.yaml").write_text(
        "trian: {steps: 1}\n"
        "train:\n  steps: many\n  seed: -1\n"
        "model:\n  position: ropes\n"
        "optimizer:\n  nmae: muon\n"
    )
    said = refused(capsys, 2, "pretrain", "bad.yaml")
    for part in ("trian", "train.steps", "train.seed", "model.position", "optimizer.nmae"):
        assert part in said
    for line in (1, 3, 4, 6, 8):
        assert f"line {line}" in said or f":{line}" in said


def test_paths_that_hold_no_text(here: Path, capsys: Capture) -> None:
    (here / "empty").mkdir()
    (here / "nothing.txt").write_text("")
    (here / "binaries").mkdir()
    (here / "binaries" / "a.bin").write_bytes(bytes(range(256)) * 20)
    for path in ("missing", "empty", "nothing.txt", "binaries"):
        said = refused(capsys, 3, "prepare", path, "--out", "corpus")
        assert path in said, said
    assert not (here / "corpus").exists()


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-8-sig"])
def test_other_encodings_are_found_and_said(here: Path, capsys: Capture, encoding: str) -> None:
    text = (Path(__file__).parents[2] / "README.zh.md").read_text("utf-8")
    half = text.index("## ", len(text) // 3)
    (here / "one.txt").write_bytes(codecs.encode(text[:half], encoding))
    (here / "two.txt").write_bytes(codecs.encode(text[half:], encoding))
    assert cli.main(["prepare", "one.txt", "two.txt", "--out", "corpus"]) == 0
    said = capsys.readouterr()
    if encoding != "utf-8-sig":
        assert encoding in (said.err + said.out).lower()
    corpus = Corpus.open(here / "corpus")
    texts = [d.text for split in ("train", "held_out") for d in corpus.documents(split)]
    assert any("原始文本" in text for text in texts)


def test_a_broken_gzip(here: Path, capsys: Capture) -> None:
    whole = gzip.compress(("A fox saw ripe grapes on a high vine. " * 200).encode())
    (here / "a.txt.gz").write_bytes(whole[: len(whole) // 2])
    assert "a.txt.gz" in refused(capsys, 3, "prepare", "a.txt.gz", "--out", "corpus")


def test_a_text_smaller_than_a_batch(here: Path, capsys: Capture) -> None:
    write_texts(here / "texts", files=6, sentences=4)
    said = refused(capsys, 3, "pretrain", "--data.paths", "texts", "--train.steps", 1)
    assert "smaller than one batch" in said and "train.batch_tokens" in said


def test_a_vocabulary_larger_than_the_text_supports(here: Path, capsys: Capture) -> None:
    write_texts(here / "texts", files=10)
    assert cli.main(["prepare", "texts", "--out", "corpus"]) == 0
    said = refused(capsys, 3, "tokenizer", "corpus", "--vocab", 60_000, "--out", "tok")
    assert "60,000" in said or "60000" in said
    assert not (here / "tok").exists()


def test_a_folder_of_another_run(here: Path, capsys: Capture) -> None:
    (here / "runs" / "base").mkdir(parents=True)
    (here / "runs" / "base" / "notes.txt").write_text("mine")
    write_texts(here / "texts", files=30)
    words = ["pretrain", "--data.paths", "texts", "--train.steps", 1, "--train.batch-tokens", 512]
    said = refused(capsys, 2, *words, "--out", "runs/base")
    assert "runs/base" in said
    assert (here / "runs" / "base" / "notes.txt").read_text() == "mine"


def test_lengths_that_contradict(capsys: Capture) -> None:
    said = refused(capsys, 2, "pretrain", "--train.steps", 1, "--train.epochs", 2)
    assert "exactly one" in said


def test_the_planner_needs_a_length(here: Path, capsys: Capture) -> None:
    write_texts(here / "texts", files=30)
    said = refused(capsys, 2, "pretrain", "--auto", "--data.paths", "texts")
    assert "--train.minutes" in said


def test_finetune_without_data_on_a_model_from_elsewhere(here: Path, capsys: Capture) -> None:
    import danlu
    from danlu import tokenizer

    words = tokenizer.train(["a fox saw ripe grapes"] * 20, vocab=270, strict=False)
    size = -(-words.vocab_size // 64) * 64
    model = danlu.initialise(danlu.Transformer(danlu.ModelConfig(vocab_size=size)), seed=0)
    danlu.save(here / "model", model, words)
    said = refused(capsys, 2, "finetune", "--base", "model")
    assert "--data.train" in said


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_no_permission_to_write(here: Path, capsys: Capture) -> None:
    write_texts(here / "texts", files=10)
    (here / "locked").mkdir(mode=0o500)
    said = refused(capsys, 4, "prepare", "texts", "--out", "locked/corpus")
    assert "locked" in said


def test_a_full_disk(here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from danlu import files

    write_texts(here / "texts", files=10)
    original = os.write

    def full(handle: int, data: Any) -> int:
        if handle > 2 and len(data) > 200:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(handle, data)

    monkeypatch.setattr(files.os, "write", full)
    said = refused(capsys, 4, "prepare", "texts", "--out", "corpus")
    assert "space" in said or "full" in said
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert not (here / "corpus").exists()
    assert cli.main(["prepare", "texts", "--out", "corpus"]) == 0
