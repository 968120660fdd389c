from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from data_examples import FABLE, POEM

from danlu import discover
from danlu.data import archives, compression, forward, inputs, raw
from danlu.data.source_file import SourceFile
from danlu.errors import DataError

PACK: dict[str, Callable[[bytes], bytes]] = {
    "tar": lambda data: data,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
    "tar.zst": zstandard.ZstdCompressor().compress,
}
KINDS = ["zip", *PACK]
every = pytest.mark.parametrize("kind", KINDS)
FILES = {
    "b.txt": FABLE.encode(),
    "a/poem.md": POEM.encode(),
    "a/rows.jsonl": b"".join(b'{"text": "line %d"}\n' % n for n in range(3000)),
    "c.txt.gz": gzip.compress(b"packed twice"),
}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def tarred(files: dict[str, bytes | tarfile.TarInfo], style: int = tarfile.PAX_FORMAT) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=style) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name) if isinstance(data, bytes) else data
            if isinstance(data, bytes):
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            else:
                archive.addfile(info)
    return target.getvalue()


def archive(kind: str, files: dict[str, Any]) -> bytes:
    return zipped(files) if kind == "zip" else PACK[kind](tarred(files))


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def data_of(file: SourceFile) -> bytes:
    return b"".join(raw.pieces(file))


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    archives.forget()


@every
def test_members_are_files_like_others(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"all.{kind}", archive(kind, FILES))
    found = inputs.expand([path])
    assert [(f.name, f.reader, f.compression) for f in found.files] == [
        (f"all.{kind}/b.txt", "text", ""),
        (f"all.{kind}/a/poem.md", "text", ""),
        (f"all.{kind}/a/rows.jsonl", "jsonl", ""),
        (f"all.{kind}/c.txt.gz", "text", "gzip"),
    ]
    assert [data_of(file) for file in found.files] == [*list(FILES.values())[:3], b"packed twice"]
    assert [file.bytes for file in found.files] == [len(data) for data in FILES.values()]
    assert list(tmp_path.iterdir()) == [path]


@every
def test_the_name_does_not_matter(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "download.txt", archive(kind, FILES))
    write(tmp_path / "noname", archive(kind, FILES))
    found = inputs.expand([tmp_path]).files
    assert [f.name for f in found][::4] == ["download.txt/b.txt", "noname/b.txt"]


@every
def test_members_can_be_read_again_and_in_any_order(kind: str, tmp_path: Path) -> None:
    files = {f"{n}.txt": random.Random(n).randbytes(40_000).hex().encode() for n in range(9)}
    path = write(tmp_path / f"a.{kind}", archive(kind, files))
    found = inputs.expand([path]).files
    order = [*range(9), *random.Random(0).choices(range(9), k=15)]
    assert all(data_of(found[n]) == files[f"{n}.txt"] for n in order)
    halves = [raw.pieces(found[n]) for n in (3, 1, 3)]  # three at once
    turns = [[next(half) for half in halves], [b"".join(half) for half in halves]]
    joined = [first + rest for first, rest in zip(*turns, strict=True)]
    assert joined == [files["3.txt"], files["1.txt"], files["3.txt"]]
    again = [SourceFile.from_json(file.as_json()) for file in found]
    assert again == found
    assert data_of(again[5]) == files["5.txt"]


@every
def test_every_reader_works_in_an_archive(kind: str, tmp_path: Path) -> None:
    table = io.BytesIO()
    pq.write_table(pa.table({"text": [FABLE, POEM]}), table)
    files = {
        "a.parquet": table.getvalue(),
        "b.csv": b"id,text\n1,moon\n2,light\n",
        "c.json": b'[{"text": "moon"}]',
        "d.parquet.gz": gzip.compress(table.getvalue()),
    }
    found = inputs.expand([write(tmp_path / f"x.{kind}", archive(kind, files))]).files
    texts = [
        [d.text for d in discover.find("danlu.data.sources", f.reader, "source").read(f)]
        for f in found
    ]
    assert texts == [[FABLE, POEM], ["moon", "light"], ["moon"], [FABLE, POEM]]


