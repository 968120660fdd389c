"""Forgotten documents are gone: from every part, from the manifest, and from every byte."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from corpus_examples import write

from danlu import files
from danlu.data import parts
from danlu.data.corpus import Corpus
from danlu.data.forget import forget
from danlu.data.prepare import prepare
from danlu.data.settings import PrepareSettings
from danlu.errors import ConfigError, DataError, ResourceError, UnknownName

SECRET = "My secret name is Rumpelstiltskin, and nobody shall ever know it."


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    about = [
        {"id": "secret.txt", "text": SECRET[:40]},
        {"id": "copy.txt", "text": SECRET[:40]},
        {"id": "open.txt", "text": "All"},
    ]
    return write(
        tmp_path / "corpus",
        train=[("open.txt", "All may know this."), ("secret.txt", SECRET)],
        held_out=[("other.txt", "And this."), ("twin.txt", f"{SECRET}\n".replace(" ", "  "))],
        removed=[("copy.txt", SECRET.upper(), "duplicate"), ("short.txt", "x", "too short")],
        funnel=[{"step": "read", "documents": 6, "bytes": 300}],
        languages={"en": {"documents": 4, "bytes": 200}},
        survivors=about,
        duplicates={"near": {"largest": [{"kept": "secret.txt", "removed": [], "text": SECRET}]}},
    )


def every_byte(folder: Path) -> bytes:
    """All that a folder holds, parquet unpacked."""
    found = [p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()]
    rows = [str(b.to_pylist()) for p in folder.glob("*.parquet") for b in parts.read(p)]
    return b"".join(found) + "".join(rows).encode()


def test_a_document_and_its_copies_are_gone(corpus: Corpus, tmp_path: Path) -> None:
    before = every_byte(corpus.folder)
    new, gone = forget(corpus, ["secret.txt"], tmp_path / "new")
    assert gone.ids == {"secret.txt", "copy.txt", "twin.txt"}
    assert [d.id for d in new.documents("train")] == ["open.txt"]
    assert [d.id for d in new.documents("held_out")] == ["other.txt"]
    assert [d.id for d in new.documents("removed")] == ["short.txt"]
    assert b"rumpelstiltskin" in before.lower()
    left = every_byte(new.folder).lower()
    for trace in (b"rumpelstiltskin", b"my secret", b"secret.txt", b"copy.txt", b"twin.txt"):
        assert trace not in left, trace
    assert every_byte(corpus.folder) == before


def test_the_manifest_counts_again_and_names_its_parent(corpus: Corpus, tmp_path: Path) -> None:
    new, _ = forget(corpus, ["secret.txt"], tmp_path / "new")
    old, made = corpus.manifest, new.manifest
    assert made["counts"]["train"] == {"documents": 1, "bytes": 18, "characters": 18}
    assert made["counts"]["kept"] == {"documents": 2, "bytes": 27, "characters": 27}
    assert made["counts"]["read"] == old["counts"]["read"]
    assert made["removed"]["duplicate"]["documents"] == 0
    assert made["removed"]["too short"] == old["removed"]["too short"]
    assert made["steps"][0]["removed"] == made["removed"]
    assert sum(made["lengths"]["after"]) == 2 and sum(old["lengths"]["after"]) == 4
    assert made["funnel"][-1] == {"step": "forget", "documents": 2, "bytes": 27}
    assert made["survivors"] == [{"id": "open.txt", "text": "All"}]
    assert made["duplicates"]["near"]["largest"] == []
    assert made["parent"]["sha256"] == corpus.sha256 != new.sha256
    assert hashlib.sha256(b"secret.txt").hexdigest() in made["forgotten"]["ids"]
    assert made["forgotten"]["documents"] == {"train": 1, "held_out": 1, "removed": 1}
    assert made["recipe"] == old["recipe"]
    new.verify()


def test_without_copies_only_the_ids_go(corpus: Corpus, tmp_path: Path) -> None:
    new, gone = forget(corpus, ["secret.txt"], tmp_path / "new", copies=False)
    assert gone.ids == {"secret.txt"}
    assert [d.id for d in new.documents("removed")] == ["copy.txt", "short.txt"]


def test_a_second_time_remembers_the_first(corpus: Corpus, tmp_path: Path) -> None:
    once, _ = forget(corpus, ["short.txt"], tmp_path / "once")
    assert once.sha256 == corpus.sha256  # nothing that is trained on has gone
    twice, _ = forget(once, ["secret.txt"], tmp_path / "twice")
    assert twice.manifest["parent"]["parent"]["sha256"] == corpus.sha256
    assert len(twice.manifest["parent"]["forgotten"]["ids"]) == 1


def test_an_unknown_id_writes_nothing(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'secret\.txt'") as caught:
        forget(corpus, ["open.txt", "secert.txt"], tmp_path / "new")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "new").exists()


def test_what_is_there_stays(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds another corpus"):
        forget(corpus, ["open.txt"], corpus.folder)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter").write_text("dear")
    with pytest.raises(ConfigError, match="not a corpus"):
        forget(corpus, ["open.txt"], tmp_path / "full")


def test_nothing_left(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing would be left in the part train"):
        forget(corpus, ["open.txt", "secret.txt"], tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_full_disk_leaves_nothing(corpus: Corpus, tmp_path: Path) -> None:
    class Full(files.Disk):
        def write(self, path: Path, data, **kw):
            raise ResourceError("the disk is full")

    with pytest.raises(ResourceError):
        forget(corpus, ["open.txt"], tmp_path / "new", disk=Full())
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_near_copies_go_with_it_whichever_of_them_is_named(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(120)]
    near = [" ".join(words[k:]) for k in range(3)]
    others = [" ".join(f"{n}-{m}" for m in range(60)) for n in range(30)]
    lines = [json.dumps({"id": n, "text": text}) for n, text in enumerate(near + others)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    settings = PrepareSettings(steps=("near",))
    made = prepare([tmp_path / "a.jsonl"], tmp_path / "out", settings)
    for number, own_id in enumerate(("a.jsonl#0", "a.jsonl#2")):
        _, gone = forget(made, [own_id], tmp_path / f"new{number}")
        assert gone.ids == {"a.jsonl#0", "a.jsonl#1", "a.jsonl#2"}
    _, alone = forget(made, ["a.jsonl#2"], tmp_path / "alone", copies=False)
    assert alone.ids == {"a.jsonl#2"}
