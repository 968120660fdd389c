"""Safetensors: byte-equal writing, lazy reading, and files that lie."""

from __future__ import annotations

import json
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch as oracle
import torch

from danlu.errors import ModelError
from danlu.files import Disk
from danlu.models import weights
from danlu.models.weights import INDEX, SINGLE, Reader, dump, dump_sharded, read_header

F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def raw(header: Any, data: bytes = b"", *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def some(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "embed.weight": torch.randn(10, 6, generator=generator),
        "layers.0.w": torch.randn(6, 6, generator=generator).bfloat16(),
        "layers.0.b": torch.randn(6, generator=generator),
        "layers.1.w": torch.randn(6, 6, generator=generator).bfloat16(),
        "step": torch.tensor(7),
    }


# ---- writing

CASES: dict[str, Callable[[], dict[str, torch.Tensor]]] = {
    "float32": lambda: {"b": torch.randn(3, 4), "a": torch.randn(5)},
    "bfloat16": lambda: {"w": torch.randn(3, 5).bfloat16(), "v": torch.randn(1).bfloat16()},
    "mixed": some,
    "int64": lambda: {"ids": torch.arange(7), "mask": torch.tensor([True, False])},
    "zero size": lambda: {
        "z": torch.zeros(0, 3),
        "a": torch.ones(2),
        "y": torch.zeros(2, 0).half(),
    },
    "scalars": lambda: {"x": torch.tensor(1.5), "n": torch.tensor(3), "t": torch.tensor(True)},
    "names": lambda: {
        'q"\\/\n\x01\x7f': torch.ones(1),
        "é": torch.ones(1),
        "丹炉😀": torch.ones(1),
    },
    "nothing": dict,
    "needs grad": lambda: {"p": torch.nn.Parameter(torch.randn(2, 2))},
    "views apart": lambda: dict(zip("qkv", torch.randn(6, 2).split(2), strict=True)),
    "every dtype": lambda: {
        f"x{i}": torch.randint(0, 2, (4 * 8,), dtype=torch.uint8).view(dtype)
        for i, dtype in enumerate(weights.DTYPES.values())
    },
}


@pytest.mark.parametrize("case", CASES)
def test_byte_equal_to_safetensors(case: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    tensors = CASES[case]()
    made = dump(tensors)
    data = b"".join(made)
    assert data == oracle.save(tensors, {"format": "pt"})
    assert made.nbytes == len(data) and b"".join(made) == data  # and again
    Disk().write(tmp_path / "x.safetensors", made)
    with Reader(tmp_path / "x.safetensors") as reader:
        assert set(reader.keys()) == set(tensors)
        for name, tensor in tensors.items():
            assert same(reader.tensor(name), tensor)
            assert reader.shape(name) == tuple(tensor.shape) and reader.dtype(name) == tensor.dtype
    if case != "every dtype":  # safetensors 0.8 writes F8_E8M0 and cannot load it
        assert set(oracle.load(data)) == set(tensors)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    a, b = (t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (a, b))
    return torch.equal(a, b)


def test_without_and_with_more_metadata() -> None:
    tensors = {"a": torch.ones(2)}
    assert b"".join(dump(tensors, {})) == oracle.save(tensors)
    text = b"".join(dump(tensors, {"z": "1", "a": "2"}))
    assert b'{"__metadata__":{"a":"2","z":"1"}' in text  # sorted: safetensors has no fixed order


def test_dense_tensors_are_not_copied() -> None:
    tensor = torch.zeros(4)
    parts = list(dump({"a": tensor}))
    tensor.fill_(1)
    assert bytes(parts[1]) == torch.ones(4).numpy().tobytes()


def test_what_is_not_dense_is_copied(tmp_path: Path) -> None:
    base = torch.randn(4, 6)
    tensors = {
        "columns": base[:, ::2],
        "transposed": torch.randn(3, 2).T,
        "expanded": torch.randn(1, 3).expand(2, 3),
        "conjugate": torch.randn(3, dtype=torch.complex64).conj(),
        "negative": torch.randn(3, dtype=torch.complex64).conj().imag,
    }
    plain = {name: tensor.clone().resolve_conj().contiguous() for name, tensor in tensors.items()}
    assert b"".join(dump(tensors)) == b"".join(dump(plain))


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.zeros(2, device="meta"), "float32 strided on meta"),
        (torch.eye(3).to_sparse(), "sparse_coo"),
        (torch.zeros(2, dtype=torch.complex128), "complex128"),
    ],
)
def test_what_cannot_be_written(tensor: torch.Tensor, said: str) -> None:
    for make in (dump, lambda tensors: dump_sharded(tensors, max_bytes=9)):
        with pytest.raises(ModelError, match="'bad' cannot be written") as caught:
            make({"good": torch.ones(1), "bad": tensor})
        assert said in str(caught.value)


