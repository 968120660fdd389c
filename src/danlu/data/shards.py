"""Token shards: a corpus in the ids of one tokenizer, memory-mapped.

    tokens-<hash>/train.bin       ids, little-endian, 16 bits if the vocabulary allows, else 32
                  train.idx.npy   [documents + 1] where each document begins (uint64)
                  manifest.json   written last: dtype, counts, hashes, corpus and tokenizer

A stream is BOS, document, BOS, document, …, BOS: the boundary token is what begins a document and
what a model must predict at the end of one. The order is the corpus's, so documents of one file are
neighbours. Of a corpus with a mixture (see `danlu.data.mixture`) the training stream goes over the
corpus several times and takes from each source what its share needs, in tokens; what is held out
is never repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from danlu import files, log
from danlu.data import mixture, token_stream
from danlu.data.corpus import Corpus, check_kind, replacing
from danlu.errors import ConfigError, DataError
from danlu.tokenizer import Tokenizer

FORMAT = 1
MANIFEST = "manifest.json"
SPLITS = ("train", "held_out")
BASE = "base.bin"
"""Each document once; only there while a mixture is drawn from it."""


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

    def unique(self, split: str) -> int:
        """Tokens in a split, those that a mixture repeats counted once."""
        entry = self.manifest["splits"][split]
        return int(entry.get("unique_tokens", entry["tokens"]))

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
    weights = mixture.weights(corpus.manifest)
    made_from: dict[str, Any] = {"corpus": corpus.sha256, "tokenizer": tokenizer.sha256}
    made_from |= {"mixture": weights} if weights else {}
    if manifest := _intact(folder, made_from):
        return Shards(folder, manifest)
    disk = files.Disk()
    dtype = np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")
    with replacing(folder, disk) as new:
        work = _Work(disk, new, corpus, tokenizer, dtype)
        train = work.mixed(weights) if weights else work.split("train")
        splits = {"train": train, "held_out": work.split("held_out")}
        manifest = {"format": FORMAT, "dtype": dtype.str, "made_from": made_from, "splits": splits}
        disk.write(new / MANIFEST, files.json_bytes(manifest))
    return Shards(folder, manifest)


def _check_place(folder: Path) -> None:
    """Refuse to replace what are no shards."""
    check_kind(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "train.bin").is_file():
        raise ConfigError(
            f"{folder} holds something that is not token shards",
            got=", ".join(sorted(path.name for path in folder.iterdir())[:5]),
            expected="no folder yet, an empty one, or shards",
            fix="choose another --out",
        )


def _intact(folder: Path, made_from: dict[str, Any]) -> dict[str, Any] | None:
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


@dataclass(frozen=True, slots=True)
class _Work:
    """What both streams are made with."""

    disk: files.Disk
    folder: Path
    corpus: Corpus
    tokenizer: Tokenizer
    dtype: np.dtype[Any]

    def split(self, split: str) -> dict[str, Any]:
        """One split's two files, each document once; returns its line of the manifest."""
        path = self.folder / f"{split}.bin"
        stream = token_stream.write(self.disk, path, self.corpus, split, self.tokenizer, self.dtype)
        token_stream.write_index(self.disk, self.folder / f"{split}.idx.npy", stream)
        return stream.as_json()

    def mixed(self, weights: dict[str, float]) -> dict[str, Any]:
        """The files of `train`, drawn by weight; returns its line of the manifest."""
        path, sources = self.folder / BASE, sorted(weights)
        once = token_stream.write(
            self.disk, path, self.corpus, "train", self.tokenizer, self.dtype, sources=sources
        )
        sizes = np.diff(np.frombuffer(once.starts, np.uint64)).astype(np.int64)
        groups = np.frombuffer(once.groups, np.uintc).astype(np.int64)
        amounts = np.bincount(groups, weights=sizes, minlength=len(sources)).astype(int).tolist()
        parts = mixture.plan(dict(zip(sources, amounts, strict=True)), weights)
        mixture.warn(parts)
        counts = mixture.copies(groups, sizes, np.frombuffer(once.places, np.uint64), parts)
        base = np.memmap(path, dtype=self.dtype, mode="r")
        stream = token_stream.mix(self.disk, self.folder / "train.bin", base, once, counts)
        del base
        self.disk.unlink(path)
        token_stream.write_index(self.disk, self.folder / "train.idx.npy", stream)
        return {
            **stream.as_json(),
            "unique_tokens": int(sizes[counts > 0].sum()) + 1,
            "mixture": [p.as_json("tokens") for p in mixture.drawn(parts, groups, sizes, counts)],
        }