def test_a_compressed_tar_is_unpacked_once_in_order(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(forward, "KEEP", 1 << 20)
    noise = random.Random(0)
    files = {f"{n}.jsonl": b'{"text": "%d"}\n' % noise.getrandbits(500) * 499 for n in range(60)}
    found = inputs.expand([write(tmp_path / "a.tgz", archive("tar.gz", files))]).files
    for file in found:
        list(discover.find("danlu.data.sources", "jsonl", "source").read(file))
    assert archives._open.archive.starts == 1
    data_of(found[0])
    assert archives._open.archive.starts == 2


@every
def test_what_is_skipped_is_counted(kind: str, tmp_path: Path) -> None:
    files = {
        "a.txt": b"x",
        "empty.txt": b"",
        "LICENSE": b"the usual",
        ".hidden/a.txt": b"x",
        "__MACOSX/a.txt": b"x",
        "photo.png": b"x",
        "photo": b"\x89PNG\r\n\x1a\n",
        "inner.zip": zipped({"a.txt": b"x"}),
        "inner.tar.gz": gzip.compress(tarred({"a.txt": b"x"})),
        "folder/": b"",
    }
    if kind != "zip":
        del files["folder/"]
    found = inputs.expand([write(tmp_path / f"a.{kind}", archive(kind, files))])
    assert [file.name for file in found.files] == [f"a.{kind}/a.txt"]
    assert found.skipped == {
        "a PNG image": 1,
        "a binary file": 1,
        "a licence text": 1,
        "an archive inside an archive": 2,
        "an empty file": 1,
        "hidden": 2,
    }


def special(kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo("special")
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.SYMTYPE, "a link in an archive"),
        (tarfile.LNKTYPE, "a link in an archive"),
        (tarfile.CHRTYPE, "a pipe, socket or device in an archive"),
        (tarfile.FIFOTYPE, "a pipe, socket or device in an archive"),
    ],
)
def test_links_and_devices_in_tar(tmp_path: Path, kind: bytes, reason: str) -> None:
    data = tarred({"special": special(kind, "/etc/passwd"), "a.txt": b"x", "folder": folder()})
    found = inputs.expand([write(tmp_path / "a.tar", data)])
    assert [file.name for file in found.files] == ["a.tar/a.txt"]
    assert found.skipped == {reason: 1}


def folder() -> tarfile.TarInfo:
    return special(tarfile.DIRTYPE)


def test_links_in_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("a.txt", "x")
    found = inputs.expand([path])
    assert [file.name for file in found.files] == ["a.zip/a.txt"]
    assert found.skipped == {"a link in an archive": 1}


@every
@pytest.mark.parametrize("name", ["../x.txt", "a/../../x.txt", "/etc/x.txt", "C:\\x.txt", "..\\x"])
def test_names_that_lead_out(kind: str, name: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"bad.{kind}", archive(kind, {"a.txt": b"x", name: b"x"}))
    for given in (path, tmp_path):  # also in a folder: it is no accident
        with pytest.raises(DataError, match=r"bad\.\S+ has a member that leads out") as error:
            inputs.expand([given])
        assert error.value.got == name


def test_harmless_names(tmp_path: Path) -> None:
    names = {
        "./a.txt": b"1",
        "b//..c.txt": b"2",
        "d..txt": b"3",
        "ö/月.txt": b"4",
        "e\\f.txt": b"5",
    }
    for kind in ("zip", "tar"):
        found = inputs.expand([write(tmp_path / f"x.{kind}", archive(kind, names))])
        hidden = found.skipped == {"hidden": 1}  # ..c.txt
        assert hidden
        assert [f.name.split("/", 1)[1] for f in found.files] == [
            "a.txt",
            "d..txt",
            "ö/月.txt",
            "e/f.txt",
        ]
        assert [data_of(f) for f in found.files] == [b"1", b"3", b"4", b"5"]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    data = tarred({"café.txt": b"x"}, tarfile.GNU_FORMAT).replace("é".encode(), b"\xe9 ")
    data = repaired(data)
    (file,) = inputs.expand([write(tmp_path / "a.tar", data)]).files
    file.name.encode()
    assert data_of(file) == b"x"
    data = zipped({"tsch\xfcss.txt": b"x"}).replace(b"\x00\x08\x00\x00", b"\x00\x00\x00\x00")
    (file,) = inputs.expand([write(tmp_path / "a.zip", data)]).files
    assert data_of(file) == b"x"


