"""Runs that learned from a corpus are found, and only they."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from corpus_examples import write

from danlu import files
from danlu.data.corpus import Corpus
from danlu.data.lineage import NAME, TrainedOn, record, runs


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return write(tmp_path / "corpus", train=[("a", "one")], held_out=[("b", "two")])


def run(folder: Path, lineage=None, **settings) -> Path:
    folder.mkdir(parents=True)
    (folder / "run.yaml").write_text(yaml.safe_dump(settings))
    if lineage is not None:
        files.write_json(folder / NAME, lineage)
    return folder


def test_by_hash_wherever_the_corpus_lies_now(corpus: Corpus, tmp_path: Path) -> None:
    other = write(tmp_path / "other", train=[("a", "another")], held_out=[("b", "two")])
    base = run(tmp_path / "runs/deep/base", record([corpus]), data={"vocab": 0, "corpus": "x"})
    run(tmp_path / "runs/wrong", record([other]), data={"vocab": 0, "corpus": str(corpus.folder)})
    letters = tmp_path / "chats.jsonl"
    letters.write_text("{}")
    lineage = record(base=base, learned=[letters])
    chat = run(tmp_path / "runs/deep/chat", lineage, base="moved")
    assert lineage["files"][0]["sha256"] == files.sha256(letters)
    corpus.folder.rename(tmp_path / "elsewhere")
    moved = Corpus.open(tmp_path / "elsewhere")
    assert runs(moved, [tmp_path / "runs", tmp_path / "absent"]) == [
        TrainedOn(base, "hash", "corpus"),
        TrainedOn(chat, "hash", "base"),
    ]


def test_by_name_where_the_run_does_not_say(corpus: Corpus, tmp_path: Path) -> None:
    named = run(tmp_path / "r/named", data={"vocab": 0, "corpus": str(corpus.folder)})
    beside = run(tmp_path / "beside", data={"vocab": 0, "corpus": None})
    child = run(tmp_path / "r/child", base=str(named), data={"train": None})
    grandchild = run(tmp_path / "r/a", base=str(child), data={"train": None})
    run(tmp_path / "r/stranger", data={"vocab": 0, "corpus": "elsewhere"})
    run(tmp_path / "r/foreign", base="org/model", data=["what"])
    (tmp_path / "r/broken").mkdir()
    (tmp_path / "r/broken/run.yaml").write_text("{: !!python/object:os.system")
    assert runs(corpus, [tmp_path]) == [
        TrainedOn(beside, "name", "corpus"),
        TrainedOn(grandchild, "name", "base"),
        TrainedOn(child, "name", "base"),
        TrainedOn(named, "name", "corpus"),
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"corpora": 3}', '{"corpora": [1, {}]}'])
def test_a_broken_record_is_no_record(corpus: Corpus, tmp_path: Path, text: str) -> None:
    folder = run(tmp_path / "r/a", data={"train": None})
    (folder / NAME).write_text(text)
    assert runs(corpus, [tmp_path]) == []


def test_checkpoints_are_not_searched(corpus: Corpus, tmp_path: Path) -> None:
    run(tmp_path / "r/checkpoints/step-1", record([corpus]))
    assert runs(corpus, [tmp_path]) == []
