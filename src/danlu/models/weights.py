"""Weights on disk: safetensors and nothing else, read without trust and written as a stream.

Reading checks the whole header in Python integers before a byte of a tensor is allocated, since a
downloaded file may lie about every number in it. A tensor is read when it is asked for, into
memory of its own: peak memory is the tensors that the caller keeps. That is not a memory map on
purpose: a mapped file that somebody truncates kills the process, and its pages count as ours.

Writing yields the bytes that `safetensors.torch.save` would return, without holding them; with
more than one metadata key the keys are sorted here and in no fixed order there. Pickled weights
(`.bin`, `.pt`) are never opened. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from danlu import files
from danlu.errors import DataError, ModelError

MAX_HEADER = 16 << 20
MAX_TENSORS = 100_000
MAX_DIMS = 16
PIECE = 2 << 20
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt")

DTYPES: dict[str, torch.dtype] = {  # in the order of a file: wide ones first, so all are aligned
    "U64": torch.uint64,
    "I64": torch.int64,
    "F64": torch.float64,
    "C64": torch.complex64,
    "F32": torch.float32,
    "U32": torch.uint32,
    "I32": torch.int32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "U16": torch.uint16,
    "I16": torch.int16,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E8M0": torch.float8_e8m0fnu,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_CODES = {dtype: (rank, code) for rank, (code, dtype) in enumerate(DTYPES.items())}
_SHARD = re.compile(r"[\w.-]+\.safetensors")
_TOKEN = re.compile(rb'[{[,]|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)  # linear: no way back


@dataclass(frozen=True, slots=True)
class Slice:
    """Where one tensor lies: bytes `start` to `end` of its file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(path: Path) -> dict[str, Slice]:
    """The tensors of a safetensors file by name, in the order of their bytes.

    Raises:
        ModelError: it is missing, or one of its numbers is wrong.
    """
    with _open(path) as file:
        return _header(path, file)[0]


def _open(path: Path) -> FileIO:
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise ModelError(f"{path} is not a plain file")
        return path.open("rb", buffering=0)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None


def _header(path: Path, file: FileIO) -> tuple[dict[str, Slice], dict[str, str]]:
    """The checked header and the metadata."""
    total = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if total < 10:
        raise _bad(path, f"it has {total} bytes, too few for a header")
    if length > MAX_HEADER:
        raise _bad(path, f"a header of {length:,} bytes; at most {MAX_HEADER:,} are read")
    if length > total - 8:
        raise _bad(path, f"a header of {length:,} bytes in a file of {total:,}: cut short?")
    raw = file.read(length)
    try:
        table = _parse(raw)
    except RecursionError:
        raise _bad(path, "its header is nested too deep") from None
    except ValueError as error:  # not UTF-8, not JSON, a number too long, our own checks
        raise _bad(path, f"its header is not valid: {error}") from None
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or any(type(text) is not str for text in metadata.values()):
        raise _bad(path, "its __metadata__ is not a table of texts")
    if len(table) > MAX_TENSORS:
        raise _bad(path, f"more than {MAX_TENSORS:,} tensors")
    found = sorted(
        ((name, _slice(path, name, entry)) for name, entry in table.items()),
        key=lambda item: (item[1].start, item[1].end),
    )
    at = 0
    for name, part in found:
        if part.start != at:
            raise _bad(path, f"{name!r} starts at byte {part.start:,}, expected {at:,}")
        at = part.end
    if at != total - 8 - length:
        raise _bad(path, f"its tensors have {at:,} bytes, the file {total - 8 - length:,}")
    begin = 8 + length
    return {
        name: Slice(part.dtype, part.shape, part.start + begin, part.end + begin)
        for name, part in found
    }, metadata


