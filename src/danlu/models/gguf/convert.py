"""A GGUF file as a Hugging Face model folder: danlu, transformers and vLLM open it.

Everything that the header says is checked before the first byte is written. Then weights go from
file to file in pieces of some rows, so memory does not grow with the model; they get their names
when all are written, and config.json comes last: a folder that has it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch

from danlu import files, log
from danlu.errors import ConfigError, ModelError, ResourceError
from danlu.models import weights
from danlu.models.gguf import architecture, numbers, vocabulary
from danlu.models.gguf.architecture import Move
from danlu.models.gguf.header import Header, opened, read_header
from danlu.models.gguf.tokenizer_files import tokenizer_files
from danlu.models.gguf.vocabulary import Vocabulary

PIECE = 16 << 20
"""Bytes of float32 that are in memory at a time; unpacking takes some times as much."""

SHARD_BYTES = 4 << 30

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Converted:
    """What was read and written."""

    architecture: str
    model_type: str
    parameters: int
    kinds: dict[str, int]
    """How many tensors were stored in which way."""
    tokens: int
    chat_template: bool
    read_bytes: int
    written_bytes: int
    licence: str | None


def convert(
    path: Path, out: Path, *, dtype: str = "float32", shard_bytes: int = SHARD_BYTES
) -> Converted:
    """Write the model folder `out` from a GGUF file.

    float32 holds every number as the file says it; the others round.

    Raises:
        ModelError: the file is damaged, or of a kind that is not supported; nothing is written.
        ConfigError: there is something in `out` already.
        MissingExtra: it is quantised, and the `gguf` package is not installed.
        ResourceError: the disk is full or not writable.
    """
    header = read_header(path)
    plan = architecture.plan(header)
    numbers.check_package(header)
    tokens = vocabulary.read(header, header.tensors["token_embd.weight"].shape[0])
    small = _small_files(plan.config, tokens, dtype)
    _check_out(out)
    with opened(path) as file:
        later = {move.name: _later(header, file, move, DTYPES[dtype]) for move in plan.moves}
        dumps = weights.dump_sharded(later, max_bytes=shard_bytes)
        _check_room(out, sum(len(d) if isinstance(d, bytes) else d.nbytes for d in dumps.values()))
        _write(out, dumps, small)
    kinds = [part.kind.name for part in header.tensors.values()]
    licence = header.metadata.get("general.license")
    return Converted(
        architecture=str(header.metadata["general.architecture"]),
        model_type=plan.config["model_type"],
        parameters=sum(tensor.numel() for tensor in later.values()),
        kinds={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        tokens=len(tokens.tokens),
        chat_template="chat_template.jinja" in small,
        read_bytes=header.nbytes,
        written_bytes=sum(file.stat().st_size for file in out.iterdir()),
        licence=licence if isinstance(licence, str) else None,
    )


def _small_files(config: dict[str, Any], tokens: Vocabulary, dtype: str) -> dict[str, bytes]:
    """All files but the weights; config.json is the last."""
    ids = {f"{name}_token_id": number for name, number in tokens.ids.items() if name != "unk"}
    ends: Any = tokens.ends if len(tokens.ends) > 1 else tokens.ids.get("eos")
    more = {"dtype": dtype, "torch_dtype": dtype}  # transformers 5 and 4
    context = config.get("max_position_embeddings", config.get("n_positions"))
    assert isinstance(context, int)
    return {
        **tokenizer_files(tokens, max_len=context),
        "generation_config.json": files.json_bytes(ids | {"eos_token_id": ends}),
        "config.json": files.json_bytes(config | ids | more),
    }


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is no folder", fix="choose another --out")
    if out.is_dir():
        files.sweep(out)
        if there := sorted(path.name for path in out.iterdir()):
            raise ConfigError(
                f"{out} is not empty", got=", ".join(there[:5]), fix="choose another --out"
            )


def _check_room(out: Path, nbytes: int) -> None:
    free = files.free_bytes(out)
    if free < nbytes:
        raise ResourceError(
            f"the disk has no room for {out}",
            got=f"{log.size(free)} free",
            expected=f"{log.size(nbytes)}",
            fix="free some space, choose another --out, or --dtype bfloat16",
        )


def _write(out: Path, dumps: dict[str, weights.Dump | bytes], small: dict[str, bytes]) -> None:
    disk, new = files.Disk(), []
    disk.mkdir(out)
    try:
        for name, parts in dumps.items():
            disk.unlink(files.temporary(out / name))
            new.append(out / name)
            disk.write(files.temporary(out / name), parts)
    except BaseException:
        for path in new:
            with suppress(ResourceError):
                disk.unlink(files.temporary(path))
        with suppress(OSError):
            out.rmdir()
        raise
    for path in new:
        disk.rename(files.temporary(path), path)
    disk.fsync_dir(out)
    for name, data in small.items():
        files.write_atomic(out / name, data)


def _later(header: Header, file: BinaryIO, move: Move, dtype: torch.dtype) -> weights.Later:
    make: Callable[[], Iterator[torch.Tensor]] = partial(_pieces, header, file, move, dtype)
    return weights.Later(dtype, move.shape, make)


def _pieces(
    header: Header, file: BinaryIO, move: Move, dtype: torch.dtype
) -> Iterator[torch.Tensor]:
    """A tensor's numbers, some rows at a time.

    Raises:
        ModelError: they are not finite, or become so in `dtype`.
    """
    part, vector = move.part, len(move.shape) == 1
    rows, columns = (1, part.shape[0]) if vector else part.shape
    head = rows // move.heads if move.heads and not vector else 1
    step = max(PIECE // (4 * columns * head), 1) * head
    if move.how == "T":
        step = rows
    for first in range(0, rows, step):
        raw = numbers.raw_rows(header, file, part, first, min(step, rows - first))
        if head > 1:
            raw = raw.reshape(-1, head // 2, 2, part.row_bytes).swapaxes(1, 2)
            raw = raw.reshape(-1, part.row_bytes)
        tensor = numbers.float32(raw, part.kind)
        if vector and move.heads:
            tensor = tensor.reshape(move.heads, -1, 2).transpose(1, 2)
        if move.how == "less 1":
            tensor = tensor - 1
        if move.how == "T":
            tensor = tensor.T
        yield _finite(header, move, tensor, dtype)


def _finite(header: Header, move: Move, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    out = tensor.to(dtype)
    if torch.isfinite(out).all():
        return out
    if not torch.isfinite(tensor).all():
        raise ModelError(
            f"tensor {move.part.name} of {header.path} holds infinities or NaN",
            fix="download it again, or take another quantisation of this model",
        )
    raise ModelError(
        f"tensor {move.part.name} holds numbers too large for {str(dtype).removeprefix('torch.')}",
        got=f"{tensor.abs().max().item():g}",
        fix="--dtype bfloat16 or float32",
    )
