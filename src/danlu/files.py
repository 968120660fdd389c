"""Writing what must not be lost: the only module that creates, renames or deletes files.

A `Disk` has eight verbs. Production uses `Disk()`; a test passes a subclass that kills the process
or fills the disk at the n-th call, so no switch for tests exists in production code. A file is
whole or absent: it is written under another name, synced, renamed, and its folder synced (after
"All File Systems Are Not Created Equal", Pillai et al., OSDI 2014).

What a caller may rely on: an interrupted system call is repeated (PEP 475) and a short one
continued; a failed fsync is never repeated, because the kernel may have dropped the pages: the
file is deleted and the error raised ("Can Applications Recover from fsync Failures?", Rebello et
al., USENIX ATC 2020).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from danlu.errors import DataError, ResourceError

Bytes = bytes | bytearray | memoryview
CHUNK = 1 << 22
_NEW = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)\.new")
_NO_LINKS = (
    *(errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS),
    *(errno.EMLINK, errno.EXDEV, errno.EINVAL),
)


class Disk:
    """The eight verbs. Every error of the operating system comes out as a ResourceError."""

    def mkdir(self, path: Path) -> None:
        """Create a folder and its parents; fine if it is there."""
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, parts: Bytes | Iterable[Bytes], *, sync: bool = True) -> str:
        """Create `path`, which must not exist, from its parts; returns the SHA-256 in hex.

        When it fails, the part that was written is deleted. The name is durable only after
        `fsync_dir` of the folder.
        """
        digest = hashlib.sha256()
        with explained(path):
            handle = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                try:
                    for part in [parts] if isinstance(parts, Bytes) else parts:
                        view = _flat(part)
                        digest.update(view)
                        _write_all(handle, view)
                    if sync:
                        _sync(handle)
                finally:
                    os.close(handle)
            except BaseException:
                with contextlib.suppress(OSError):
                    path.unlink()
                raise
        return digest.hexdigest()

    def append(self, path: Path, data: bytes) -> None:
        """Add to the end of a file, which is created if absent; not synced: for logs.

        When it fails, the file is as long as before, so that a half record does not spoil the
        next one. One writer at a time.
        """
        with explained(path):
            handle = _open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            try:
                before = os.fstat(handle).st_size
                try:
                    _write_all(handle, memoryview(data))
                except OSError:
                    with contextlib.suppress(OSError):
                        os.ftruncate(handle, before)
                    raise
            finally:
                os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Rename; a file in the way is replaced atomically."""
        with explained(new):
            os.replace(old, new)  # noqa: PTH105 - Path.replace is the same call, less plain
            if os.path.lexists(old) and new.is_file():
                old.unlink()  # POSIX: renaming a file to another name of itself does nothing

    def link(self, old: Path, new: Path) -> None:
        """Give `old` a second name; copies where the file system has no hard links."""
        with explained(new):
            try:
                new.hardlink_to(old)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self.write(new, read_parts(old))

    def fsync_dir(self, path: Path) -> None:
        """Make the names in a folder durable, where the system can (Windows cannot)."""
        if os.name == "nt":
            return
        with explained(path):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            except OSError as error:
                if error.errno != errno.EINVAL:  # some network file systems: not for folders
                    raise
            finally:
                os.close(handle)

    def unlink(self, path: Path) -> None:
        """Delete a file; fine if it is not there."""
        with explained(path, "delete"):
            path.unlink(missing_ok=True)

    def rmtree(self, path: Path) -> None:
        """Delete a folder and all in it; fine if it is not there."""
        with explained(path, "delete"), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)


