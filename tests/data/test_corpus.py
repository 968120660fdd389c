from __future__ import annotations

import json
from pathlib import Path

import pytest
from data_examples import APART, FABLE

from danlu import files
from danlu.data import corpus, parts, rows
from danlu.data.corpus import Corpus
from danlu.data.prepare import prepare
from danlu.errors import ConfigError, DataError, ResourceError, UnknownName
from danlu.types import Document


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("corpus")
    with (root / "a.jsonl").open("w") as file:
        for n in range(40):
            row = {"text": f"Fable {n}. {FABLE}", "title": f"No. {n}"}
            file.write(json.dumps(row) + "\n")
    return prepare([root / "a.jsonl"], root / "out", APART)


@pytest.fixture
def copy(made: Corpus, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in made.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_documents_come_back_in_order(made: Corpus) -> None:
    train, held = list(made.documents()), list(made.documents("held_out"))
    ids = [document.id for document in train]
    assert ids == sorted(ids)
    assert len(train) + len(held) == 40
    assert train[0].meta["title"].startswith("No. ")
    assert list(made.documents("removed")) == []
    with pytest.raises(UnknownName, match="no part of a corpus named 'heldout'"):
        list(made.documents("heldout"))


def test_the_hash_is_of_the_text(made: Corpus, copy: Path) -> None:
    assert Corpus.open(copy).sha256 == made.sha256
    made.verify()


@pytest.mark.parametrize("name", ["train-00000.parquet", "held_out-00000.parquet"])
def test_missing_truncated_and_damaged_files(copy: Path, name: str) -> None:
    path = copy / name
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(DataError, match=f"{name} is truncated") as error:
        Corpus.open(copy)
    assert f"{len(data) - 1:,} bytes" in str(error.value)
    path.unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        Corpus.open(copy)
    path.write_bytes(data[:50] + bytes(100) + data[150:])
    opened = Corpus.open(copy)
    with pytest.raises(DataError, match=f"{name} is damaged"):
        opened.verify()
    with pytest.raises(DataError, match="missing or damaged"):
        list(opened.documents(name.split("-")[0]))


def test_what_is_no_corpus(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no corpus in") as error:
        Corpus.open(tmp_path / "cpoy")
    assert error.value.fix == f"did you mean {copy}?"
    with pytest.raises(DataError, match="there is no corpus in") as error:
        Corpus.open(tmp_path / "zzzzzzzz")
    assert "danlu prepare" in error.value.fix
    manifest = json.loads((copy / "manifest.json").read_text())
    for change, message in (
        ({"format": 2}, "another version"),
        ({"kind": "model"}, "not a corpus"),
    ):
        (copy / "manifest.json").write_text(json.dumps(manifest | change))
        with pytest.raises(DataError, match=message):
            Corpus.open(copy)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        Corpus.open(copy)
    assert not corpus.is_corpus(copy)


def test_what_is_in_the_way(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds another corpus"):
        corpus.make_way(copy, force=False)
    corpus.make_way(copy, force=True)
    corpus.make_way(tmp_path / "nothing", force=False)
    (tmp_path / "empty").mkdir()
    corpus.make_way(tmp_path / "empty", force=False)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("dear")
    with pytest.raises(ConfigError, match="something that is not a corpus") as error:
        corpus.make_way(tmp_path / "letters", force=True)
    assert "a.txt" in str(error.value)
    with pytest.raises(ConfigError, match="is a file"):
        corpus.make_way(tmp_path / "letters" / "a.txt", force=True)


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / ".out.new"
    (left / "folder").mkdir(parents=True)
    (left / "train-00000.parquet").write_bytes(b"half")
    (left / "LOCK").write_text("{}")
    with corpus.replacing(tmp_path / "out", files.Disk()) as folder:
        assert [path.name for path in folder.iterdir()] == ["LOCK"]
        (folder / "x").write_text("new")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    with corpus.replacing(tmp_path / "out", files.Disk()) as folder:
        (folder / "x").write_text("mine")
        with (
            pytest.raises(ResourceError, match="in use by another process"),
            corpus.replacing(tmp_path / "out", files.Disk()),
        ):
            raise AssertionError("not reached")
        assert (folder / "x").read_text() == "mine"
    assert (tmp_path / "out" / "x").read_text() == "mine"


def test_if_the_swap_fails_the_old_folder_is_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "x").write_text("old")

    class Refuses(files.Disk):
        def rename(self, old: Path, new: Path) -> None:
            if new == out:
                raise ResourceError("no")
            super().rename(old, new)

    with pytest.raises(ResourceError), corpus.replacing(out, Refuses()) as folder:
        (folder / "x").write_text("new")
    assert (out / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_rows_are_written_and_come_back(tmp_path: Path) -> None:
    documents = [Document(f"{n} {FABLE}", str(n), {"file": "f"}) for n in range(50)]
    path = tmp_path / "train-00000.parquet"
    written = parts.write(path, list(rows.batches(documents)), files.Disk())
    assert path.stat().st_size == written["bytes"]
    assert written["rows"] == 50
    assert [d for batch in parts.read(path) for d in rows.documents(batch)] == documents
    assert parts.write(path, [], files.Disk())["rows"] == 0
