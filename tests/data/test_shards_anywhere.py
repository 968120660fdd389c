"""The same shards, byte for byte, in one process, in several, and after being killed anywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from near_examples import planted

from danlu.data import portions
from danlu.data.corpus import Corpus
from danlu.data.executors.processes import Processes
from danlu.data.prepare import prepare
from danlu.data.settings import PrepareSettings
from danlu.data.shards import Shards, tokenize
from danlu.data.stages import encode
from danlu.errors import DataError
from danlu.tokenizer import Tokenizer, train

RUN = """
import sys
from pathlib import Path
from danlu.data.corpus import Corpus
from danlu.data.executors.processes import Processes
from danlu.data.shards import tokenize
from danlu.tokenizer import Tokenizer

corpus, tokenizer, out = map(Path, sys.argv[1:])
tokenize(Corpus.open(corpus), Tokenizer.load(tokenizer), folder=out, executor=Processes(2))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Tokenizer]:
    """A corpus of several files, in both languages and mixed, and a tokenizer."""
    folder = tmp_path_factory.mktemp("made")
    texts = {"en": planted(1, False, 150), "zh": planted(2, True, 150)}
    for name, some in texts.items():
        for number, text in enumerate(some):
            (folder / name).mkdir(exist_ok=True)
            (folder / name / f"{number}.txt").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portions, "PORTION_BYTES", 20_000)
        settings = PrepareSettings(steps=(), held_out=0.1, mix={"en": 1, "zh": 2})
        corpus = prepare([folder / "en", folder / "zh"], folder / "corpus", settings)
    tokenizer = train([t for some in texts.values() for t in some], vocab=700, strict=False)
    tokenizer.save(folder / "tokenizer")
    return corpus, tokenizer


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def once(corpus: Corpus) -> Corpus:
    """The corpus as if no mixture had been asked for."""
    return Corpus(corpus.folder, {k: v for k, v in corpus.manifest.items() if k != "mixture"})


def test_any_number_of_processes_gives_the_same_bytes(
    made: tuple[Corpus, Tokenizer], tmp_path: Path
) -> None:
    corpus, tokenizer = made
    assert len(corpus.files("train")) > 3, "several tasks"
    for name, own in (("mixed", corpus), ("once", once(corpus))):
        one = tokenize(own, tokenizer, folder=tmp_path / f"{name}1")
        two = tokenize(own, tokenizer, folder=tmp_path / f"{name}2", executor=Processes(2))
        assert content(one.folder) == content(two.folder)
        assert list(tmp_path.glob(".*")) == []
    assert_right(one, corpus, tokenizer)


def assert_right(shards: Shards, corpus: Corpus, tokenizer: Tokenizer) -> None:
    """What is written is what the library says, document by document."""
    for split in ("train", "held_out"):
        ids, starts = [], []
        for document in corpus.documents(split):
            starts.append(len(ids))
            ids += [tokenizer.bos_id, *tokenizer.encode(document.text)]
        assert shards.tokens(split).tolist() == [*ids, tokenizer.bos_id]
        assert np.load(shards.folder / f"{split}.idx.npy").tolist() == [*starts, len(ids)]


def test_killed_at_any_moment_it_goes_on_and_gives_the_same_bytes(
    made: tuple[Corpus, Tokenizer], tmp_path: Path
) -> None:
    corpus, tokenizer = made
    whole = content(tokenize(corpus, tokenizer, folder=tmp_path / "whole").folder)
    out = tmp_path / "out"
    place = [str(corpus.folder), str(corpus.folder.parent / "tokenizer"), str(out)]

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", RUN, *place]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)

    most = 0
    for pieces in (1, 2, len(corpus.files("train"))):
        process = start()
        while process.poll() is None and len(finished(tmp_path)) < pieces:
            time.sleep(0.002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        most = max(most, len(finished(tmp_path)))
        assert not out.exists() or content(out) == whole
    assert most, "it was killed at work"
    assert start().wait() == 0
    assert content(out) == whole and list(tmp_path.glob(".*")) == []


def finished(folder: Path) -> list[Path]:
    return list(folder.glob(".out.work/encode/*.json"))


def test_finished_pieces_are_not_encoded_again(
    made: tuple[Corpus, Tokenizer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, tokenizer = made
    run, tasks = encode.run, []

    def interrupted(work, task):  # type: ignore[no-untyped-def]
        tasks.append(task.number)
        if task.number == 3 and tasks.count(3) == 1:
            raise KeyboardInterrupt
        return run(work, task)

    monkeypatch.setattr(encode, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tokenize(corpus, tokenizer, folder=tmp_path / "out")
    tokenize(corpus, tokenizer, folder=tmp_path / "out")
    assert tasks == [0, 1, 2, 3, *range(3, tasks[-1] + 1)]


def test_a_damaged_corpus_is_said_by_a_worker_too(
    made: tuple[Corpus, Tokenizer], tmp_path: Path
) -> None:
    corpus, tokenizer = made
    broken = tmp_path / "corpus"
    broken.mkdir()
    for path in corpus.folder.glob("*.*"):
        data = path.read_bytes()
        (broken / path.name).write_bytes(data[::-1] if path.name == "train-00002.parquet" else data)
    with pytest.raises(DataError, match=r"train-00002\.parquet is missing or damaged"):
        tokenize(Corpus.open(broken), tokenizer, executor=Processes(2))
    assert list(broken.glob("tokens*")) == []
