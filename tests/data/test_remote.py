from __future__ import annotations

import functools
import gzip
import http.server
import importlib.util
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_examples import FABLE, POEM
from fsspec.implementations.memory import MemoryFileSystem

from danlu import discover
from danlu.data import archives, inputs, prepare, raw, remote, urls
from danlu.data.settings import PrepareSettings
from danlu.data.source_file import SourceFile
from danlu.errors import DataError, MissingExtra, UnknownName

needs_http = pytest.mark.skipif(
    not importlib.util.find_spec("aiohttp"), reason="needs danlu[remote]"
)


def zipped(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def parquet() -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table({"text": [FABLE, POEM]}), target)
    return target.getvalue()


FILES = {
    "a.txt": FABLE.encode(),
    "b/c.jsonl.gz": gzip.compress(b'{"text": "moon"}\n' * 9),
    "b/d.parquet": parquet(),
    "b/e.zip": zipped({"x.txt": POEM.encode(), "y.parquet": parquet()}),
    "b/noname": parquet(),
    "photo.png": b"\x89PNG\r\n\x1a\n",
    ".hidden": b"x",
    "LICENSE": b"x",
}
NAMES = ["a.txt", "b/c.jsonl.gz", "b/d.parquet", "b/e.zip/x.txt", "b/e.zip/y.parquet", "b/noname"]


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    fs = fsspec.filesystem("memory")
    for name, data in FILES.items():
        fs.pipe(f"/texts/{name}", data)
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    archives.forget()


def texts(files: list[SourceFile]) -> list[list[str]]:
    readers = [discover.find("danlu.data.sources", file.reader, "source") for file in files]
    pairs = zip(readers, files, strict=True)
    return [[document.text for document in reader.read(file)] for reader, file in pairs]


TEXTS = [[FABLE], ["moon"] * 9, [FABLE, POEM], [POEM], [FABLE, POEM], [FABLE, POEM]]


def test_a_remote_folder(memory: MemoryFileSystem) -> None:
    found = inputs.expand(["memory://texts"])
    assert [file.name for file in found.files] == NAMES
    assert found.skipped == {"a binary file": 1, "a licence text": 1, "hidden": 1}
    assert texts(found.files) == TEXTS
    again = [SourceFile.from_json(file.as_json()) for file in found.files]
    assert texts(again[::-1]) == TEXTS[::-1]
    assert all(file.notes["read_bytes"] == file.bytes for file in found.files[:2])


def test_remote_files_and_patterns(memory: MemoryFileSystem) -> None:
    found = inputs.expand(["memory://texts/b/*.parquet", "memory://texts/a.txt", "memory://texts"])
    assert [file.name for file in found.files[:2]] == ["d.parquet", "a.txt"]
    assert found.skipped["given twice"] == 2
    memory.pipe("/odd/a[1].txt", b"x")
    assert [f.name for f in inputs.expand(["memory://odd/a[1].txt"]).files] == ["a[1].txt"]


def test_a_folder_and_its_url_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    found = inputs.expand([f"file://{tmp_path}", tmp_path])
    assert [(file.name, file.path) for file in found.files] == [("a.txt", tmp_path / "a.txt")]
    assert inputs.expand([f"file://{tmp_path}/*.txt"]).files == found.files


