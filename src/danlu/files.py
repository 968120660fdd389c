"""Writing what must not be lost: the only module that creates, renames or deletes files.

A `Disk` has eight verbs. Production uses `Disk()`; a test passes a subclass that kills the process
or fills the disk at the n-th call, so no switch for tests exists in production code. A file is
whole or absent: it is written under another name, synced, renamed, and its folder synced (after
"All File Systems Are Not Created Equal", Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from danlu.errors import DataError, ResourceError

Bytes = bytes | bytearray | memoryview
CHUNK = 1 << 22


class Disk:
    """The eight verbs. Every error of the operating system comes out as a ResourceError."""

    def mkdir(self, path: Path) -> None:
        """Create a folder and its parents; fine if it is there."""
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, parts: Bytes | Iterable[Bytes], *, sync: bool = True) -> str:
        """Create `path`, which must not exist, from its parts; returns the SHA-256 in hex."""
        digest = hashlib.sha256()
        with explained(path):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                for part in [parts] if isinstance(parts, Bytes) else parts:
                    view = memoryview(part).cast("B")
                    digest.update(view)
                    while view:  # os.write may write less than it was given
                        view = view[os.write(handle, view[:CHUNK]) :]
                if sync:
                    os.fsync(handle)
            finally:
                os.close(handle)
        return digest.hexdigest()

    def append(self, path: Path, data: bytes) -> None:
        """Add to the end of a file in one write; creates it. Not synced: for logs."""
        with explained(path):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
            finally:
                os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Rename; a file in the way is replaced atomically."""
        with explained(new):
            os.replace(old, new)  # noqa: PTH105 - Path.replace is the same call, less plain

    def link(self, old: Path, new: Path) -> None:
        """Give `old` a second name; copies where the file system has no hard links."""
        with explained(new):
            try:
                new.hardlink_to(old)
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV):
                    raise
                self.write(new, read_parts(old))

    def fsync_dir(self, path: Path) -> None:
        """Make the names in a folder durable."""
        with explained(path):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def unlink(self, path: Path) -> None:
        """Delete a file; fine if it is not there."""
        with explained(path):
            path.unlink(missing_ok=True)

    def rmtree(self, path: Path) -> None:
        """Delete a folder and all in it; fine if it is not there."""
        with explained(path), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError about `path` into a ResourceError that says what to do."""
    try:
        yield
    except ResourceError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fixes = {
            errno.ENOSPC: "free some space on this disk or choose another --out",
            errno.EDQUOT: "your quota is used up: free some space or choose another --out",
            errno.EFBIG: "the file is larger than this disk or your limits allow",
            errno.EACCES: "choose a folder that you may write to",
            errno.EPERM: "choose a folder that you may write to",
            errno.EROFS: "this disk is read-only: choose another --out",
            errno.ENOTDIR: "a part of the path is a file: choose another --out",
            errno.EEXIST: "something with that name is in the way: move it or choose another --out",
        }
        raise ResourceError(
            f"cannot write {path}: {reason}", fix=fixes.get(error.errno or 0, "")
        ) from error


def write_atomic(path: Path, data: Bytes, *, disk: Disk | None = None, sync: bool = True) -> str:
    """Put `data` at `path` so that a reader sees the old file or the new one; returns its SHA-256.

    `sync=False` is for views that are rewritten every second: atomic, but not durable.
    """
    disk = disk or Disk()
    disk.mkdir(path.parent)
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    disk.unlink(new)
    try:
        digest = disk.write(new, data, sync=sync)
        disk.rename(new, path)
    except ResourceError:
        with contextlib.suppress(ResourceError):
            disk.unlink(new)
        raise
    if sync:
        disk.fsync_dir(path.parent)
    return digest


def write_json(path: Path, value: Any, *, disk: Disk | None = None, sync: bool = True) -> str:
    """`write_atomic` of a value as readable JSON (UTF-8, no escapes)."""
    return write_atomic(path, json_bytes(value), disk=disk, sync=sync)


def json_bytes(value: Any) -> bytes:
    """A value as indented JSON with a last line feed."""
    return (json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n").encode()


def read_json(path: Path, *, limit: int = 64 << 20) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: it is missing, larger than `limit` bytes, or not JSON.
    """
    try:
        if path.stat().st_size > limit:
            raise DataError(f"{path} is too large", got=path.stat().st_size, expected=f"≤ {limit}")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {(error.strerror or '').lower()}") from None
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON-lines log; a torn last line (the writer was killed) is dropped."""
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")
    complete = lines[:-1]  # a whole file ends in a line feed
    records = []
    for number, line in enumerate(complete, 1):
        if line.strip():
            try:
                records.append(json.loads(line))
            except ValueError:
                raise DataError(f"{path}:{number} is not JSON", got=line[:80].decode()) from None
    return records


def read_parts(path: Path) -> Iterator[bytes]:
    """A file in pieces of 4 MiB."""
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            yield part


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    for part in read_parts(path):
        digest.update(part)
    return digest.hexdigest()


def hash_of(*values: object) -> str:
    """A short stable hash (16 hex digits) of values that JSON can say.

    >>> hash_of("a", 1) == hash_of("a", 1) != hash_of("a", 2)
    True
    """
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def free_bytes(path: Path) -> int:
    """Free space on the disk that holds `path` or its nearest existing parent."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


class Lock:
    """One process at a time in a folder: an advisory lock on `folder/LOCK`, gone with its holder.

    Raises:
        ResourceError: another process holds it; the message says which.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "LOCK"

    def __enter__(self) -> Lock:
        Disk().mkdir(self.path.parent)
        with explained(self.path):
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _try_lock(self._handle):
            holder = os.pread(self._handle, 4096, 0).decode(errors="replace").strip()
            os.close(self._handle)
            raise ResourceError(
                f"{self.path.parent} is in use by another process",
                got=holder,
                fix="wait for it, stop it, or choose another --out",
            )
        who = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, json.dumps(who).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _try_lock(handle: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
