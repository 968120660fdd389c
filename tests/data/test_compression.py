from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from data_examples import FABLE, POEM, source

from danlu.data import compression, inputs, raw
from danlu.errors import DataError

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
SUFFIX = {"gzip": ".gz", "zstd": ".zst", "bzip2": ".bz2", "xz": ".xz"}


@functools.cache
def bomb(codec: str) -> bytes:
    return PACK[codec](bytes(36 << 20))


every = pytest.mark.parametrize("codec", list(PACK))
TEXT = "".join(f"{n} 春眠不觉晓，处处闻啼鸟。{FABLE}\n" for n in range(2000)).encode()


def unpacked(data: bytes, codec: str, **options: int) -> bytes:
    parts = list(compression.unpacked(io.BytesIO(data), codec, "a", size=len(data), **options))
    assert all(len(part) <= options.get("piece", compression.PIECE) for part in parts)
    return b"".join(parts)


@every
@pytest.mark.parametrize("piece", [100, 4096, compression.PIECE])
def test_what_was_packed_comes_out(codec: str, piece: int) -> None:
    assert unpacked(PACK[codec](TEXT), codec, piece=piece) == TEXT


@every
def test_what_is_read_at_once_changes_nothing(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "READ", 7)
    assert unpacked(PACK[codec](TEXT[:5000]), codec, piece=64) == TEXT[:5000]


@every
def test_several_streams_padding_and_nothing(codec: str) -> None:
    pack = PACK[codec]
    assert unpacked(pack(b"one\n") + pack(b"") + pack(b"two\n") + bytes(64), codec) == b"one\ntwo\n"
    assert unpacked(pack(b""), codec) == b""


def test_frames_that_zstd_skips() -> None:
    skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    data = skipped + PACK["zstd"](TEXT) + skipped + PACK["zstd"](b"end")
    assert compression.recognised(data, "a") == "zstd"
    assert unpacked(data, "zstd") == TEXT + b"end"


def test_a_long_window_of_zstd() -> None:
    options = zstandard.ZstdCompressionParameters(window_log=31, enable_ldm=True)
    data = zstandard.ZstdCompressor(compression_params=options).compressobj()
    assert unpacked(data.compress(TEXT) + data.flush(), "zstd") == TEXT


@every
def test_content_says_how_a_file_is_packed(codec: str, tmp_path: Path) -> None:
    packed = PACK[codec](TEXT)
    for name in ("a.txt", "a", f"a.txt{SUFFIX[codec]}", "a.md.gz"):
        path = tmp_path / name
        path.write_bytes(packed)
        file = source(path)
        assert (file.compression, file.reader) == (codec, "text")
        assert "".join(raw.text(file)).encode() == TEXT
        assert file.notes["read_bytes"] == len(packed)
    (tmp_path / f"plain{SUFFIX[codec]}").write_bytes(b"not packed")
    assert source(tmp_path / f"plain{SUFFIX[codec]}").compression == ""


@every
def test_formats_inside(codec: str, tmp_path: Path) -> None:
    (tmp_path / f"a.jsonl{SUFFIX[codec]}").write_bytes(PACK[codec](b'{"text": "moon"}\n'))
    (tmp_path / f"b.csv{SUFFIX[codec]}").write_bytes(PACK[codec](b"id,text\n1,moon\n"))
    assert [file.reader for file in inputs.expand([tmp_path]).files] == ["jsonl", "csv"]


@every
def test_a_file_that_was_cut_is_named_with_its_offset(codec: str, tmp_path: Path) -> None:
    data = PACK[codec](FABLE.encode() * 10)
    for cut in (len(data) - 1, len(data) // 2, 8):
        path = tmp_path / f"a.txt{SUFFIX[codec]}"
        path.write_bytes(data[:cut])
        with pytest.raises(DataError, match=rf"a\.txt\S+ is a broken {codec} file") as error:
            list(raw.pieces(source(path)))
        assert f"byte {cut} of {cut}" in str(error.value)


@every
@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
def test_a_damaged_file(codec: str, place: float, tmp_path: Path) -> None:
    data = bytearray(PACK[codec](POEM.encode() * 3))
    data[int(place * len(data))] ^= 0xFF
    path = tmp_path / f"a{SUFFIX[codec]}"
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"is a broken {codec} file"):
        list(raw.pieces(source(path)))


@every
def test_what_follows_a_stream_is_not_dropped(codec: str) -> None:
    with pytest.raises(DataError, match="broken"):
        unpacked(PACK[codec](TEXT) + b"more text", codec)


@every
def test_bombs(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=f"a {codec} bomb") as error:
        unpacked(bomb(codec), codec)
    assert f"at most {compression.MAX_RATIO} fold" in str(error.value)
    monkeypatch.setattr(compression, "MAX_UNPACKED", 100)
    with pytest.raises(DataError, match=f"a {codec} bomb"):
        unpacked(PACK[codec](FABLE.encode()), codec)


@every
def test_a_bomb_is_stopped_early(codec: str) -> None:
    given = 0
    with pytest.raises(DataError):
        for part in compression.unpacked(io.BytesIO(bomb(codec)), codec, "a"):
            given += len(part)
    limit = compression.FREE_BYTES + compression.READ * compression.MAX_RATIO
    assert given <= limit < 36 << 20


def test_memory_is_bounded_also_for_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression._Zstd, "SLICE", 64)
    unpacker = compression._Zstd()
    assert len(unpacker.decompress(bomb("zstd"), 1 << 20)) <= (1 << 20) + 64 / 4 * (128 << 10)
    assert not unpacker.needs_input