def test_remote_and_local_files_of_one_name(memory: MemoryFileSystem, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    found = inputs.expand([tmp_path / "a.txt", "memory://texts/a.txt"]).files
    assert [file.name for file in found] == ["a.txt", "a.txt~2"]


def test_nothing_at_a_url(memory: MemoryFileSystem) -> None:
    for url in ("memory://texts/gone.txt", "memory://nowhere"):
        with pytest.raises(DataError, match="nothing at memory://"):
            inputs.expand([url])
    with pytest.raises(DataError, match="nothing matches memory://"):
        inputs.expand(["memory://texts/*.csv"])
    memory.pipe("/empty/a.txt", b"")
    with pytest.raises(DataError, match="is not text"):
        inputs.expand(["memory://empty/a.txt"])
    with pytest.raises(DataError, match="no text in memory://"):
        inputs.expand(["memory://empty"])


def test_a_remote_file_that_vanishes_or_changes(memory: MemoryFileSystem) -> None:
    files = {file.name: file for file in inputs.expand(["memory://texts"]).files}
    memory.pipe("/texts/a.txt", FABLE.encode())  # as large as it was, and another
    with pytest.raises(DataError, match=r"a\.txt changed"):
        list(raw.pieces(files["a.txt"]))
    memory.rm("/texts/b", recursive=True)
    for name in NAMES[1:]:
        with pytest.raises(DataError, match=r"nothing at memory://\S+b/"):
            texts([files[name]])


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), TimeoutError("slow")])
def test_a_connection_that_breaks(memory: MemoryFileSystem, monkeypatch: Any, error: Any) -> None:
    files = inputs.expand(["memory://texts"]).files
    opened = MemoryFileSystem._open

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 10:
                raise error
            return super().read(10)

    def breaking(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        return Breaking(opened(self, path, *args, **kwargs).getvalue())

    monkeypatch.setattr(MemoryFileSystem, "_open", breaking)
    with pytest.raises(DataError, match=r"cannot read memory://\S+/a\.txt") as caught:
        list(raw.pieces(files[0]))
    assert type(error).__name__ in str(caught.value)
    for file in files:
        with pytest.raises(DataError, match="cannot read memory://"):
            texts([file])


def test_a_file_that_ends_too_early(memory: MemoryFileSystem, monkeypatch: Any) -> None:
    (file,) = inputs.expand(["memory://texts/a.txt"]).files
    monkeypatch.setattr(MemoryFileSystem, "_open", lambda *_, **__: io.BytesIO(b"cut"))
    with pytest.raises(DataError, match="cannot read") as error:
        list(raw.pieces(file))
    assert f"it ended after 3 of {file.bytes}" in str(error.value)


def test_remote_files_give_a_corpus_and_fingerprints(
    memory: MemoryFileSystem, tmp_path: Path
) -> None:
    settings = PrepareSettings(min_characters=1, steps=("exact",), held_out=0.3)
    first = prepare.prepare(["memory://texts"], tmp_path / "corpus", settings)
    assert first.manifest["counts"]["train"]["documents"] > 0
    prepare.prepare(["memory://texts"], tmp_path / "corpus", settings)  # nothing to do
    before = inputs.fingerprints(inputs.expand(["memory://texts"]).files)
    memory.pipe("/texts/a.txt", FABLE.encode())
    after = inputs.fingerprints(inputs.expand(["memory://texts"]).files)
    assert [name for name in before if before[name] != after[name]] == ["a.txt"]


def test_a_url_that_lost_a_slash() -> None:
    for given in ("s3:/bucket/a", Path("s3://bucket/a")):
        with pytest.raises(DataError, match="no file or folder") as error:
            inputs.expand([given])
        assert "did you mean s3://bucket/a?" in error.value.fix


def test_protocols_that_nobody_knows_or_has(monkeypatch: Any) -> None:
    with pytest.raises(UnknownName, match="s33"):
        inputs.expand(["s33://bucket/a"])

    def missing(name: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(MissingExtra, match="needs the package s3fs") as error:
        inputs.expand(["s3://bucket/a"])
    assert error.value.fix == "pip install 'danlu[remote]'"
    with pytest.raises(MissingExtra, match="reading gs:// URLs"):
        inputs.expand(["gs://bucket/a"])


def test_urls_in_errors_keep_secrets() -> None:
    error = remote.broke("https://me:secret@host/a?sig=secret", OSError("https://me:secret@host/a"))
    assert "secret" not in str(error)
    assert urls.shown("s3://key:secret@bucket/a@b") == "s3://bucket/a@b"


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder as it is, or with ranges, or without a size, or only half of each file."""

    how = "plain"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            super().do_GET()
            return
        data, status, first = path.read_bytes(), 200, 0
        size = len(data)
        if self.how == "ranges" and (asked := self.headers.get("Range")):
            first, last = (int(n) for n in asked.removeprefix("bytes=").split("-"))
            data, status = data[first : last + 1], 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{size}")
        if self.how != "no size":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.how == "half" else data)
        self.close_connection = True

    def do_HEAD(self) -> None:
        if self.how != "no size":
            super().do_HEAD()
        else:
            self.send_response(200)
            self.end_headers()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "site"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    handler = functools.partial(Server, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
    Server.how = "plain"
    archives.forget()


HTTP = ["a.txt", "b/c.jsonl.gz", "b/d.parquet", "b/e.zip", "b/noname"]


@needs_http
@pytest.mark.parametrize("how", ["plain", "ranges", "no size"])
def test_http(site: str, how: str) -> None:
    Server.how = how
    found = inputs.expand([f"{site}/{name}?token=1" for name in HTTP])
    assert [f.name for f in found.files] == [name.removeprefix("b/") for name in NAMES]
    assert all(file.bytes == 0 for file in found.files[:3]) == (how == "no size")
    assert texts(found.files) == TEXTS


@needs_http
def test_patterns_take_the_links_of_a_page(site: str) -> None:
    found = inputs.expand([f"{site}/b/*.parquet"])
    assert [file.name for file in found.files] == ["d.parquet"]
    assert texts(found.files) == [[FABLE, POEM]]


@needs_http
def test_http_that_fails(site: str) -> None:
    with pytest.raises(DataError, match="nothing at http://127"):
        inputs.expand([f"{site}/gone.txt"])
    Server.how = "ranges"
    files = inputs.expand([f"{site}/{name}" for name in HTTP]).files
    Server.how = "half"
    for file in files[:2]:
        with pytest.raises(DataError, match=r"cannot read http://127\S+"):
            texts([file])


@needs_http
def test_a_server_that_is_not_there() -> None:
    with pytest.raises(DataError, match="nothing at http://127") as error:
        inputs.expand(["http://127.0.0.1:9/a.txt"])
    assert "connect" in str(error.value).lower()
