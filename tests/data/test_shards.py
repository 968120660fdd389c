"""Token shards: the same ids come back, damage is found, and each tokenizer has its own."""

from __future__ import annotations

import errno
import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from danlu import files
from danlu.data import prepare, shards
from danlu.data.corpus import Corpus
from danlu.data.settings import PrepareSettings
from danlu.data.shards import tokenize
from danlu.errors import DataError, ResourceError
from danlu.tokenizer import Tokenizer, train

Capture = pytest.CaptureFixture[str]
TEXTS = [f"Poem {n}: 床前明月光，疑是地上霜。the fox went away {n} times 🦊" * 2 for n in range(40)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@cache
def tokenizer(vocab: int = 280) -> Tokenizer:
    return train(TEXTS, vocab=vocab, strict=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    settings = PrepareSettings(held_out=0.2)
    return prepare.prepare([tmp_path], tmp_path.parent / f"{tmp_path.name}-corpus", settings)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def documents(corpus: Corpus, split: str) -> list[str]:
    return [document.text for document in corpus.documents(split)]


def test_round_trip(corpus: Corpus) -> None:
    made = tokenize(corpus, tokenizer())
    bos = tokenizer().bos_id
    for split in ("train", "held_out"):
        texts, tokens = documents(corpus, split), made.tokens(split)
        assert texts and tokens.dtype == np.uint16 and isinstance(tokens, np.memmap)
        ids = [id for text in texts for id in (bos, *tokenizer().encode(text))]
        assert tokens.tolist() == [*ids, bos]
        assert made.count(split) == len(tokens)
        assert made.text_bytes(split) == sum(len(text.encode()) for text in texts)
        starts = np.load(made.folder / f"{split}.idx.npy")
        assert starts.dtype == np.uint64 and len(starts) == len(texts) + 1
        assert (tokens[starts] == bos).all()
        for number, text in enumerate(texts):
            inside = tokens[int(starts[number]) + 1 : int(starts[number + 1])]
            assert tokenizer().decode(inside.tolist()) == text
    assert made.manifest["splits"]["train"]["documents"] == len(documents(corpus, "train"))


@pytest.mark.parametrize(("vocab_size", "dtype"), [(1 << 16, "<u2"), ((1 << 16) + 1, "<u4")])
def test_large_vocabularies_take_32_bits(
    corpus: Corpus, vocab_size: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tokenize(corpus, tokenizer()).tokens("train").tolist()
    again = Tokenizer(tokenizer().contents)
    again.__dict__["sha256"] = "of a large one"
    monkeypatch.setattr(Tokenizer, "vocab_size", vocab_size)
    made = tokenize(corpus, again)
    assert made.tokens("train").dtype == np.dtype(dtype)
    assert made.tokens("train").tolist() == small


def test_made_once(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tokenize(corpus, tokenizer())
    before = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    monkeypatch.setattr(shards, "_Making", None)
    second = tokenize(corpus, tokenizer())
    assert second == first and second.sha256 == first.sha256
    assert {path: path.stat().st_mtime_ns for path in first.folder.iterdir()} == before
    assert [p.name for p in corpus.folder.glob(".*")] == []


def test_another_tokenizer_has_other_shards(corpus: Corpus) -> None:
    one, other = tokenize(corpus, tokenizer()), tokenize(corpus, tokenizer(300))
    assert one.folder != other.folder and one.sha256 != other.sha256
    assert one.folder.is_dir() and other.folder.is_dir()
    assert one.folder.name == f"tokens-{tokenizer().sha256[:12]}"


def test_another_corpus_in_the_same_place(corpus: Corpus) -> None:
    first = tokenize(corpus, tokenizer())
    manifest = json.loads((first.folder / "manifest.json").read_text())
    manifest["made_from"]["corpus"] = "another"
    (first.folder / "manifest.json").write_text(json.dumps(manifest))
    assert tokenize(corpus, tokenizer()) == first


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "manifest", "list", "keys"])
def test_damage_is_found_and_mended(corpus: Corpus, damage: str, capsys: Capture) -> None:
    first = tokenize(corpus, tokenizer())
    path, manifest = first.folder / "train.bin", first.folder / "manifest.json"
    good = data = path.read_bytes()
    if damage == "flip":
        path.write_bytes(data[:9] + bytes([data[9] ^ 1]) + data[10:])
    elif damage == "cut":
        path.write_bytes(data[:-2])
    elif damage == "delete":
        path.unlink()
    else:
        manifest.write_text({"manifest": "{", "list": "[]", "keys": '{"format": 1}'}[damage])
    capsys.readouterr()
    second = tokenize(corpus, tokenizer())
    assert "is damaged and is made again" in capsys.readouterr().err
    assert second == first and path.read_bytes() == good


@pytest.mark.parametrize("damage", ["cut", "delete"])
def test_damage_after_opening(corpus: Corpus, damage: str) -> None:
    made = tokenize(corpus, tokenizer())
    path = made.folder / "held_out.bin"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-2])
    else:
        path.unlink()
    with pytest.raises(DataError, match=r"held_out\.bin is damaged") as caught:
        made.tokens("held_out")
    assert "delete" in caught.value.fix and "bytes" in caught.value.expected


def test_when_the_disk_is_full_it_goes_on_later(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = content(tokenize(corpus, tokenizer(), folder=corpus.folder / "whole").folder)
    write = files.Disk.write
    names: list[str] = []

    def full(self: files.Disk, path: Path, *rest: object, **options: object) -> str:
        names.append(path.name)
        if path.name == "held_out.bin":
            error = ResourceError("the disk is full")
            error.errno = errno.ENOSPC
            raise error
        return write(self, path, *rest, **options)  # type: ignore[arg-type]

    def noted(self: files.Disk, path: Path, *rest: object, **options: object) -> str:
        names.append(path.name)
        return write(self, path, *rest, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(ResourceError):
        patch.setattr(files.Disk, "write", full)
        tokenize(corpus, tokenizer())
    assert [p.name for p in corpus.folder.glob("tokens*")] == []
    assert names.index("00000.bin") < names.index("held_out.bin")
    names.clear()
    with monkeypatch.context() as patch:
        patch.setattr(files.Disk, "write", noted)
        assert content(tokenize(corpus, tokenizer()).folder) == whole
    assert names[0] == "train.bin" and "00000.bin" not in names
    assert list(corpus.folder.glob(".*")) == []


def test_a_full_disk_at_the_first_piece_leaves_nothing(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: files.Disk, path: Path, *rest: object, **options: object) -> str:
        raise ResourceError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(ResourceError):
        patch.setattr(files.Disk, "write", full)
        tokenize(corpus, tokenizer())
    assert [p.name for p in corpus.folder.iterdir() if "tokens" in p.name] == []


def test_two_at_once(corpus: Corpus) -> None:
    folder = corpus.folder / f".tokens-{tokenizer().sha256[:12]}.work"
    with files.Lock(folder), pytest.raises(ResourceError, match="in use by another process"):
        tokenize(corpus, tokenizer())
    assert tokenize(corpus, tokenizer()).count("train") > 0