def repaired(data: bytes) -> bytes:
    """The archive with a right checksum of its first header."""
    block = bytearray(data[:512])
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data[512:]


def test_equal_names_in_one_archive_are_both_read(tmp_path: Path) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for text in (b"one", b"three"):
            info = tarfile.TarInfo("a.txt")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    found = inputs.expand([write(tmp_path / "x.tar", target.getvalue())]).files
    assert [data_of(file) for file in found] == [b"one", b"three"]
    assert len({file.name for file in found}) == 2


def test_archives_of_one_name_stay_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "a.zip", zipped({"t.txt": name.encode()}))
    found = inputs.expand([tmp_path / "one" / "a.zip", tmp_path / "two" / "a.zip"]).files
    assert [file.name for file in found] == ["a.zip/t.txt", "two/a.zip/t.txt"]
    assert [data_of(file) for file in found] == [b"one", b"two"]


@every
def test_empty_archives(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"none.{kind}", archive(kind, {}))
    with pytest.raises(DataError, match="no text in the archive") as error:
        inputs.expand([path])
    assert "an empty archive" in str(error.value)
    write(tmp_path / "a.txt", b"x")
    assert inputs.expand([tmp_path]).skipped == {"an empty archive": 1}


@every
def test_archives_without_text(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"a.{kind}", archive(kind, {"a.png": b"x"}))
    with pytest.raises(DataError, match="no text in the archive") as error:
        inputs.expand([path])
    assert "1 × a binary file" in str(error.value)


@every
@pytest.mark.parametrize("cut", [0.5, 0.9])
def test_archives_that_were_cut(kind: str, cut: float, tmp_path: Path) -> None:
    noise = {f"{n}.txt": random.Random(n).randbytes(3000).hex().encode() for n in range(7)}
    data = archive(kind, noise)
    path = write(tmp_path / f"a.{kind}", data[: int(len(data) * cut)])
    with pytest.raises(DataError, match=r"a\.\S+ is a broken \w+ (archive|file)"):
        for file in inputs.expand([path]).files:
            data_of(file)


def test_damage_in_a_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": b"good " * 99, "b.txt": POEM.encode() * 999}))
    data[data.index(b"b.txt") + 40] ^= 0xFF
    with pytest.raises(DataError, match="broken zip") as error:
        [data_of(file) for file in inputs.expand([write(tmp_path / "x.zip", bytes(data))]).files]
    assert "x.zip" in str(error.value)


def test_a_damaged_header_in_a_tar_is_not_its_end(tmp_path: Path) -> None:
    data = bytearray(tarred({"a.txt": b"1", "b.txt": b"2", "c.txt": b"3"}, tarfile.GNU_FORMAT))
    data[1024 + 150] ^= 0xFF
    with pytest.raises(DataError, match=r"broken tar archive: there is no header at byte 1,024"):
        inputs.expand([write(tmp_path / "a.tar", bytes(data))])


def test_a_second_archive_behind_the_first_is_not_dropped(tmp_path: Path) -> None:
    data = tarred({"a.txt": b"1"}) + tarred({"b.txt": b"2"})
    with pytest.raises(DataError, match="broken tar archive"):
        inputs.expand([write(tmp_path / "a.tar", data)])


