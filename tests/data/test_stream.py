from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from data_examples import source
from hypothesis import given
from hypothesis import strategies as st

from danlu.data import raw, stream
from danlu.errors import DataError


class _Pieces(stream.Unpacked):
    """The same over given pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = memoryview(b"")
        self.offset, self.tail = 0, b""


@given(
    st.lists(st.binary(min_size=1, max_size=9), max_size=9),
    st.lists(st.tuples(st.sampled_from(["read", "peek", "into"]), st.integers(0, 12)), max_size=20),
)
def test_it_reads_as_a_file_does(pieces: list[bytes], calls: list[tuple[str, int]]) -> None:
    ours, theirs = _Pieces(pieces), io.BytesIO(b"".join(pieces))
    for call, size in calls:
        if call == "into":
            buffer, other = bytearray(size), bytearray(size)
            assert ours.readinto(buffer) == theirs.readinto(other)
            assert buffer == other
            continue
        at = theirs.tell()
        expected = theirs.read(size)
        if call == "peek":
            theirs.seek(at)
            assert ours.peek(size) == expected
        else:
            assert ours.read(size) == expected
        assert ours.tell() == theirs.tell()
    assert ours.read() == theirs.read()
    assert ours.read(5) == b""


def test_compressed_files_and_the_tail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "PIECE", 7)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"moonlight over the sea"))
    unpacked = stream.Unpacked(source(tmp_path / "a.txt.gz"))
    assert unpacked.readable() and unpacked.read(9) == b"moonlight"
    assert unpacked.tail == b"oonlight"
    assert unpacked.read() == b" over the sea" and unpacked.tail == b" the sea"


def test_at_once_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"moon")
    assert stream.at_once(source(tmp_path / "a.txt"), 4, "a poem") == b"moon"
    with pytest.raises(DataError, match=r"a\.txt is too large for a poem"):
        stream.at_once(source(tmp_path / "a.txt"), 3, "a poem")
