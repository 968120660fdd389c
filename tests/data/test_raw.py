from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_examples import FABLE, source

from danlu.data import compression, raw
from danlu.errors import DataError, UnknownName


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
@pytest.mark.parametrize("gz", [False, True])
def test_text_is_the_same_in_pieces_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, gz: bool
) -> None:
    text = "".join(f"{n} 春眠不觉晓，处处闻啼鸟。\r\n" for n in range(200))
    data = text.encode(codec)
    path = write(tmp_path / "a.txt", gzip.compress(data) if gz else data)
    for size in (512, 4097):
        monkeypatch.setattr(raw, "PIECE", size)
        file = source(path)
        assert "".join(raw.text(file)) == text
        assert [line for _, line in raw.lines(file)] == text.split("\r\n")[:-1]
        assert file.notes["read_bytes"] == file.bytes


def test_a_bad_byte_far_into_the_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = ("月光 " + "x" * 40 + "\n").encode() * 100
    file = source(write(tmp_path / "a.txt", good + b"x\xe6" + good))
    monkeypatch.setattr(raw, "PIECE", 333)
    with pytest.raises(DataError, match=rf"byte {len(good) + 1:,} \(line 101\)"):
        list(raw.text(file))


def test_nul_after_the_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "PIECE", 1024)
    file = source(write(tmp_path / "a.txt", b"text\n" * 1000 + b"\x00"))
    with pytest.raises(DataError, match=r"a\.txt is not text"):
        list(raw.text(file))


def test_a_named_encoding_is_used_and_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "naïve café".encode("latin-1"))
    assert "".join(raw.text(source(path, encoding="latin-1"))) == "naïve café"
    with pytest.raises(DataError, match="but byte 2"):
        list(raw.text(source(path, encoding="utf-8")))
    with pytest.raises(UnknownName, match="latin-l"):
        list(raw.text(source(path, encoding="latin-l")))


def test_one_enormous_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "MAX_LINE", 1000)
    monkeypatch.setattr(raw, "PIECE", 128)
    file = source(write(tmp_path / "a.jsonl", b"short\n" + b"x" * 1200 + b"\n"))
    with pytest.raises(DataError, match=r"a\.jsonl:2 is one enormous line"):
        list(raw.lines(file))
    assert len(list(raw.lines(source(write(tmp_path / "b.txt", b"x" * 999 + b"\n" + b"y"))))) == 2


def test_a_value_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "MAX_WHOLE", 100)
    file = source(write(tmp_path / "a.json", b"x" * 101))
    for whole in (raw.whole, raw.whole_text):
        with pytest.raises(DataError, match=r"too large to be read at once \(why\)"):
            whole(file, "why")


def test_gzip_with_several_members_and_padding(tmp_path: Path) -> None:
    data = gzip.compress(b"one\n") + gzip.compress(b"two\n") + bytes(64)
    assert raw.whole(source(write(tmp_path / "a.gz", data)), "") == b"one\ntwo\n"
    assert list(raw.lines(source(write(tmp_path / "b.gz", gzip.compress(b""))))) == []


def test_truncated_gzip_is_named_with_its_offset(tmp_path: Path) -> None:
    data = gzip.compress(FABLE.encode() * 10)
    for cut in (len(data) - 1, len(data) - 12, 30, 3):
        file = source(write(tmp_path / "a.txt.gz", data[:cut]))
        with pytest.raises(DataError, match=r"a\.txt\.gz is a broken gzip file") as error:
            list(raw.pieces(file))
        assert f"byte {cut} of {cut}" in str(error.value)


@pytest.mark.parametrize("place", [11, 40, -6])
def test_corrupt_gzip(tmp_path: Path, place: int) -> None:
    data = bytearray(gzip.compress(FABLE.encode()))
    data[place] ^= 0xFF
    with pytest.raises(DataError, match=r"a\.gz is a broken gzip file"):
        list(raw.pieces(source(write(tmp_path / "a.gz", bytes(data)))))


def test_gzip_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.txt.gz", gzip.compress(bytes(24 << 20)))
    with pytest.raises(DataError, match="a gzip bomb") as error:
        list(raw.pieces(source(path)))
    assert "at most 250 fold" in str(error.value)
    monkeypatch.setattr(compression, "MAX_UNPACKED", 100)
    with pytest.raises(DataError, match="a gzip bomb"):
        list(raw.pieces(source(write(tmp_path / "b.gz", gzip.compress(FABLE.encode())))))


def test_repetitive_but_honest_gzip_passes(tmp_path: Path) -> None:
    text = b"".join(b"line %d of a long log\n" % n for n in range(400_000))
    file = source(write(tmp_path / "a.gz", gzip.compress(text, 9)))
    assert len(text) > compression.FREE_BYTES
    assert sum(map(len, raw.pieces(file))) == len(text)


def test_a_file_that_vanishes_or_changes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"text")
    file = source(path)
    write(path, b"more text")
    with pytest.raises(DataError, match=r"a\.txt changed while it was read"):
        list(raw.pieces(file))
    path.unlink()
    with pytest.raises(DataError, match=r"a\.txt vanished"):
        list(raw.pieces(file))


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = source(write(tmp_path / "a.txt", b"text"))

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot read .*a\.txt: permission denied"):
        list(raw.pieces(file))


def test_a_file_that_is_written_again_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "PIECE", 100)
    path = write(tmp_path / "a.txt", b"old text\n" * 99)
    parts = raw.pieces(source(path))
    next(parts)
    write(path, b"new text\n" * 99)
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match=r"a\.txt changed while it was read"):
        list(parts)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_to_seek_in(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    file = source(write(tmp_path / "a.txt", pack(b"moonlight")))
    with raw.seekable(file, "why") as handle:
        handle.seek(4)
        assert handle.read() == b"light"
    (tmp_path / "a.txt").unlink()
    with pytest.raises(DataError, match="vanished"), raw.seekable(file, "why"):
        pass


def test_one_enormous_line_in_a_compressed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw, "MAX_LINE", 1 << 20)
    file = source(write(tmp_path / "a.jsonl.gz", gzip.compress(b'{"text": "' + b"x" * (2 << 20))))
    with pytest.raises(DataError, match=r"a\.jsonl\.gz:1 is one enormous line"):
        list(raw.lines(file))
