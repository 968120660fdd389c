"""The header of a GGUF file: what is right is read, and no number in it is believed."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from danlu.errors import ModelError
from danlu.models.gguf.header import KINDS, read_header

pytest.importorskip("gguf")
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader
from gguf_examples import model, raw, text, write

HUGE = (1 << 64) - 1


def u32(n: int) -> bytes:
    return struct.pack("<I", n)


def u64(n: int) -> bytes:
    return struct.pack("<Q", n)


PAIRS = [
    ("general.architecture", 8, text("llama")),
    ("a.bool", 7, b"\1"),
    ("a.float", 6, struct.pack("<f", 0.5)),
    ("a.long", 11, struct.pack("<q", -7)),
    ("a.texts", 9, u32(8) + u64(2) + text("x") + text("月")),
    ("a.numbers", 9, u32(5) + u64(3) + struct.pack("<iii", 1, -2, 3)),
]
ROWS = [("one", (8,), 0, 0), ("two", (32, 2), 8, 32)]
DATA = bytes(range(100))


def read(path: Path, data: bytes):
    (path / "x.gguf").write_bytes(data)
    return read_header(path / "x.gguf")


def refused(path: Path, data: bytes, *words: str) -> str:
    tracemalloc.start()
    try:
        with pytest.raises(ModelError) as caught:
            read(path, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert all(word in said for word in words), said
    assert peak < 4 << 20, "nothing is allocated by a claimed size"
    return said


def test_settings_and_tensors(tmp_path):
    header = read(tmp_path, raw(PAIRS, ROWS, DATA))
    got = header.metadata
    assert got["general.architecture"] == "llama" and got["a.bool"] is True
    assert (got["a.float"], got["a.long"], got["a.texts"]) == (0.5, -7, ["x", "月"])
    assert isinstance(got["a.numbers"], np.ndarray) and got["a.numbers"].tolist() == [1, -2, 3]
    one, two = header.tensors.values()
    assert (one.shape, one.kind.name, one.end - one.start) == ((8,), "F32", 32)
    assert (two.shape, two.kind.name, two.end - two.start) == ((2, 32), "Q8_0", 68)
    assert two.start - one.start == 32 and two.row_bytes == 34


def test_version_2_is_read_too(tmp_path):
    assert read(tmp_path, raw(PAIRS, ROWS, DATA, version=2)).tensors


def test_sizes_of_blocks_are_ggmls():
    for number, kind in KINDS.items():
        theirs = GGMLQuantizationType(number)
        assert kind.name == theirs.name
        assert (kind.block, kind.nbytes) == GGML_QUANT_SIZES[theirs]


def test_it_reads_what_the_gguf_package_reads(tmp_path):
    pytest.importorskip("transformers")
    write(tmp_path / "x.gguf", model("llama"), kind="Q8_0")
    mine, theirs = read_header(tmp_path / "x.gguf"), GGUFReader(tmp_path / "x.gguf")
    fields = {k: f.contents() for k, f in theirs.fields.items() if not k.startswith("GGUF.")}
    assert mine.metadata.keys() == fields.keys()
    for key, value in fields.items():
        got = mine.metadata[key]
        assert (got.tolist() if isinstance(got, np.ndarray) else got) == value, key
    for tensor in theirs.tensors:
        part = mine.tensors[tensor.name]
        assert (part.start, part.end - part.start) == (tensor.data_offset, tensor.n_bytes)
        assert list(part.shape) == tensor.shape.tolist()[::-1]


def test_cut_short_anywhere(tmp_path):
    whole = raw(PAIRS, ROWS, DATA)
    read(tmp_path, whole)
    for length in range(len(whole)):
        with pytest.raises(ModelError, match="not a usable GGUF file"):
            read(tmp_path, whole[:length])


def test_no_file_no_plain_file(tmp_path):
    with pytest.raises(ModelError, match="there is no file"):
        read_header(tmp_path / "none.gguf")
    with pytest.raises(ModelError, match="not a plain file"):
        read_header(tmp_path)


def test_another_format(tmp_path):
    refused(tmp_path, b"PK\3\4" + bytes(100), "starts with", "GGUF")
    refused(tmp_path, raw(PAIRS, ROWS, DATA, version=1), "version 1")
    refused(tmp_path, raw(PAIRS, ROWS, DATA, version=3 << 24), "big-endian")


@pytest.mark.parametrize("counts", [(HUGE, 6), (100_001, 6), (2, HUGE), (2, 10_001)])
def test_absurd_counts(tmp_path, counts):
    refused(tmp_path, raw(PAIRS, ROWS, DATA, counts=counts), "it claims")


@pytest.mark.parametrize("counts", [(3, 6), (100_000, 6), (2, 7), (2, 10_000)])
def test_more_than_there_is(tmp_path, counts):
    refused(tmp_path, raw(PAIRS, ROWS, DATA, counts=counts))


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        (("k", 8, u64(HUGE) + b"x"), "bytes; at most"),
        (("k", 8, u64(1 << 20) + b"x"), "cut short"),
        (("k", 8, text(b"\xff\xfe")), "not UTF-8"),
        (("k", 9, u32(8) + u64(HUGE)), "claims"),
        (("k", 9, u32(8) + u64(20) + text("x")), "claims"),
        (("k", 9, u32(6) + u64(HUGE)), "cut short"),
        (("k", 9, u32(0) + u64(1 << 40)), "cut short"),
        (("k", 9, u32(9) + u64(1) + u32(0) + u64(0)), "list of the type 9"),
        (("k", 9, u32(77) + u64(1)), "list of the type 77"),
        (("k", 77, b""), "unknown type 77"),
        (("k", 7, b"\2"), "neither 0 nor 1"),
        (("a.bool", 7, b"\1"), "given twice"),
        (("general.alignment", 4, u32(0)), "power of two"),
        (("general.alignment", 4, u32(48)), "power of two"),
        (("general.alignment", 8, text("32")), "power of two"),
    ],
)
def test_settings_that_lie(tmp_path, pair, word):
    refused(tmp_path, raw([*PAIRS, pair], [], b""), word)


def test_a_name_longer_than_the_file(tmp_path):
    whole = raw(PAIRS, ROWS, DATA)
    refused(tmp_path, whole[:24] + u64(60_000) + whole[32:], "cut short")
    refused(tmp_path, whole[:24] + u64(HUGE) + whole[32:], "at most")


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (("two", (32, 2), 8, 0), "lies at byte 0, expected 32"),
        (("two", (32, 2), 8, 64), "lies at byte 64, expected 32"),
        (("two", (32, 2), 8, HUGE), "expected 32"),
        (("two", (64, 2), 8, 32), "cut short"),
        (("two", (HUGE >> 1, HUGE >> 1, HUGE >> 1), 0, 32), "cut short"),
        (("two", (HUGE, 2), 8, 32), "has the shape"),
        (("two", (0, 2), 8, 32), "has the shape"),
        (("two", (), 8, 32), "0 dimensions"),
        (("two", (1, 1, 1, 1, 1), 0, 32), "5 dimensions"),
        (("two", (33, 2), 8, 32), "blocks of 32"),
        (("two", (32, 2), 999, 32), "type 999"),
        (("two", (32, 2), 16, 32), "not read"),
        (("one", (8,), 0, 32), "given twice"),
    ],
)
def test_tensors_that_lie(tmp_path, row, word):
    refused(tmp_path, raw(PAIRS, [ROWS[0], row], DATA), word)


def test_a_count_of_dimensions_that_is_absurd(tmp_path):
    whole = raw(PAIRS, ROWS, DATA)
    at = whole.index(b"one") + 3
    refused(tmp_path, whole[:at] + u32(0xFFFF_FFFF) + whole[at + 4 :], "dimensions")


def test_one_of_several_pieces(tmp_path):
    pair = ("split.count", 2, struct.pack("<H", 3))
    refused(tmp_path, raw([*PAIRS, pair], ROWS, DATA), "one of 3 pieces", "--merge")


def test_alignment_is_kept(tmp_path):
    pairs = [*PAIRS, ("general.alignment", 4, u32(64))]
    data = raw(pairs, [ROWS[0], ("two", (32, 2), 8, 64)], bytes(300))
    one, two = read(tmp_path, data).tensors.values()
    assert two.start - one.start == 64 and one.start % 64 == 0