@contextlib.contextmanager
def explained(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an OSError about `path` into a ResourceError, same `errno`, that says what to do."""
    try:
        yield
    except ResourceError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fixes = {
            errno.ENOSPC: "free some space on this disk or choose another --out",
            errno.EDQUOT: "your quota is used up: free some space or choose another --out",
            errno.EFBIG: "the file is larger than this disk or your limits allow (ulimit -f)",
            errno.EIO: "the disk reports a fault: check it (dmesg) or choose another --out",
            errno.EACCES: "choose a folder that you may write to",
            errno.EPERM: "choose a folder that you may write to",
            errno.EROFS: "this disk is read-only: choose another --out",
            errno.ENOTDIR: "a part of the path is a file: choose another --out",
            errno.EEXIST: "something with that name is in the way: move it or choose another --out",
            errno.EMFILE: "too many open files: raise the limit (ulimit -n)",
            errno.ENAMETOOLONG: "choose a shorter --out",
        }
        said = ResourceError(
            f"cannot {doing} {path}: {reason}", fix=fixes.get(error.errno or 0, "")
        )
        said.errno = error.errno
        raise said from error


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_BINARY", 0), 0o644)


def _flat(part: Bytes) -> memoryview:
    """The bytes of a buffer of any shape; `cast` alone refuses a zero in the shape."""
    view = memoryview(part)
    return view.cast("B") if view.nbytes else memoryview(b"")


def _write_all(handle: int, view: memoryview) -> None:
    """Write every byte: `os.write` may write fewer than it was given."""
    while view:
        written = os.write(handle, view[:CHUNK])
        if not written:
            raise OSError(errno.EIO, "the disk took no bytes")
        view = view[written:]


def _sync(handle: int) -> None:
    """Flush a file to the medium; on macOS a plain fsync stops at the drive's cache."""
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def temporary(path: Path) -> Path:
    """The name under which this process prepares `path`; `sweep` knows it."""
    return path.with_name(f".{path.name}.{os.getpid()}.new")


def sweep(folder: Path, *, disk: Disk | None = None) -> list[Path]:
    """Delete what killed processes left under `temporary` names; returns what went.

    A file of a living process is left alone, this one included: another thread may be at it.
    `Lock` does this when it is taken.
    """
    disk, gone = disk or Disk(), []
    for path in sorted(folder.glob(".*.new")):
        match = _NEW.fullmatch(path.name)
        if match and path.is_file() and not _busy(path, int(match["pid"])):
            disk.unlink(path)
            gone.append(path)
    return gone


def _busy(path: Path, pid: int) -> bool:
    if os.name == "nt":  # there os.kill(pid, 0) is no question, it sends Ctrl-C
        return time.time() - path.stat().st_mtime < 3600
    return _alive(pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def write_atomic(path: Path, data: Bytes, *, disk: Disk | None = None, sync: bool = True) -> str:
    """Put `data` at `path` so that a reader sees the old file or the new one; returns its SHA-256.

    `sync=False` is for views that are rewritten every second: atomic, but not durable. One thread
    at a time for one path.
    """
    disk = disk or Disk()
    disk.mkdir(path.parent)
    new = temporary(path)
    disk.unlink(new)
    try:
        digest = disk.write(new, data, sync=sync)
        disk.rename(new, path)
    except BaseException:
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
        DataError: it is missing, larger than `limit` bytes, nested too deep, or not JSON.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)  # not stat(): a device says 0 and never ends
        if len(data) > limit:
            raise DataError(f"{path} is too large", expected=f"at most {limit:,} bytes")
        return json.loads(data.decode("utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot read {path}: {reason}") from None
    except RecursionError:
        raise DataError(f"{path} is nested too deep") from None
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON-lines log; a torn last line (the writer was killed) is dropped.

    Raises:
        DataError: another line is not a JSON object; the message has its number.
    """
    if not path.is_file():
        return []
    records: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        if line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                got = line[:80].decode(errors="replace")
                raise DataError(f"{path}:{number} is not a JSON object", got=got)
            records.append(record)
    return records


def read_parts(path: Path) -> Iterator[bytes]:
    """A file in pieces of 4 MiB; an OSError comes out as it is."""
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            yield part


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex; an OSError comes out as it is."""
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
    encoded = text.encode(errors="surrogatepass")  # names of files need not be UTF-8
    return hashlib.sha256(encoded).hexdigest()[:16]


def free_bytes(path: Path) -> int:
    """Free space on the disk that holds `path` or its nearest existing parent."""
    with explained(path, "use"):
        while not path.exists():
            path = path.parent
        return shutil.disk_usage(path).free


class Lock:
    """One process at a time in a folder: an advisory lock on `folder/LOCK`, gone with its holder.

    The file says who holds it; what a killed holder wrote there means nothing, since the system
    dropped its lock. Where a file system has no locks (some Lustre and NFS mounts) the words
    decide: a process of this boot of this host that is gone does not hold it. A forked child does
    not inherit it, so an orphaned worker cannot block a run. Taking it sweeps the folder.

    Raises:
        ResourceError: another process holds it; the message says which.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "LOCK"
        self._handle: int | None = None

    def __enter__(self) -> Lock:
        Disk().mkdir(self.path.parent)
        with explained(self.path):
            handle = _open(self.path, os.O_RDWR | os.O_CREAT)
        try:
            if not _try_lock(handle, self.path):
                raise self._refusal()
            with explained(self.path):
                os.ftruncate(handle, 0)
                os.lseek(handle, 0, os.SEEK_SET)
                _write_all(handle, memoryview(json.dumps(_me()).encode()))
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._close)
        sweep(self.path.parent)
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, 0)
        self._close()

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _refusal(self) -> ResourceError:
        who = _holder(self.path)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(who.get("since", 0)))
        got = f"process {who['pid']} on {who['host']}, since {since}" if "pid" in who else "unknown"
        return ResourceError(
            f"{self.path.parent} is in use by another process",
            got=got,
            fix="wait for it, stop it, or choose another --out",
        )


def _me() -> dict[str, Any]:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot_id": boot.read_text().strip() if boot.exists() else "",
        "since": time.time(),
    }


def _holder(path: Path) -> dict[str, Any]:
    """What the lock file says about its holder; empty if it says nothing sensible."""
    with contextlib.suppress(DataError):
        who = read_json(path, limit=4096)
        if (
            isinstance(who, dict)
            and isinstance(who.get("pid"), int)
            and isinstance(who.get("host"), str)
            and isinstance(who.get("since"), float)
        ):
            return who
    return {}


def _try_lock(handle: int, path: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: one byte far behind the text, which stays readable
        import msvcrt

        os.lseek(handle, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        who, me = _holder(path), _me()
        here = who.get("host") == me["host"]
        gone = who.get("boot_id") != me["boot_id"] or not _alive(who.get("pid", 0))
        return not who or (here and gone)
    return True