def test_a_tensor_cannot_be_called_metadata() -> None:
    with pytest.raises(ModelError, match="'__metadata__' cannot be written"):
        dump({"__metadata__": torch.ones(1)})


def test_tied_weights_are_refused() -> None:
    tied = torch.randn(4, 3)
    for other in (tied, tied[1:], tied.view(-1)[2:7]):
        with pytest.raises(ModelError, match=r"'embed' and 'head' share memory|'head' and 'embed'"):
            dump({"embed": tied, "x": torch.ones(3), "head": other})


# ---- shards


def write_all(folder: Path, made: dict[str, Any]) -> None:
    for name, parts in made.items():
        Disk().write(folder / name, parts)


@pytest.mark.parametrize("max_bytes", [1, 100, 250, 10_000])
def test_sharded_round_trip(tmp_path: Path, max_bytes: int) -> None:
    tensors = some()
    made = dump_sharded(tensors, max_bytes=max_bytes)
    write_all(tmp_path, made)
    shards = sorted(tmp_path.glob("*.safetensors"))
    if max_bytes == 10_000:
        assert list(made) == [SINGLE]
    else:
        index = json.loads((tmp_path / INDEX).read_text())
        assert index["metadata"]["total_size"] == sum(t.nbytes for t in tensors.values())
        assert list(index["weight_map"]) == sorted(tensors)
        assert shards[0].name == f"model-00001-of-{len(shards):05}.safetensors"
        sizes = [sum(p.end - p.start for p in read_header(s).values()) for s in shards]
        big = [t.nbytes for t in tensors.values() if t.nbytes > max_bytes]
        assert [n for n in sizes if n > max_bytes] == big
    with Reader(tmp_path) as reader:
        assert sorted(reader.keys()) == sorted(tensors)
        assert all(same(reader.tensor(name), tensor) for name, tensor in tensors.items())
        assert reader.metadata == {"format": "pt"} and "step" in reader and "x" not in reader
        with pytest.raises(ModelError, match="no tensor named 'x'"):
            reader.tensor("x")


def test_single_file_wins_over_a_stale_index(tmp_path: Path) -> None:
    write_all(tmp_path, dump_sharded(some(1), max_bytes=100))
    write_all(tmp_path, {SINGLE: dump(some(2))})
    with Reader(tmp_path) as reader:
        assert same(reader.tensor("embed.weight"), some(2)["embed.weight"])


def test_missing_shard_is_named(tmp_path: Path) -> None:
    write_all(tmp_path, dump_sharded(some(), max_bytes=100))
    gone = sorted(tmp_path.glob("*.safetensors"))[1]
    gone.unlink()
    with pytest.raises(ModelError, match=f"{gone.name} is missing"):
        Reader(tmp_path)


def test_shards_of_two_models_are_not_mixed(tmp_path: Path) -> None:
    write_all(tmp_path, dump_sharded(some(), max_bytes=100))
    shards = sorted(tmp_path.glob("*.safetensors"))
    shards[0].write_bytes(b"".join(dump({**some(), "extra": torch.ones(1)})))
    with pytest.raises(ModelError, match="disagree"):
        Reader(tmp_path)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        *(({"a": name}, "may not be read") for name in ("../x.safetensors", "/x.safetensors")),
        *(({"a": name}, "may not be read") for name in ("s/x.safetensors", "x.bin", "x.pt", "")),
        *(({"a": name}, "may not be read") for name in ("x.safetensors\n", "x\0.safetensors")),
        *(({"a": name}, "may not be read") for name in ("C:\\x.safetensors", 3, None, ["x"])),
        *((table, "no weight_map") for table in ({}, [], None, "x", 3)),
        ({f"t{i}": "x.safetensors" for i in range(100_001)}, "no weight_map of 1 to 100,000"),
    ],
)
def test_hostile_index(tmp_path: Path, table: Any, said: str) -> None:
    (tmp_path.parent / "x.safetensors").write_bytes(b"".join(dump({"a": torch.ones(1)})))
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": table}))
    with pytest.raises(ModelError, match=said):
        Reader(tmp_path)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b"{}", b" " * (17 << 20)]
)
def test_broken_index(tmp_path: Path, text: bytes) -> None:
    (tmp_path / INDEX).write_bytes(text)
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json"):
        Reader(tmp_path)