def _parse(raw: bytes) -> dict[str, Any]:
    """JSON without doubled keys, of a size bounded before it is built.

    >>> _parse(b'{"a": {}, "a": {}}')
    Traceback (most recent call last):
    ValueError: the name 'a' is given twice
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) < len(pairs):
            name = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"the name {name!r} is given twice")
        return table

    if not raw.startswith(b"{"):
        raise ValueError("it does not start with {")
    if len(raw) > 1 << 20:
        for number, _ in enumerate(_TOKEN.finditer(raw)):
            if number > 20 * MAX_TENSORS:
                raise ValueError(f"more parts than {MAX_TENSORS:,} tensors have")
    table: dict[str, Any] = json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    return table


def _slice(path: Path, name: str, entry: Any) -> Slice:
    """One entry of the header; `start` and `end` count from the first tensor."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _bad(path, f"{name!r} is not described by dtype, shape and data_offsets")
    code, shape, span = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise _bad(path, f"{name!r} has the unknown type {code!r}")
    if not _counts(shape) or len(shape) > MAX_DIMS:
        raise _bad(path, f"{name!r} has the shape {shape!r}")
    if not _counts(span) or len(span) != 2 or span[0] > span[1]:
        raise _bad(path, f"{name!r} has the offsets {span!r}")
    dtype, n_bytes = DTYPES[code], math.prod(shape) * DTYPES[code].itemsize
    if n_bytes != span[1] - span[0]:
        raise _bad(
            path, f"{name!r} needs {n_bytes:,} bytes by its shape, has {span[1] - span[0]:,}"
        )
    return Slice(dtype, tuple(shape), span[0], span[1])


def _counts(value: Any) -> bool:
    """Whether it is a list of integers that fit 63 bits and are not negative; `true` is none."""
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 1 << 63 for n in value)


def _bad(path: Path, what: str) -> ModelError:
    text = what if len(what) < 400 else what[:400] + "…"
    return ModelError(
        f"{path} is not a usable safetensors file: {text}", fix="copy or download it again"
    )


