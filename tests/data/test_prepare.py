from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from data_examples import APART, FABLE, POEM

from danlu import files
from danlu.data import rows
from danlu.data.corpus import Corpus
from danlu.data.prepare import prepare
from danlu.data.settings import PrepareSettings
from danlu.data.sources import python_docs
from danlu.errors import ConfigError, DataError, ResourceError


def texts(folder: Path, count: int = 30) -> Path:
    """A folder of small files with something for every step to do."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        (folder / f"{n:02}.txt").write_text(f"Fable {n}.\n{FABLE}\n")
    (folder / "copy.txt").write_text(f"Fable 3. {FABLE.upper()}\n")
    (folder / "poem.txt").write_bytes(POEM.encode("gb18030"))
    (folder / "short.txt").write_text("Too short.")
    (folder / "again.txt").write_text("ha ha ha ha\n" * 30)
    (folder / "dirty.txt").write_text("A dirty\u200b one, at a cafÃ©. " + FABLE[::-1])
    (folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_account_of_a_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = prepare([texts(tmp_path / "in")], tmp_path / "out", APART)
    manifest = corpus.manifest
    assert {why: gone["documents"] for why, gone in manifest["removed"].items()} == {
        "duplicate": 1,
        "repetitive: duplicate lines": 1,
        "too short": 1,
    }
    assert manifest["removed"]["too short"]["examples"] == [
        {"id": "short.txt", "text": "Too short."}
    ]
    counts = manifest["counts"]
    assert counts["read"]["documents"] == 35
    assert counts["kept"]["documents"] == 32
    for unit in ("documents", "bytes", "characters"):
        gone = sum(removal[unit] for removal in manifest["removed"].values())
        assert counts["train"][unit] + counts["held_out"][unit] == counts["kept"][unit]
        assert unit != "documents" or counts["read"][unit] == counts["kept"][unit] + gone
    train, held = list(corpus.documents("train")), list(corpus.documents("held_out"))
    assert counts["train"]["bytes"] == sum(len(d.text.encode()) for d in train)
    assert counts["held_out"]["characters"] == sum(len(d.text) for d in held)
    assert manifest["split_by"] == "file"
    assert manifest["changed"] == 1
    assert 0 < manifest["han_share"] < 0.01
    assert sum(manifest["lengths"]["before"]) == 35
    assert sum(manifest["lengths"]["after"]) == 32
    steps = {step["name"]: step for step in manifest["steps"]}
    assert list(steps) == ["repair", "short", "quality", "exact"]
    assert steps["repair"]["stats"]["mojibake"] == 1
    assert list(steps["exact"]["removed"]) == ["duplicate"]
    assert list(steps["quality"]["removed"]) == ["repetitive: duplicate lines"]
    sources = {source["file"]: source for source in manifest["sources"]}
    assert sources["poem.txt"]["encoding"] == "GB18030"
    assert sources["00.txt"]["documents"] == 1
    assert manifest["skipped"] == {"a binary file": 1}
    for name, record in manifest["files"].items():
        assert (corpus.folder / name).stat().st_size == record["bytes"]
    assert not list(tmp_path.glob(".*"))
    assert [d.id for d in corpus.documents("removed")] == ["again.txt", "copy.txt", "short.txt"]
    corpus.verify()
    said = capsys.readouterr().err
    assert "poem.txt: read as GB18030" in said
    assert "removed 1 × too short" in said


def test_no_file_is_on_both_sides(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(60):
        near = [{"text": f"{FABLE} ({n}, {copy})"} for copy in range(4)]
        (folder / f"{n}.jsonl").write_text("\n".join(map(json.dumps, near)))
    corpus = prepare([folder], tmp_path / "out", APART)
    train = {d.meta["file"] for d in corpus.documents("train")}
    held = {d.meta["file"] for d in corpus.documents("held_out")}
    assert corpus.manifest["split_by"] == "file"
    assert held
    assert not train & held
    assert len(train | held) == 60


def test_the_same_again_opens_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = texts(tmp_path / "in"), tmp_path / "out"
    first = prepare([folder], out, APART)
    before, times = content(out), [path.stat().st_mtime_ns for path in sorted(out.iterdir())]
    assert prepare([folder], out, APART) == first
    assert "holds this corpus already" in capsys.readouterr().err
    assert [path.stat().st_mtime_ns for path in sorted(out.iterdir())] == times
    prepare([folder], out, APART, force=True)
    assert content(out) == before


def test_another_corpus_in_the_way(tmp_path: Path) -> None:
    folder, out = texts(tmp_path / "in"), tmp_path / "out"
    prepare([folder], out, APART)
    before = content(out)
    with pytest.raises(ConfigError, match="made otherwise") as error:
        prepare([folder], out, PrepareSettings(min_characters=41, steps=("repair",)))
    assert "min_characters: 40 → 41" in str(error.value)
    assert "steps: " in str(error.value)
    assert "--force" in error.value.fix
    (folder / "00.txt").write_text(FABLE)
    (folder / "01.txt").unlink()
    (folder / "new.txt").write_text(FABLE)
    with pytest.raises(ConfigError) as error:
        prepare([folder], out, APART)
    assert error.value.got == "01.txt: gone; 00.txt: changed; new.txt: new"
    with pytest.raises(ConfigError) as error:
        prepare([], out, PrepareSettings(python_docs_mb=0.01))
    assert "source: files → python_docs" in str(error.value.got)
    for n in range(2, 12):
        (folder / f"{n:02}.txt").unlink()
    with pytest.raises(ConfigError, match="and 8 more"):
        prepare([folder], out, APART)
    assert content(out) == before
    prepare([folder], out, APART, force=True)
    assert content(out) != before


def test_a_damaged_corpus_of_the_same_kind_is_said(tmp_path: Path) -> None:
    folder, out = texts(tmp_path / "in"), tmp_path / "out"
    prepare([folder], out, APART)
    (out / "train-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="truncated") as error:
        prepare([folder], out, APART)
    assert "--force" in error.value.fix
    prepare([folder], out, APART, force=True).verify()


class Stops(files.Disk):
    """Does `count` operations and fails at the next."""

    def __init__(self, count: int, error: BaseException) -> None:
        self.left, self.error = count, error

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise self.error

    def mkdir(self, path: Path) -> None:
        self._step()
        super().mkdir(path)

    def write(self, path: Path, parts: Any, *, sync: bool = True) -> str:
        self._step()
        return super().write(path, parts, sync=sync)

    def rename(self, old: Path, new: Path) -> None:
        self._step()
        super().rename(old, new)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)

    def rmtree(self, path: Path) -> None:
        self._step()
        super().rmtree(path)

    def fsync_dir(self, path: Path) -> None:
        self._step()
        super().fsync_dir(path)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ResourceError("no space left on device")])
def test_stopped_anywhere_it_leaves_a_whole_corpus_or_none(
    tmp_path: Path, force: bool, error: BaseException
) -> None:
    folder, out = texts(tmp_path / "in", 20), tmp_path / "out"
    whole = content(prepare([folder], tmp_path / "whole", APART).folder)
    old: dict[str, bytes] = {}
    if force:
        old = content(prepare([folder], out, APART.model_copy(update={"min_characters": 1})).folder)
    for count in itertools.count():
        try:
            prepare([folder], out, APART, force=True, disk=Stops(count, error))
        except (KeyboardInterrupt, ResourceError):
            assert (
                content(out) in (old, whole)
                if force
                else not out.exists() or (content(out) == whole)
            )
            assert not (tmp_path / ".out.new").exists()
        else:
            break
    assert count >= 9
    assert content(out) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "whole"]


def test_nothing_left_says_where_it_went(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hi.")
    with pytest.raises(DataError, match="nothing is left of the text") as error:
        prepare([tmp_path / "a.txt"], tmp_path / "out")
    assert error.value.got == "1 read − 1 too short = 0 kept"
    (tmp_path / "b.txt").write_text("\n\n")
    with pytest.raises(DataError) as error:
        prepare([tmp_path / "b.txt"], tmp_path / "out")
    assert error.value.got == "files without any text in them"
    (tmp_path / "c.txt").write_text(FABLE)
    with pytest.raises(DataError, match="too small to hold any of it out"):
        prepare([tmp_path / "c.txt"], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt", "c.txt"]


def test_one_bad_file_among_good_ones_stops_and_is_named(tmp_path: Path) -> None:
    folder = texts(tmp_path / "in", 5)
    (folder / "bad.txt.gz").write_bytes(gzip.compress(FABLE.encode())[:-9])
    with pytest.raises(DataError, match=r"bad\.txt\.gz is a broken gzip file"):
        prepare([folder], tmp_path / "out", APART)
    assert not (tmp_path / "out").exists()


def test_duplicate_ids_become_unique_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    written = [{"id": n % 2, "text": f"{n} {FABLE}"} for n in range(5)]
    path.write_text("\n".join(map(json.dumps, [*written, {"id": "0~2", "text": POEM}])))
    corpus = prepare([path], tmp_path / "out", APART)
    ids = {d.id for part in ("train", "held_out") for d in corpus.documents(part)}
    assert ids == {f"a.jsonl#{name}" for name in ("0", "1", "0~2", "1~2", "0~3", "0~2~2")}
    assert corpus.manifest["duplicate_ids"] == 4


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = texts(tmp_path / "in")
    one = content(prepare([folder], tmp_path / "one", APART).folder)
    monkeypatch.setattr(rows, "BATCH_ROWS", 3)
    two = prepare([folder], tmp_path / "two", APART)
    assert [d.id for d in Corpus.open(tmp_path / "one").documents()] == [
        d.id for d in two.documents()
    ]
    assert one["manifest.json"] != b""
    drop = ("files",)
    first, second = (
        {
            k: v
            for k, v in json.loads((tmp_path / name / "manifest.json").read_text()).items()
            if k not in drop
        }
        for name in ("one", "two")
    )
    assert first == second


def test_what_was_odd_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(5):
        written = [{"body": f"{n} {m} {FABLE}"} for m in range(3)] + [{"body": ""}]
        (tmp_path / f"{n}.jsonl").write_text("\n".join(map(json.dumps, written)))
    prepare([tmp_path], tmp_path / "out", APART)
    said = capsys.readouterr().err
    assert "0.jsonl, 1.jsonl, 2.jsonl and 2 more: the text is in the field 'body'" in said
    assert "! 5 rows have no text and were left out: 0.jsonl" in said


def test_the_output_may_lie_in_the_input(tmp_path: Path) -> None:
    folder = texts(tmp_path / "in")
    prepare([folder], folder / "corpus", APART)
    assert prepare([folder], folder / "corpus", APART).manifest["counts"]["read"]["documents"] == 35


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises((ResourceError, ConfigError)):
        prepare([texts(tmp_path / "in")], tmp_path / "file" / "out")


def test_without_paths_python_s_documentation_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = python_docs.find()[1:90]  # the reference alone would be half a megabyte
    monkeypatch.setattr(python_docs, "find", lambda: listed)
    settings = PrepareSettings(python_docs_mb=0.25)
    corpus = prepare([], tmp_path / "out", settings)
    counts = corpus.manifest["counts"]
    assert 200_000 < counts["read"]["bytes"] <= 250_000
    assert [source["file"] for source in corpus.manifest["sources"]] == ["Python library"]
    assert corpus.manifest["split_by"] == "file"
    extra = python_docs._file(Path(__file__), Path(__file__).parent, "another package")
    monkeypatch.setattr(python_docs, "find", lambda: [*listed, extra])
    assert prepare([], tmp_path / "out", settings) == corpus, "a package installed later"
    monkeypatch.setattr(python_docs, "find", lambda: listed[:-1])
    with pytest.raises(ConfigError, match="made otherwise") as error:
        prepare([], tmp_path / "out", settings)
    assert error.value.got == "Python library: changed"


def test_what_readers_left_out_is_said_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = texts(tmp_path / "in")
    (folder / "a.html").write_text(f"<title>Fox</title><p>{FABLE[::-1]}</p>")
    (folder / "b.html").write_text("<nav>Home</nav>")
    (folder / "c.min.js").write_text("a=1;" * 500)
    (folder / "d.min.js").write_text("b=1;" * 500)
    corpus = prepare([folder], tmp_path / "out")
    said = capsys.readouterr()
    assert "left out 1 pages without text: b.html" in said.out + said.err
    assert "left out 2 minified files: c.min.js, d.min.js" in said.out + said.err
    sources = {row["file"]: row for row in corpus.manifest["sources"]}
    assert sources["c.min.js"]["left_out"] == {"minified_files": 1}
    kept = [d for part in ("train", "held_out") for d in corpus.documents(part)]
    assert [d.meta for d in kept if d.id == "a.html"] == [{"file": "a.html", "title": "Fox"}]