# ---- what is no safetensors


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot read .*no such file"):
        Reader(tmp_path / "absent.safetensors")
    with pytest.raises(ModelError, match="has no weights"):
        Reader(tmp_path)
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="has no weights") as caught:
        Reader(tmp_path)
    assert "index" in caught.value.fix and "00001-of-00002" in str(caught.value)
    os.mkfifo(tmp_path / SINGLE)
    with pytest.raises(ModelError, match="not a plain file"):
        Reader(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(ModelError, match="is a pickle") as caught:
            Reader(path)
        assert "python -c" in caught.value.fix
    (tmp_path / "other.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="pickled weights only"):
        Reader(tmp_path)


def test_the_advice_for_pickles_works(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    tensors = {"w": torch.randn(2, 3).T, "b": torch.ones(2)}
    torch.save(tensors, folder / "pytorch_model.bin")
    with pytest.raises(ModelError) as caught:
        Reader(folder)
    program, *arguments = shlex.split(caught.value.fix)
    assert program == "python"
    subprocess.run([sys.executable, *arguments], check=True)
    with Reader(folder) as reader:
        assert all(torch.equal(reader.tensor(name), tensor) for name, tensor in tensors.items())


# ---- files that lie

EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
D8 = bytes(8)
MOST = 128 << 20  # what the header of an honest file with 100,000 tensors takes
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "0 bytes"),
    "7 bytes": (b"1234567", "7 bytes"),
    "no header": (bytes(8), "8 bytes"),
    "length 0": (bytes(16), "does not start"),
    "length 2^64-1": (b"\xff" * 16, "at most"),
    "length 2^63": (raw({"a": F32}, D8, length=1 << 63), "at most"),
    "length 17 MiB": (raw({"a": F32}, D8, length=17 << 20), "at most"),
    "length past the end": (raw({"a": F32}, D8, length=1000), "cut short"),
    "length into the data": (raw({"a": F32}, D8, length=66), "not valid"),
    "not JSON": (raw(b"{nonsense}"), "not valid"),
    "not UTF-8": (raw(b'{"\xff\xfe": 1}'), "not valid"),
    "a list": (raw([1]), "does not start"),
    "space first": (raw(b" {}  "), "does not start"),
    "deep": (raw(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "too deep"),
    "deep tables": (raw(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "too deep"),
    "name twice": (
        raw(
            json.dumps({"a": F32})[:-1].encode() + b', "a": ' + json.dumps(F32).encode() + b"}", D8
        ),
        "given twice",
    ),
    "key twice": (
        raw(b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', D8),
        "given twice",
    ),
    "no dtype": (raw({"a": {"shape": [2], "data_offsets": [0, 8]}}, D8), "not described"),
    "a key more": (raw({"a": {**F32, "x": 1}}, D8), "not described"),
    "entry a number": (raw({"a": 3}, D8), "not described"),
    "unknown dtype": (raw({"a": {**F32, "dtype": "F31"}}, D8), "unknown type 'F31'"),
    "dtype a list": (raw({"a": {**F32, "dtype": ["F32"]}}, D8), "unknown type"),
    "dtype huge": (raw({"a": {**F32, "dtype": "F" * 10_000}}, D8), "unknown type"),
    "negative dim": (raw({"a": {**F32, "shape": [-2]}}, D8), "the shape"),
    "two negative dims": (raw({"a": {**F32, "shape": [-1, -2]}}, D8), "the shape"),
    "float dim": (raw({"a": {**F32, "shape": [2.0]}}, D8), "the shape"),
    "bool dim": (raw({"a": {**F32, "shape": [True, 2]}}, D8), "the shape"),
    "NaN dim": (raw(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', D8), "the shape"),
    "text shape": (raw({"a": {**F32, "shape": "22"}}, D8), "the shape"),
    "17 dims": (raw({"a": {**F32, "shape": [1] * 16 + [2]}}, D8), "the shape"),
    "product 2^64": (raw({"a": {**F32, "shape": [1 << 32, 1 << 32]}}, D8), "needs 73,786,976"),
    "product wraps to 8": (raw({"a": {**F32, "shape": [(1 << 62) + 2]}}, D8), "by its shape"),
    "dim 2^63": (raw({"a": {**F32, "shape": [1 << 63]}}, D8), "the shape"),
    "dim of 5,000 digits": (
        raw(b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}', D8),
        "not valid",
    ),
    "dim of 1,000 digits": (
        raw(b'{"a":{"dtype":"F32","shape":[' + b"9" * 1000 + b'],"data_offsets":[0,8]}}', D8),
        "the shape",
    ),
    "shape too small": (raw({"a": {**F32, "shape": [1]}}, D8), "needs 4 bytes"),
    "offsets backwards": (raw({"a": {**F32, "data_offsets": [8, 0]}}, D8), "the offsets"),
    "offset negative": (raw({"a": {**F32, "data_offsets": [-8, 0]}}, D8), "the offsets"),
    "three offsets": (raw({"a": {**F32, "data_offsets": [0, 8, 8]}}, D8), "the offsets"),
    "offsets past the end": (raw({"a": F32}, bytes(4)), "its tensors have 8 bytes, the file 4"),
    "bytes left over": (raw({"a": F32}, bytes(9)), "its tensors have 8 bytes, the file 9"),
    "overlap": (
        raw({"a": F32, "b": {**F32, "data_offsets": [4, 12]}}, bytes(12)),
        "'b' starts at byte 4, expected 8",
    ),
    "the same bytes twice": (raw({"a": F32, "b": F32}, D8), "starts at byte 0, expected 8"),
    "hole": (
        raw({"a": F32, "b": {**F32, "data_offsets": [12, 20]}}, bytes(20)),
        "'b' starts at byte 12, expected 8",
    ),
    "empty one in the middle": (
        raw({"a": F32, "b": {**EMPTY, "data_offsets": [4, 4]}}, D8),
        "'b' starts at byte 4, expected 8",
    ),
    "metadata a list": (raw({"__metadata__": [], "a": F32}, D8), "__metadata__"),
    "metadata of numbers": (raw({"__metadata__": {"x": 1}, "a": F32}, D8), "__metadata__"),
    "100,001 tensors": (raw({f"t{i}": EMPTY for i in range(100_001)}), "more than 100,000"),
    "5 million tables": (raw(b'{"a":[' + b"{}," * 5_000_000 + b"{}]}"), "more parts"),
    "5 million lists": (raw(b'{"a":[' + b"[]," * 5_000_000 + b"[]]}"), "more parts"),
    "8 million numbers": (raw(b'{"a":[' + b"0," * 8_000_000 + b"0]}"), "more parts"),
    "4 million texts": (raw(b'{"a":[' + b'"a",' * 4_000_000 + b"0]}"), "more parts"),
    "quotes without end": (raw(b'{"' + b'\\"' * 4_000_000), "not valid"),
    "a trailing backslash": (raw(b'{"a\\'), "not valid"),
}


LARGE = [name for name, (data, _) in HOSTILE.items() if len(data) > 20_000]


@pytest.mark.parametrize("case", [name for name in HOSTILE if name not in LARGE])
def test_hostile_header(tmp_path: Path, case: str) -> None:
    data, said = HOSTILE[case]
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    for read in (read_header, Reader):
        with pytest.raises(ModelError, match=said) as caught:
            read(path)
        assert str(path) in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for its memory")
@pytest.mark.parametrize("case", LARGE)
def test_hostile_header_in_little_memory(tmp_path: Path, case: str) -> None:
    data, said = HOSTILE[case]
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    pid = os.fork()
    if not pid:  # the child may take so much more and no more
        try:
            has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            most = has + 3 * len(data) + MOST
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            resource.setrlimit(resource.RLIMIT_CPU, (10, 10))  # nor search for ever
            read_header(path)
        except ModelError as error:
            os._exit(0 if said in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_large_honest_header(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(raw({f"layers.{i}": EMPTY for i in range(100_000)}))
    assert len(read_header(path)) == 100_000


def test_braces_in_names_are_no_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(raw({"__metadata__": {"config": '{"[,' * 500_000}, '{\\"[': F32}, D8))
    assert list(read_header(path)) == ['{\\"[']


def test_unaligned_and_unordered_files_are_read(tmp_path: Path) -> None:
    one = torch.tensor([1.5, -2.0])
    header = {
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [3, 11]},
        "a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
    }
    path = tmp_path / "x.safetensors"
    path.write_bytes(raw(header, b"\1\2\3" + one.numpy().tobytes()))
    with Reader(path) as reader:
        assert reader.keys() == ["a", "b"] and torch.equal(reader.tensor("b"), one)


def test_a_file_that_shrinks_is_an_error_and_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    Disk().write(path, dump({"a": torch.ones(1000)}))
    with Reader(path) as reader:
        os.truncate(path, 2000)
        with pytest.raises(ModelError, match="ended inside 'a'"):
            reader.tensor("a")


def test_reading_takes_the_memory_of_one_tensor(tmp_path: Path) -> None:
    """In its own process, where the highest resident size is this alone."""
    tensors = {f"t{i}": torch.full((1 << 20,), float(i)) for i in range(40)}  # 160 MiB
    Disk().write(tmp_path / SINGLE, dump(tensors))
    code = (
        "import resource, sys, pathlib; from danlu.models.weights import Reader\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with Reader(pathlib.Path(sys.argv[1])) as reader:\n"
        "    reader.tensor('t0'); before = peak()\n"
        "    total = sum(float(reader.tensor(n)[0]) for n in reader.keys())\n"
        "print(peak() - before, total)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    grown, total = subprocess.run(command, capture_output=True, check=True).stdout.split()
    assert float(total) == sum(range(40)) and int(grown) < 24 << 10  # KiB
