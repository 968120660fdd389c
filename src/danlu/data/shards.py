"""Token shards: a corpus in the ids of one tokenizer, memory-mapped.

    tokens-<hash>/train.bin       ids, little-endian, 16 bits if the vocabulary allows, else 32
                  train.idx.npy   [documents + 1] where each document begins (uint64)
                  manifest.json   written last: dtype, counts, hashes, corpus and tokenizer

A stream is BOS, document, BOS, document, …, BOS: the boundary token is what begins a document and
what a model must predict at the end of one. The order is the corpus's, so documents of one file are
neighbours. Of a corpus with a mixture (see `danlu.data.mixture`) the training stream goes over the
corpus several times and takes from each source what its share needs, in tokens; what is held out
is never repeated.

Each file of the corpus is a task of its own (`danlu.data.stages.encode`), in this process, in
several, or on a cluster; the streams do not depend on it. What was encoded before an interruption
is kept in the folder `.NAME.work` beside the output until the shards are complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import danlu
from danlu import files, log
from danlu.data import executors, keys, mixture, token_stream
from danlu.data.corpus import Corpus, check_kind, swap
from danlu.data.executors import Executor
from danlu.data.stages.encode import TOKENIZER
from danlu.data.token_stream import Stream
from danlu.data.work import Task, Work, working
from danlu.errors import ConfigError, DataError
from danlu.tokenizer import Tokenizer

FORMAT = 1
MANIFEST = "manifest.json"
SPLITS = ("train", "held_out")
SMALL_BYTES = 32_000_000
"""Starting other processes takes longer than encoding so little text."""
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


def tokenize(
    corpus: Corpus,
    tokenizer: Tokenizer,
    *,
    folder: Path | None = None,
    executor: Executor | None = None,
) -> Shards:
    """The shards of a corpus for a tokenizer, made if they are not there, or damaged.

    Args:
        corpus: whose text it is.
        tokenizer: whose ids they are.
        folder: where to write; none: see `place`.
        executor: where it is done; none: on all cores of this machine if there is much to do.

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
    with working(folder, disk, first="encode") as work:
        mine = files.hash_of(sorted((n, data.hex()) for n, data in tokenizer.contents.items()))
        plan = {"dtype": dtype.str, "made_from": made_from, "tokenizer": mine}
        if work.start({"danlu": danlu.__version__, **plan}):
            log.say("going on where it was interrupted")
        tokenizer.save(work.folder / TOKENIZER)
        with executor or chosen(corpus) as running:
            making = _Making(work, running, corpus, dtype, tokenizer.bos_id)
            splits = making.splits(weights)
        manifest = {"format": FORMAT, "dtype": dtype.str, "made_from": made_from, "splits": splits}
        disk.write(making.folder / MANIFEST, files.json_bytes(manifest))
        disk.fsync_dir(making.folder)
        work.give_up()
        swap(making.folder, folder, disk)
    return Shards(folder, manifest)


def chosen(corpus: Corpus, *, on: str = "", processes: int = 0) -> Executor:
    """The executor for a corpus; see `executors.chosen`."""
    return executors.chosen(on, processes, text_bytes(corpus), small=SMALL_BYTES)


def text_bytes(corpus: Corpus) -> int:
    """UTF-8 bytes of all text that is trained on or measured with, each document once."""
    return sum(int(corpus.manifest["counts"][split]["bytes"]) for split in SPLITS)


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
class _Making:
    """What both streams are made with."""

    work: Work
    executor: Executor
    corpus: Corpus
    dtype: np.dtype[Any]
    bos: int

    @property
    def folder(self) -> Path:
        """The folder that becomes the shards."""
        return self.work.folder / "shards"

    def splits(self, weights: dict[str, float]) -> dict[str, Any]:
        """Write the streams; returns their lines of the manifest."""
        self.work.disk.rmtree(self.folder)
        self.work.disk.mkdir(self.folder)
        train = self._mixed(weights) if weights else self._split("train")
        return {"train": train, "held_out": self._split("held_out")}

    def _split(self, split: str) -> dict[str, Any]:
        """One split's two files, each document once; returns its line of the manifest."""
        stream = self._stream(split, self.folder / f"{split}.bin", [])
        token_stream.write_index(self.work.disk, self.folder / f"{split}.idx.npy", stream)
        return stream.as_json()

    def _stream(self, split: str, path: Path, sources: list[str]) -> Stream:
        """Write the pieces of a split one after the other, as soon as they are there."""
        noted = [np.zeros((4 if sources else 1, 0), np.uint64)]
        sizes = []
        total = int(self.corpus.manifest["counts"][split]["bytes"]) / 1e6

        def ids() -> Iterator[bytes]:
            with log.Progress(f"tokenize {split}", total, unit="MB") as bar:
                for task, result in self.executor.results(self.work, self._tasks(split, sources)):
                    noted.append(
                        np.array(keys.load(self.work.place(task.stage, task.number, "npy")))
                    )
                    sizes.append(result["bytes"])
                    yield from files.read_parts(self.work.place(task.stage, task.number, "bin"))
                    bar.update(sum(sizes) / 1e6)
            yield np.array([self.bos], self.dtype).tobytes()

        digest = self.work.disk.write(path, ids())
        return Stream(np.concatenate(noted, axis=1), sum(sizes), digest)

    def _tasks(self, split: str, sources: list[str]) -> Iterator[Task]:
        """A task a file; the corpus's checksum is its key."""
        before = sum(len(self.corpus.files(s)) for s in SPLITS[: SPLITS.index(split)])
        for number, name in enumerate(self.corpus.files(split), before):
            file = str((self.corpus.folder / name).absolute())
            key = files.hash_of(self.work.plan, name, self.corpus.manifest["files"][name])
            yield Task("encode", number, key, {"file": file, "sources": sources})

    def _mixed(self, weights: dict[str, float]) -> dict[str, Any]:
        """The files of `train`, drawn by weight; returns its line of the manifest."""
        disk, path, sources = self.work.disk, self.work.folder / BASE, sorted(weights)
        disk.unlink(path)
        once = self._stream("train", path, sources)
        sizes, places, groups, _ = once.documents
        sizes, groups = sizes.astype(np.int64), groups.astype(np.int64)
        amounts = np.bincount(groups, weights=sizes, minlength=len(sources)).astype(int).tolist()
        parts = mixture.plan(dict(zip(sources, amounts, strict=True)), weights)
        mixture.warn(parts)
        counts = mixture.copies(groups, sizes, places, parts)
        base = np.memmap(path, dtype=self.dtype, mode="r")
        stream = token_stream.mix(disk, self.folder / "train.bin", base, once, counts)
        del base
        token_stream.write_index(disk, self.folder / "train.idx.npy", stream)
        return {
            **stream.as_json(),
            "unique_tokens": int(sizes[counts > 0].sum()) + 1,
            "mixture": [p.as_json("tokens") for p in mixture.drawn(parts, groups, sizes, counts)],
        }