class Reader:
    """The tensors of a file, or of a folder with one file or with shards and their index.

    A single `model.safetensors` wins over an index beside it, as in transformers. Use it in a
    `with` block; a tensor that was read stays valid afterwards.

    Raises:
        ModelError: there are no safetensors here, or they are not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: dict[str, str] = {}
        self._files: list[tuple[Path, FileIO]] = []
        self._where: dict[str, tuple[int, Slice]] = {}
        try:
            if not path.is_dir():
                if path.suffix in PICKLED:
                    raise _pickled(path)
                self._add(path)
            elif (path / SINGLE).exists():
                self._add(path / SINGLE)
            elif (path / INDEX).exists():
                self._add_shards(weight_map(path / INDEX))
            else:
                raise _nothing(path)
        except BaseException:
            self.close()
            raise

    def keys(self) -> list[str]:
        """The names, in the order of the files."""
        return list(self._where)

    def __contains__(self, name: object) -> bool:
        return name in self._where

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, without reading it."""
        return self._find(name)[1].shape

    def dtype(self, name: str) -> torch.dtype:
        """The dtype of a tensor, without reading it."""
        return self._find(name)[1].dtype

    def tensor(self, name: str) -> torch.Tensor:
        """Read one tensor, into memory of its own, on the CPU."""
        return self._read(name, self.shape(name), 0)

    def pieces(
        self, name: str, *, step: int = 1, max_bytes: int = PIECE
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """One tensor in pieces of whole rows, each with the number of its first row.

        So a tensor can be copied to where it belongs without being there twice.

        Args:
            name: of a tensor with one dimension at least.
            step: pieces have a multiple of so many rows, but for the last.
            max_bytes: they have no more bytes than this, unless `step` rows have.
        """
        shape, n_bytes = self.shape(name), self.dtype(name).itemsize
        row = math.prod(shape[1:]) * n_bytes
        rows = max(step, max_bytes // max(row, 1) // step * step)
        for start in range(0, shape[0], rows):
            part = (min(rows, shape[0] - start), *shape[1:])
            yield start, self._read(name, part, start * row)

    def _read(self, name: str, shape: tuple[int, ...], skip: int) -> torch.Tensor:
        """A tensor from the bytes that begin `skip` bytes into the one of that name."""
        number, part = self._find(name)
        path, file = self._files[number]
        tensor = torch.empty(shape, dtype=part.dtype)
        view = _bytes_of(tensor)
        file.seek(part.start + skip)
        while view:
            n = file.readinto(view[: files.CHUNK])
            if not n:
                raise _bad(path, f"it ended inside {name!r}: somebody shortened it")
            view = view[n:]
        return tensor

    def close(self) -> None:
        """Close the files."""
        for _, file in self._files:
            file.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _find(self, name: str) -> tuple[int, Slice]:
        try:
            return self._where[name]
        except KeyError:
            raise ModelError(f"{self.path} has no tensor named {name!r}") from None

    def _add(self, path: Path) -> set[str]:
        file = _open(path)
        self._files.append((path, file))
        header, metadata = _header(path, file)
        self.metadata |= metadata
        self._where |= {name: (len(self._files) - 1, part) for name, part in header.items()}
        return set(header)

    def _add_shards(self, weight_map: dict[str, str]) -> None:
        """Open all shards; the index and their headers must agree, or they are of two models."""
        for shard in sorted(set(weight_map.values())):
            path = self.path / shard
            if not path.is_file():
                raise ModelError(
                    f"{path} is missing: {INDEX} names it", fix="copy or download that file too"
                )
            differ = self._add(path) ^ {name for name, at in weight_map.items() if at == shard}
            if differ:
                raise ModelError(
                    f"{path} and {INDEX} disagree: they are not of one model",
                    got=f"{len(differ)} differing names, {min(differ)!r} first",
                    fix="copy or download the folder again",
                )


def weight_map(path: Path) -> dict[str, str]:
    """The checked table of an index file: tensor name -> file name in the same folder."""
    try:
        value = files.read_json(path, limit=MAX_HEADER)
    except DataError as error:
        raise ModelError(str(error)) from None
    table = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(table, dict) or not 0 < len(table) <= MAX_TENSORS:
        raise ModelError(f"{path} has no weight_map of 1 to {MAX_TENSORS:,} names")
    for shard in table.values():
        if not isinstance(shard, str) or not _SHARD.fullmatch(shard):
            raise ModelError(
                f"{path} points to a file that may not be read",
                got=shard,
                expected="a plain name NAME.safetensors in the same folder",
            )
    return table


def _pickled(path: Path) -> ModelError:
    """The refusal of a pickled file, with the command that converts it in its own process."""
    out = path.with_name(SINGLE) if path.stem in ("pytorch_model", "model") else path
    out = out.with_suffix(".safetensors")
    code = (
        "import sys, torch; from safetensors.torch import save_file; "
        "t = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
        "t = {k: v.contiguous().clone() for k, v in t.items()}; "
        "save_file(t, sys.argv[2], {'format': 'pt'})"
    )
    return ModelError(
        f"{path} is a pickle, which may run code when it is read; Danlu reads safetensors only",
        fix=f'python -c "{code}" {shlex.quote(str(path))} {shlex.quote(str(out))}',
    )


def _nothing(folder: Path) -> ModelError:
    """The error for a folder without weights that can be read."""
    names = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
    pickled = [name for name in names if name.endswith(PICKLED)]
    if len(pickled) == 1:
        return _pickled(folder / pickled[0])
    if pickled:
        return ModelError(
            f"{folder} has pickled weights only ({pickled[0]} …), which may run code when read",
            fix="convert with transformers, in a process of its own: "
            "AutoModelForCausalLM.from_pretrained(IN).save_pretrained(OUT)",
        )
    shards = [name for name in names if name.endswith(".safetensors")]
    return ModelError(
        f"{folder} has no weights",
        got=", ".join(shards or names) or "an empty folder",
        expected=f"{SINGLE}, or shards and {INDEX}",
        fix="download the index too, or name one file" if shards else "",
    )


@dataclass(frozen=True, slots=True)
class Later:
    """A tensor that is made when its turn to be written comes, as parts in the order of its bytes.

    So a model can be written that would not fit into memory.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    parts: Callable[[], Iterator[torch.Tensor]]

    def numel(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes they take."""
        return self.numel() * self.dtype.itemsize


Written = torch.Tensor | Later


@dataclass(frozen=True, slots=True)
class Dump:
    """The bytes of a safetensors file, as parts that are made while one iterates; repeatable.

    Tensors are looked at when their turn comes: hand in copies if they may change meanwhile.
    """

    nbytes: int
    _header: bytes
    _tensors: tuple[Written, ...]

    def __iter__(self) -> Iterator[files.Bytes]:
        yield self._header
        for tensor in self._tensors:
            if isinstance(tensor, Later):
                yield from _in_parts(tensor)
            else:
                yield _bytes_of(tensor)


def _in_parts(tensor: Later) -> Iterator[files.Bytes]:
    """The bytes of its parts, which must be as many as the header says."""
    left = tensor.nbytes
    for part in tensor.parts():
        assert part.dtype == tensor.dtype and part.nbytes <= left, (part.dtype, part.nbytes, left)
        left -= part.nbytes
        yield _bytes_of(part)
    assert not left, left


def dump(tensors: Mapping[str, Written], metadata: Mapping[str, str] = {"format": "pt"}) -> Dump:
    """A safetensors file of these tensors, byte by byte what `safetensors.torch.save` makes.

    Dense tensors on the CPU are not copied; others are, one at a time.

    Raises:
        ModelError: a tensor has no data (meta), is sparse, has a dtype that the format lacks, or
            shares its memory with another: tied weights are written once.

    >>> parts = list(dump({"a": torch.tensor([65, 66], dtype=torch.uint8)}, {}))
    >>> bytes(parts[0][8:]), bytes(parts[1])
    (b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   ', b'AB')
    """
    _check(tensors)
    order = sorted(tensors, key=lambda name: (_CODES[tensors[name].dtype][0], name))
    table: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))} if metadata else {}
    at = 0
    for name in order:
        tensor = tensors[name]
        end = at + tensor.numel() * tensor.dtype.itemsize
        table[name] = {
            "dtype": _CODES[tensor.dtype][1],
            "shape": list(tensor.shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    header = len(text).to_bytes(8, "little") + text
    return Dump(len(header) + at, header, tuple(tensors[name] for name in order))


def dump_sharded(
    tensors: Mapping[str, Written],
    *,
    max_bytes: int,
    metadata: Mapping[str, str] = {"format": "pt"},
) -> dict[str, Dump | bytes]:
    """The files of a model by name: shards of at most `max_bytes` and their index, or one file.

    Tensors keep their order; one that is larger than `max_bytes` gets a shard of its own.
    """
    _check(tensors)
    groups: list[dict[str, Written]] = [{}]
    room = max_bytes
    for name, tensor in tensors.items():
        room -= tensor.nbytes
        if room < 0 and groups[-1]:
            groups.append({})
            room = max_bytes - tensor.nbytes
        groups[-1][name] = tensor
    if len(groups) == 1:
        return {SINGLE: dump(tensors, metadata)}
    result: dict[str, Dump | bytes] = {}
    weight_map: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        shard = f"model-{number:05}-of-{len(groups):05}.safetensors"
        result[shard] = dump(group, metadata)
        weight_map |= dict.fromkeys(group, shard)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    return {**result, INDEX: files.json_bytes(index)}


def _check(written: Mapping[str, Written]) -> None:
    """Refuse what has no bytes, no code, or bytes that another tensor has too."""
    tensors = {name: t for name, t in written.items() if not isinstance(t, Later)}
    for name, t in tensors.items():
        dense = t.layout is torch.strided and t.device.type != "meta"
        if not dense or t.dtype not in _CODES or name == "__metadata__":
            raise ModelError(
                f"{name!r} cannot be written",
                got=f"{t.dtype} {t.layout} on {t.device}".replace("torch.", ""),
                expected="a dense tensor with data, a dtype and a name that safetensors has",
            )
    spans = sorted(
        (str(t.device), t.data_ptr(), t.data_ptr() + t.nbytes, name)
        for name, t in tensors.items()
        if t.is_contiguous() and t.nbytes
    )
    for (device, _, end, name), (its_device, start, _, other) in pairwise(spans):
        if device == its_device and start < end:
            raise ModelError(
                f"{name!r} and {other!r} share memory: a file would hold it twice",
                fix="write tied weights under one name, and clone other views",
            )


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor; the tensor's own memory if it is dense and on the CPU."""
    flat = tensor.detach().to("cpu").resolve_conj().resolve_neg().contiguous()
    array: Any = flat.reshape(-1).view(torch.uint8).numpy()
    return memoryview(array)