def test_headers_that_would_fill_the_memory(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(archives, "MAX_HEADER", 10_000)
    with pytest.raises(DataError, match="a header of"):
        inputs.expand([write(tmp_path / "a.tar", tarred({"x" * 20_000: b"1"}))])


def test_an_encrypted_zip(tmp_path: Path) -> None:
    data = bytearray(zipped({"secret.txt": b"x"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match=r"a\.zip is encrypted") as error:
        inputs.expand([write(tmp_path / "a.zip", bytes(data))])
    assert "secret.txt needs a password" in str(error.value)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_bombs(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    path = write(tmp_path / f"a.{kind}", archive(kind, {"a.txt": b"\n" * (26 << 20)}))
    with pytest.raises(DataError, match="bomb") as error:
        inputs.expand([path])
    assert f"a.{kind}" in str(error.value)
    assert f"at most {compression.MAX_RATIO} fold" in str(error.value)
    monkeypatch.setattr(compression, "MAX_UNPACKED", 100)
    small = write(tmp_path / f"b.{kind}", archive(kind, {"a.txt": FABLE.encode()}))
    with pytest.raises(DataError, match="bomb"):
        inputs.expand([small])


def test_a_zip_that_lies_about_sizes(tmp_path: Path) -> None:
    data = bytearray(zipped({"a.txt": b"\n" * 5_000_000}))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (1000).to_bytes(4, "little")
    data[22:26] = (1000).to_bytes(4, "little")
    with pytest.raises(DataError, match="broken zip"):
        [data_of(file) for file in inputs.expand([write(tmp_path / "a.zip", bytes(data))]).files]


def test_a_packed_bomb_in_a_zip(tmp_path: Path) -> None:
    inner = gzip.compress(bytes(24 << 20))
    (file,) = inputs.expand([write(tmp_path / "a.zip", zipped({"a.txt.gz": inner}))]).files
    with pytest.raises(DataError, match=r"a\.zip/a\.txt\.gz unpacks to far more"):
        data_of(file)


@every
def test_an_archive_that_vanishes_or_changes(kind: str, tmp_path: Path) -> None:
    files = {"a.txt": b"one", "b.txt": b"two"}
    path = write(tmp_path / f"a.{kind}", archive(kind, files))
    first, second = inputs.expand([path]).files
    assert data_of(first) == b"one"
    write(path, archive(kind, {**files, "c.txt": b"3"}))
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match=r"b\.txt changed while it was read"):
        data_of(second)
    path.unlink()
    with pytest.raises(DataError, match=r"b\.txt vanished while it was read"):
        data_of(second)


@every
def test_an_archive_that_may_not_be_read(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    path = write(tmp_path / f"a.{kind}", archive(kind, {"a.txt": b"one"}))
    (file,) = inputs.expand([path]).files

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot read .*: permission denied"):
        data_of(file)


def test_zip_methods(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = write(tmp_path / "a.zip", zipped({"a.txt": FABLE.encode()}, method))
        assert data_of(inputs.expand([path]).files[0]) == FABLE.encode()
        archives.forget()
    data = bytearray(zipped({"a.txt": FABLE.encode()}))
    data[8] = data[data.index(b"PK\x01\x02") + 10] = 9  # Deflate64
    with pytest.raises(DataError, match="compression"):
        inputs.expand([write(path, bytes(data))])


def test_one_member_does_not_use_up_the_memory(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(raw, "MAX_WHOLE", 1000)
    (file,) = inputs.expand([write(tmp_path / "a.zip", zipped({"a.json": b"[" * 2000}))]).files
    with pytest.raises(DataError, match="too large to be read at once"), raw.seekable(file, "why"):
        pass


def test_fingerprints_of_members(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", zipped({"a.txt": b"1", "b.txt": b"2"}))
    before = inputs.fingerprints(inputs.expand([path]).files)
    assert len(set(before.values())) == 2
    assert before == inputs.fingerprints(inputs.expand([path]).files)
    write(path, zipped({"a.txt": b"1", "b.txt": b"3"}))
    os.utime(path, ns=(1, 1))
    assert not set(before.values()) & set(inputs.fingerprints(inputs.expand([path]).files).values())


@pytest.mark.parametrize("keep", [0, 10, 1000])
def test_a_forward_stream_is_a_file(keep: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(forward, "KEEP", keep)
    data, rng = random.Random(1).randbytes(700), random.Random(2)
    file, oracle = forward.Forward(lambda: iter([data[i : i + 9] for i in range(0, 700, 9)])), data
    for _ in range(300):
        at, size = rng.randrange(720), rng.randrange(60)
        file.seek(at)
        assert file.read(size) == oracle[at : at + size]
        assert file.tell() == at + len(oracle[at : at + size])
