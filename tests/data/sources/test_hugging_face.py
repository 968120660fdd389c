"""Data sets by name, from a hub on this machine; each process that reads has its own settings."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_hub import FakeHub, Repo

from danlu.data import hub as danlu_hub
from danlu.data.hub import Name, is_name, library, parse
from danlu.errors import DataError, MissingExtra

CHILD = Path(__file__).with_name("hub_child.py")
CARD = b"""---
license: cc-by-sa-4.0
configs:
- config_name: zh
  data_files:
  - split: train
    path: zh/train-*.parquet
  - split: test
    path: zh/test-*.parquet
- config_name: en
  data_files: en/*.parquet
---
# Poems
"""
LINES = ["床前明月光", "疑是地上霜", "舉頭望明月", "低頭思故鄉"]


def table(*texts: str) -> bytes:
    sink = io.BytesIO()
    titles = [f"p{number}" for number in range(len(texts))]
    columns = {"title": titles, "body": list(texts), "image": [b"\x89PNG"] * len(texts)}
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def rows(*texts: str, **more: str) -> bytes:
    return "".join(json.dumps({"text": text, **more}) + "\n" for text in texts).encode()


class Child:
    """A process that reads for us."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD)],
            env={k: v for k, v in os.environ.items() if not k.startswith("HF_")} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def ask(self, do: str, *names: str, **more: Any) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        print(json.dumps({"do": do, "names": names, **more}), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add("dataset", "owner/poems", poems())
        hub.add("dataset", "owner/rows", {"README.md": b"", "data.jsonl": rows("one", "two")})
        yield hub


def poems() -> dict[str, bytes]:
    return {
        "README.md": CARD,
        "zh/train-00000-of-00002.parquet": table(*LINES[:2]),
        "zh/train-00001-of-00002.parquet": table(*LINES[2:]),
        "zh/test-00000-of-00001.parquet": table("a test"),
        "en/train-00000-of-00001.parquet": table("moonlight before my bed"),
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module", autouse=True)
def children(hub: FakeHub, home: Path) -> Iterator[list[Child]]:
    """One process with the network and one without, which start at the same time."""
    both = [Child(hub.environment(home)), Child(hub.environment(home, HF_DATASETS_OFFLINE="1"))]
    yield both
    for child in both:
        child.end()


@pytest.fixture(scope="module")
def online(children: list[Child]) -> Child:
    children[0].ask("impatient")
    return children[0]


@pytest.fixture(scope="module")
def offline(online: Child, children: list[Child], home: Path) -> Child:
    """The one without; two data sets were cached before, in either way."""
    online.ask("download", name="owner/poems")
    online.ask("load", name="owner/rows")
    shutil.rmtree(home / "hub" / "datasets--owner--rows" / "snapshots")
    return children[1]


def test_a_configuration(online: Child, hub: FakeHub) -> None:
    commit = hub.repos["dataset", "owner/poems"].sha
    answer = online.ask("read", "hf:owner/poems/zh", "hf:owner/poems/zh")
    size = sum(len(data) for name, data in poems().items() if name.startswith("zh/train"))
    assert answer["files"] == [["hf:owner/poems/zh", "hugging_face", size, commit]]
    assert answer["skipped"] == {"given twice": 1}
    shard = "hf:owner/poems/zh/zh/train-0000{}-of-00002.parquet"
    assert answer["documents"] == [
        [
            f"{shard.format(number // 2)}#000{number % 2 + 1}",
            line,
            {
                "file": shard.format(number // 2),
                "title": f"p{number % 2}",
                "licence": "cc-by-sa-4.0",
            },
        ]
        for number, line in enumerate(LINES)
    ]
    assert answer["notes"] == [
        {
            "encoding": "UTF-8",
            "commit": commit,
            "config": "zh",
            "split": "train",
            "licence": "cc-by-sa-4.0",
            "field": "body",
            "read_bytes": size,
        }
    ]


def test_the_field_and_the_split_that_are_named(online: Child) -> None:
    answer = online.ask("read", "hf:owner/poems/zh@test", text_field="title")
    assert [document[1] for document in answer["documents"]] == ["p0"]
    assert answer["notes"][0]["split"] == "test"
    error = online.ask("read", "hf:owner/poems/zh", text_field="titel")["error"]
    assert "has no field 'titel'" in error["message"] and "--text-field title" in error["fix"]


def test_without_configurations_and_with_licences_of_rows(online: Child, hub: FakeHub) -> None:
    files = {"README.md": b"no card data", "data.jsonl": rows("one", "two", license="mit")}
    hub.add("dataset", "owner/own", files)
    answer = online.ask("read", "hf:owner/own")
    assert [d[1] for d in answer["documents"]] == ["one", "two"]
    assert {d[2]["licence"] for d in answer["documents"]} == {"mit"}
    assert answer["notes"][0]["licence"] == "not stated"
    assert answer["documents"][0][0] == "hf:owner/own/default/data.jsonl#0001"


def test_the_same_name_is_the_same_corpus_until_the_data_set_changes(
    online: Child, hub: FakeHub, tmp_path: Path
) -> None:
    hub.add("dataset", "owner/news", {"README.md": b"", "data.jsonl": rows(*LINES)})
    first = online.ask("prepare", "hf:owner/news", out=str(tmp_path / "corpus"))
    again = online.ask("prepare", "hf:owner/news", out=str(tmp_path / "corpus"))
    assert first["manifest"]["counts"]["kept"]["documents"] == 4
    assert again["sha256"] == first["sha256"] and "nothing to do" in again["said"]
    hub.add("dataset", "owner/news", {"README.md": b"", "data.jsonl": rows(*LINES, "more")})
    error = online.ask("prepare", "hf:owner/news", out=str(tmp_path / "corpus"))["error"]
    assert "hf:owner/news: changed" in error["got"]


@pytest.mark.parametrize(
    ("name", "message", "expected", "fix"),
    [
        ("owner/poems", "several configurations", "zh, en", "hf:owner/poems/zh"),
        ("owner/poems/enn", "no configuration 'enn'", "zh, en", "mean hf:owner/poems/en?"),
        ("owner/poems/zh@tset", "no split 'tset'", "train, test", "mean hf:owner/poems/zh@test?"),
        ("owner/poms", "there is no data set owner/poms", "", "mean hf:owner/poems?"),
        ("ownr/poems", "there is no data set ownr/poems", "", "mean hf:owner/poems?"),
        ("nobody/nothing", "there is no data set", "owner/name", "HF_TOKEN"),
        ("owner/a/b/c", "is not the name of a data set", "hf:owner/name/config@split", ""),
        ("owner/a--b", "not a name on the hub", "", ""),
    ],
)
def test_names_that_are_wrong(
    online: Child, name: str, message: str, expected: str, fix: str
) -> None:
    error = online.ask("expand", f"hf:{name}")["error"]
    assert error["type"] == "DataError" and message in error["message"]
    assert expected in (error["expected"] or "") and fix in (error["fix"] or "")


@pytest.mark.parametrize(
    ("repo", "message", "fix"),
    [
        (Repo({"data.jsonl": rows("a")}, gated=True), "is gated", "accept its conditions on http"),
        (Repo({"x.py": b"raise SystemExit", "data.jsonl": rows("a")}), "program", "convert/parq"),
        (Repo({"README.md": b"only a card"}), "no files of rows", "look at http"),
        (Repo({"data.parquet": b"PAR1 not really"}), "cannot be read", "hf download owner/x"),
        (Repo({"data.jsonl": rows("a") + b'{"text": '}), "cannot be read", "hf download owner/x"),
        (Repo({"data.jsonl": rows("a")}, broken=("data.jsonl",)), "answers 500", "later"),
        (Repo({"data.jsonl": rows("a")}, dropped=("data.jsonl",)), "connection was lost", "again"),
    ],
)
def test_data_sets_that_cannot_be_read(
    online: Child, hub: FakeHub, repo: Repo, message: str, fix: str
) -> None:
    hub.repos["dataset", "owner/x"] = repo
    error = online.ask("read", "hf:owner/x")["error"]
    assert error["type"] == "DataError" and message in error["message"] and fix in error["fix"]


def test_the_caches(online: Child, offline: Child, hub: FakeHub) -> None:
    streamed = online.ask("read", "hf:owner/poems/zh")
    asked = len(hub.requests)
    assert offline.ask("read", "hf:owner/poems/zh") == streamed
    prepared = offline.ask("read", "hf:owner/rows")
    assert [d[:2] for d in prepared["documents"]] == [
        ["hf:owner/rows#0001", "one"],
        ["hf:owner/rows#0002", "two"],
    ]
    assert prepared["fingerprints"] == online_fingerprint("owner/rows", hub)
    error = offline.ask("read", "hf:owner/poems/fr")["error"]
    assert "no configuration 'fr'" in error["message"]
    error = offline.ask("expand", "hf:owner/other")["error"]
    assert "is not in the cache" in error["message"] and "offline mode is on" in error["got"]
    assert "hf download owner/other" in error["fix"]
    assert len(hub.requests) == asked, "offline is offline"


def online_fingerprint(repo: str, hub: FakeHub) -> dict[str, str]:
    from danlu.data import inputs

    path = Path(f"hf:{repo}")
    file = inputs.SourceFile(
        path, str(path), "hugging_face", 0, 0, version=hub.repos["dataset", repo].sha
    )
    return inputs.fingerprints([file])


def test_no_network(online: Child, offline: Child, hub: FakeHub) -> None:
    hub.down = True
    try:
        answer = online.ask("read", "hf:owner/poems/zh")
        error = online.ask("expand", "hf:owner/other")["error"]
    finally:
        hub.down = False
    assert [d[1] for d in answer["documents"]] == LINES
    assert answer["said"].count("hf:owner/poems/zh: the hub cannot be reached") == 1
    assert "is not in the cache" in error["message"] and "disconnected" in error["got"]
    assert "HF_ENDPOINT" in error["fix"]


def test_names() -> None:
    for text in ("hf:a/b", "hf:a/b/c", "hf:a/b/c@d", "hf:a/b@d"):
        assert str(parse(text)) == text and is_name(Path(text))
    assert parse("hf:a/b.c-d/2023.zh@e") == Name("a/b.c-d", "2023.zh", "e")
    for text in ("hf://datasets/a/b/c.parquet", "hf:/a", "a/hf:b", "hf"):
        assert not is_name(Path(text))
    for text in ("hf:a/b/c/d", "hf:", "hf:a/b@", "hf:a b/c", "hf:squad"):
        with pytest.raises(DataError, match="is not the name of a data set"):
            parse(text)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match="needs the package datasets") as caught:
        danlu_hub.find(parse("hf:a/b"))
    assert caught.value.fix == "pip install 'danlu[hub]'"
    with pytest.raises(MissingExtra):
        library.load()
