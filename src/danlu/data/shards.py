"""Token shards: a corpus in the ids of one tokenizer, memory-mapped.

    tokens-<hash>/train.bin       ids, little-endian, 16 bits if the vocabulary allows, else 32
                  train.idx.npy   [documents + 1] where each document begins (uint64)
                  manifest.json   written last: dtype, counts, hashes, corpus and tokenizer

A stream is BOS, document, BOS, document, …, BOS: the boundary token is what begins a document and
what a model must predict at the end of one. The order is the corpus's, so documents of one file are
neighbours.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from danlu import files, log
from danlu.data.corpus import Corpus, replacing
from danlu.errors import ConfigError, DataError
from danlu.tokenizer import Tokenizer
from danlu.types import Document

FORMAT = 1
MANIFEST = "manifest.json"
SPLITS = ("train", "held_out")
BATCH = 512


@dataclass(frozen=True)
class Shards:
    """The token streams of a corpus."""

    folder: Path
    manifest: dict[str, Any]

    def tokens(self, split: str) -> npt.NDArray[np.unsignedinteger]:
        """[N] ids of a split, memory-mapped.

        Raises:
            DataError: the file is missing or has another length than the manifest says.
        """
        path, entry = self.folder / f"{split}.bin", self.manifest["splits"][split]
        dtype = np.dtype(self.manifest["dtype"])
        want = entry["tokens"] * dtype.itemsize
        if not path.is_file() or path.stat().st_size != want:
            got = path.stat().st_size if path.is_file() else "no file"
            raise DataError(
                f"{path} is damaged",
                got=f"{got} bytes" if isinstance(got, int) else got,
                expected=f"{want} bytes",
                fix=f"delete {self.folder}: it is made again from the corpus",
            )
        return np.memmap(path, dtype=dtype, mode="r")

    def text_bytes(self, split: str) -> int:
        """UTF-8 bytes of the original text of a split."""
        return int(self.manifest["splits"][split]["bytes"])

    def count(self, split: str) -> int:
        """Tokens in a split."""
        return int(self.manifest["splits"][split]["tokens"])

    @property
    def sha256(self) -> str:
        """What was trained on: a hash over the streams."""
        return files.hash_of(*(self.manifest["splits"][split]["sha256"] for split in SPLITS))


def place(corpus: Corpus, tokenizer: Tokenizer) -> Path:
    """Where the shards of a corpus for a tokenizer are, unless another folder is asked for."""
    return corpus.folder / f"tokens-{tokenizer.sha256[:12]}"


def tokenize(corpus: Corpus, tokenizer: Tokenizer, *, folder: Path | None = None) -> Shards:
    """The shards of a corpus for a tokenizer, made if they are not there, or damaged.

    Raises:
        ConfigError: `folder` holds something else.
        DataError: the corpus is damaged.
        ResourceError: the disk is full, or another process makes them just now.
    """
    if folder is not None:
        _check_place(folder)
    folder = folder or place(corpus, tokenizer)
    made_from = {"corpus": corpus.sha256, "tokenizer": tokenizer.sha256}
    if manifest := _intact(folder, made_from):
        return Shards(folder, manifest)
    disk = files.Disk()
    dtype = np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")
    with replacing(folder, disk) as new:
        splits = {split: _write(disk, new, corpus, split, tokenizer, dtype) for split in SPLITS}
        manifest = {"format": FORMAT, "dtype": dtype.str, "made_from": made_from, "splits": splits}
        disk.write(new / MANIFEST, files.json_bytes(manifest))
    return Shards(folder, manifest)


def _check_place(folder: Path) -> None:
    """Refuse to replace what are no shards."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "train.bin").is_file():
        raise ConfigError(
            f"{folder} holds something that is not token shards",
            got=", ".join(sorted(path.name for path in folder.iterdir())[:5]),
            expected="no folder yet, an empty one, or shards",
            fix="choose another --out",
        )


def _intact(folder: Path, made_from: dict[str, str]) -> dict[str, Any] | None:
    """The manifest of shards that are what they should be, to the last byte."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        manifest = files.read_json(folder / MANIFEST)
        if manifest["format"] != FORMAT or manifest["made_from"] != made_from:
            return None
        for split in SPLITS:
            if files.sha256(folder / f"{split}.bin") != manifest["splits"][split]["sha256"]:
                raise DataError(f"{split}.bin has changed")
    except (DataError, OSError, KeyError, TypeError) as error:
        log.warn(f"{folder} is damaged and is made again: {error}")
        return None
    return dict(manifest)


def _write(
    disk: files.Disk,
    folder: Path,
    corpus: Corpus,
    split: str,
    tokenizer: Tokenizer,
    dtype: np.dtype[Any],
) -> dict[str, Any]:
    """One split's two files; returns its line of the manifest."""
    starts, size = [0], 0
    total = int(corpus.manifest["counts"][split]["documents"])

    def parts() -> Iterator[bytes]:
        nonlocal size
        with log.Progress(f"tokenize {split}", total, unit="documents") as bar:
            for batch in _batched(corpus.documents(split), BATCH):
                pieces = []
                encoded = tokenizer.encode_batch([document.text for document in batch])
                for document, ids in zip(batch, encoded, strict=True):
                    pieces += [tokenizer.bos_id, *ids]
                    starts.append(starts[-1] + 1 + len(ids))
                    size += len(document.text.encode())
                yield np.asarray(pieces, dtype).tobytes()
                bar.update(len(starts) - 1, note=log.size(size))
        yield np.asarray([tokenizer.bos_id], dtype).tobytes()

    digest = disk.write(folder / f"{split}.bin", parts())
    index = io.BytesIO()
    np.save(index, np.asarray(starts, np.uint64))
    disk.write(folder / f"{split}.idx.npy", index.getvalue())
    return {"tokens": starts[-1] + 1, "documents": len(starts) - 1, "bytes": size, "sha256": digest}


def _batched(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    documents = iter(documents)
    while batch := list(islice(documents, size)):
        yield batch
