"""A corpus on disk: cleaned text, split into what is trained on and what is held out.

manifest.json             what it is made of and how; written last, so it is there or nothing is
train-00000.parquet …     documents to train on
held_out-00000.parquet …  documents to measure with
removed-00000.parquet …   what cleaning took out, each with its reason
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from danlu import discover, files
from danlu.data import parts, rows
from danlu.errors import ConfigError, DanluError, DataError
from danlu.types import Document

FORMAT = 1
MANIFEST = "manifest.json"

PARTS = ("train", "held_out", "removed")


@dataclass(frozen=True, slots=True)
class Corpus:
    """An opened corpus."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Corpus:
        """The corpus in a folder, after a check of its manifest and of the sizes of its files.

        Raises:
            DataError: there is none, it has another format, or a file is missing or truncated.
        """
        if not (folder / MANIFEST).is_file():
            raise _absent(folder)
        manifest = files.read_json(folder / MANIFEST)
        if not isinstance(manifest, dict) or manifest.get("kind") != "corpus":
            raise DataError(
                f"{folder} is not a corpus",
                got=f"a {MANIFEST} of something else",
                expected="a folder that `danlu prepare` wrote",
            )
        if manifest.get("format") != FORMAT:
            raise DataError(
                f"{folder} is a corpus of another version of Danlu",
                got=f"format {manifest.get('format')}",
                expected=f"format {FORMAT}",
                fix="prepare it again with --force",
            )
        check_shape(folder, manifest)
        for name, record in manifest["files"].items():
            _check_size(folder / name, record["bytes"])
        return cls(folder, manifest)

    @property
    def sha256(self) -> str:
        """A hash of all text that is trained on or measured with, and of its order."""
        names = self.files("train") + self.files("held_out")
        return files.hash_of([self.manifest["files"][name]["sha256"] for name in names])

    def documents(self, part: str = "train") -> Iterator[Document]:
        """The documents of `train`, `held_out` or `removed`, in the order they were read.

        Raises:
            UnknownName: there is no such part.
            DataError: a file is damaged.
        """
        for batch in self.batches(part):
            yield from rows.documents(batch)

    def batches(
        self, part: str = "train", columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a part in order, with all columns or some of them.

        Raises:
            UnknownName: there is no such part.
            DataError: a file is damaged.
        """
        if part not in PARTS:
            raise discover.unknown("part of a corpus", part, PARTS)
        for name in self.files(part):
            yield from parts.read(self.folder / name, columns)

    def files(self, part: str) -> list[str]:
        """Names of the files of a part, in order."""
        return sorted(name for name in self.manifest["files"] if name.startswith(f"{part}-"))

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises:
            DataError: one of them differs; the message names it.
        """
        for name, record in self.manifest["files"].items():
            digest = files.sha256(self.folder / name)
            if digest != record["sha256"]:
                raise DataError(
                    f"{self.folder / name} is damaged",
                    got=f"SHA-256 {digest}",
                    expected=record["sha256"],
                    fix="prepare the corpus again with --force",
                )


_SHAPE = {"files": dict, "recipe": dict, "counts": dict, "removed": dict, "sources": list}
_PART = re.compile(rf"(?:{'|'.join(PARTS)})-\d+\.parquet")


def check_shape(folder: Path, manifest: dict[str, Any]) -> None:
    """Check that a manifest has what every reader of it relies on, whoever wrote it.

    Raises:
        DataError: something is absent or of another kind, or a file is not one of the folder.
    """
    wrong = [name for name, kind in _SHAPE.items() if not isinstance(manifest.get(name), kind)]
    if wrong := wrong or list(_misshapen(manifest)):
        raise DataError(
            f"{folder / MANIFEST} is damaged",
            got=f"nothing sensible under {', '.join(wrong)}",
            expected="a manifest as `danlu prepare` writes it",
            fix="prepare the corpus again with --force",
        )


def _misshapen(manifest: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be inside the parts of a manifest."""
    for name, record in manifest["files"].items():
        if not _PART.fullmatch(name) or not _has(record, bytes=int, sha256=str):
            yield f"files: {name}"
    counted = {name: manifest["counts"].get(name) for name in ("kept", "train", "held_out")}
    for name, amount in [*counted.items(), *manifest["removed"].items()]:
        if not _has(amount, documents=int, bytes=int):
            yield f"counts: {name}"
    if not _has(manifest["recipe"], steps=list) or not all(
        isinstance(step, str) for step in manifest["recipe"]["steps"]
    ):
        yield "recipe: steps"
    if not all(_has(row, file=str) for row in manifest["sources"]):
        yield "sources"


def _has(record: object, **fields: type) -> bool:
    """Whether it is an object with these fields, of these types."""
    return isinstance(record, dict) and all(
        isinstance(record.get(name), kind) for name, kind in fields.items()
    )


def is_corpus(path: Path) -> bool:
    """Whether a folder holds a corpus, whole or not."""
    try:
        manifest = files.read_json(path / MANIFEST)
    except DataError:
        return False
    return isinstance(manifest, dict) and manifest.get("kind") == "corpus"


@contextlib.contextmanager
def replacing(out: Path, disk: files.Disk) -> Iterator[Path]:
    """An empty folder to write into, which becomes `out` when the block ends without an error.

    A corpus that is there already stays until then. After an error nothing is left; what a killed
    process left is cleared away by the next one.

    Raises:
        ResourceError: another process is at it, or the disk fails.
    """
    new = out.with_name(f".{out.name}.new")
    with files.Lock(new) as lock, _nothing_left(new):
        for path in sorted(new.iterdir()):
            if path != lock.path:
                disk.rmtree(path) if path.is_dir() else disk.unlink(path)
        yield new
        disk.fsync_dir(new)
    with _nothing_left(new):
        disk.unlink(lock.path)
        swap(new, out, disk)


@contextlib.contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Delete the folder if the block fails, however it fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(DanluError):
            files.Disk().rmtree(folder)
        raise


def swap(new: Path, out: Path, disk: files.Disk) -> None:
    """Put a folder in the place of another; if that fails, the old one is back."""
    old = out.with_name(f".{out.name}.old")
    disk.rmtree(old)
    if out.exists():
        disk.rename(out, old)
    try:
        disk.rename(new, out)
    except BaseException:
        if old.exists():
            files.Disk().rename(old, out)
        raise
    disk.fsync_dir(out.parent)
    disk.rmtree(old)


def real_folder(out: Path) -> Path:
    """An output where it really lies: behind a link, which stays.

    Raises:
        ResourceError: no folder can be there: its name is too long, or a part of it is a file.
        ConfigError: its name has a NUL in it, or is not UTF-8.
    """
    try:
        real = Path(os.path.realpath(out))
        str(real).encode()  # Arrow opens nothing else
        with files.explained(out, "use"), contextlib.suppress(FileNotFoundError):
            real.stat()
    except ValueError:
        raise ConfigError(
            f"no corpus can be in {str(out)!r}",
            expected="a folder with a name in UTF-8, without NUL",
            fix="another --out",
        ) from None
    return real


def check_kind(out: Path) -> None:
    """Check that what is at an output, if anything is, is a folder: a device is not replaced.

    Raises:
        ConfigError: it is something else.
    """
    if os.path.lexists(out) and not out.is_dir():
        what = "a file" if out.is_file() else "not a folder"
        raise ConfigError(f"{out} is {what}", expected="a folder to write", fix="another --out")


def make_way(out: Path, *, force: bool) -> None:
    """Check that a corpus may be written at `out`.

    Raises:
        ConfigError: no folder is there, or one with other things; or a corpus, without `force`.
    """
    check_kind(out)
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not is_corpus(out):
        raise ConfigError(
            f"{out} holds something that is not a corpus",
            got=", ".join(sorted(path.name for path in out.iterdir())[:5]),
            expected="no folder yet, an empty one, or a corpus",
            fix="choose another --out",
        )
    if not force:
        raise ConfigError(f"{out} holds another corpus", fix="--force, or another --out")


def _absent(path: Path) -> DataError:
    siblings = [p.parent.name for p in path.parent.glob(f"*/{MANIFEST}")]
    hint = discover.nearest(path.name, siblings)
    return DataError(
        f"there is no corpus in {path}",
        expected=f"a folder with a {MANIFEST}",
        fix=f"did you mean {path.parent / hint}?" if hint else f"danlu prepare PATH --out {path}",
    )


def _check_size(path: Path, expected: int) -> None:
    got = path.stat().st_size if path.is_file() else None
    if got != expected:
        raise DataError(
            f"{path} is missing" if got is None else f"{path} is truncated",
            got="no file" if got is None else f"{got:,} bytes",
            expected=f"{expected:,} bytes",
            fix="prepare the corpus again with --force",
        )
