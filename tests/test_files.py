"""The eight verbs, atomic writes, and the lock, on a real disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from danlu import files
from danlu.errors import DataError, ResourceError
from danlu.files import Disk, Lock, read_json, read_jsonl, sweep, temporary, write_atomic

disk = Disk()
Patch = pytest.MonkeyPatch


def failing(code: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- the verbs


@pytest.mark.parametrize(
    "parts",
    [
        b"onetwo",
        bytearray(b"onetwo"),
        memoryview(b"onetwo"),
        [b"one", b"", memoryview(b"two")],
        memoryview(b"onetwo").cast("B", (2, 3)),
        [memoryview(b"onetwo").cast("B").cast("H"), memoryview(bytearray()).cast("B")],
    ],
)
@pytest.mark.parametrize("sync", [True, False])
def test_write(tmp_path: Path, parts: files.Bytes, sync: bool) -> None:
    digest = disk.write(tmp_path / "a", parts, sync=sync)
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert digest == hashlib.sha256(b"onetwo").hexdigest() == files.sha256(tmp_path / "a")


def test_write_never_overwrites(tmp_path: Path) -> None:
    disk.write(tmp_path / "a", b"first")
    with pytest.raises(ResourceError, match="file exists") as caught:
        disk.write(tmp_path / "a", b"second")
    assert caught.value.errno == errno.EEXIST and "in the way" in caught.value.fix
    (tmp_path / "link").symlink_to(tmp_path / "b")
    with pytest.raises(ResourceError, match="file exists"):
        disk.write(tmp_path / "link", b"through a link")
    assert (tmp_path / "a").read_bytes() == b"first" and not (tmp_path / "b").exists()


def test_write_is_not_executable_or_open_to_all(tmp_path: Path) -> None:
    disk.write(tmp_path / "a", b"")
    assert (tmp_path / "a").stat().st_mode & 0o133 == 0


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_short_writes(tmp_path: Path, monkeypatch: Patch, most: int) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:most]))
    data = bytes(range(256)) * 10
    disk.write(tmp_path / "a", [data, data])
    disk.append(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == data * 3


def test_a_write_of_nothing_does_not_spin(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(os, "write", lambda handle, data: 0)
    with pytest.raises(ResourceError, match="took no bytes"):
        disk.write(tmp_path / "a", b"x")
    assert names(tmp_path) == []


def test_signals_while_writing(tmp_path: Path) -> None:
    """A pipe that is read slowly, and a timer that interrupts each wait (EINTR)."""
    hits = []
    before = signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
    read, write = os.pipe()
    data = os.urandom(1 << 20)
    pid = os.fork()
    if not pid:
        os.close(write)
        digest = hashlib.sha256()
        while part := os.read(read, 20_000):
            digest.update(part)
            time.sleep(0.002)
        os._exit(0 if digest.digest() == hashlib.sha256(data).digest() else 1)
    os.close(read)
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
    try:
        files._write_all(write, memoryview(data))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        os.close(write)
    assert os.waitpid(pid, 0)[1] == 0 and len(hits) > 5


@pytest.mark.parametrize("call", ["write", "fsync", "close"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_failed_write_leaves_nothing(
    tmp_path: Path, monkeypatch: Patch, call: str, code: int
) -> None:
    real_close = os.close

    def close(handle: int) -> None:
        real_close(handle)
        failing(code)()

    monkeypatch.setattr(os, call, close if call == "close" else failing(code))
    with pytest.raises(ResourceError, match="cannot write") as caught:
        disk.write(tmp_path / "a", b"x" * 100)
    monkeypatch.undo()
    assert caught.value.errno == code and caught.value.fix
    assert names(tmp_path) == []


def test_failing_parts_leave_nothing(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x"
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        disk.write(tmp_path / "a", parts())
    assert names(tmp_path) == []


def test_file_handles_are_closed(tmp_path: Path, monkeypatch: Patch) -> None:
    handles = Path("/proc/self/fd")
    before = len(list(handles.glob("*")))
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    for _ in range(3):
        for verb in (lambda: disk.write(tmp_path / "a", b""), lambda: disk.fsync_dir(tmp_path)):
            with pytest.raises(ResourceError):
                verb()
    with Lock(tmp_path):
        for _ in range(3):
            with pytest.raises(ResourceError):
                Lock(tmp_path).__enter__()
    assert len(list(handles.glob("*"))) == before


def test_append(tmp_path: Path) -> None:
    disk.append(tmp_path / "log", b"one\n")
    disk.append(tmp_path / "log", b"two\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


def test_a_failed_append_changes_nothing(tmp_path: Path) -> None:
    """With the system's own limit: half of the record fits, then it refuses."""
    log = tmp_path / "log"
    disk.append(log, b"x" * 900 + b"\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(ResourceError, match="too large") as caught:
            disk.append(log, b"y" * 500 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.errno == errno.EFBIG
    disk.append(log, b"z\n")
    assert log.read_bytes() == b"x" * 900 + b"\nz\n"


def test_rename(tmp_path: Path) -> None:
    disk.write(tmp_path / "a", b"a")
    disk.write(tmp_path / "b", b"b")
    disk.rename(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path) == ["b"] and (tmp_path / "b").read_bytes() == b"a"
    disk.link(tmp_path / "b", tmp_path / "c")
    disk.rename(tmp_path / "c", tmp_path / "b")  # two names of one file: POSIX would keep both
    assert names(tmp_path) == ["b"]
    with pytest.raises(ResourceError, match=r"cannot write .*no such file"):
        disk.rename(tmp_path / "absent", tmp_path / "b")


@pytest.mark.parametrize("code", files._NO_LINKS)
def test_link_copies_where_there_are_no_links(
    tmp_path: Path, monkeypatch: Patch, code: int
) -> None:
    disk.write(tmp_path / "a", b"a" * 100)
    disk.link(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").samefile(tmp_path / "b")
    monkeypatch.setattr(Path, "hardlink_to", failing(code))
    disk.link(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"a" * 100 and (tmp_path / "c").stat().st_nlink == 1


def test_link_reports_the_rest(tmp_path: Path) -> None:
    disk.write(tmp_path / "a", b"")
    with pytest.raises(ResourceError, match="file exists"):
        disk.link(tmp_path / "a", tmp_path / "a")


def test_folders(tmp_path: Path) -> None:
    deep = tmp_path / "x/y/z"
    disk.mkdir(deep)
    disk.mkdir(deep)
    disk.write(deep / "a", b"")
    disk.fsync_dir(deep)
    disk.unlink(deep / "a")
    disk.unlink(deep / "a")
    disk.rmtree(tmp_path / "x")
    disk.rmtree(tmp_path / "x")
    assert names(tmp_path) == []
    with pytest.raises(ResourceError, match="no such file"):
        disk.fsync_dir(tmp_path / "x")
    disk.write(tmp_path / "file", b"")
    with pytest.raises(ResourceError, match="not a directory") as caught:
        disk.mkdir(tmp_path / "file/x")
    assert "is a file" in caught.value.fix
    with pytest.raises(ResourceError, match="cannot delete"):
        disk.rmtree(tmp_path / "file")


def test_rmtree_does_not_follow_links(tmp_path: Path) -> None:
    disk.mkdir(tmp_path / "kept")
    disk.write(tmp_path / "kept/a", b"")
    disk.mkdir(tmp_path / "gone")
    (tmp_path / "gone/link").symlink_to(tmp_path / "kept")
    disk.rmtree(tmp_path / "gone")
    assert names(tmp_path) == ["kept"] and names(tmp_path / "kept") == ["a"]


def test_fsync_of_folders_that_cannot(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    disk.fsync_dir(tmp_path)
    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    disk.fsync_dir(tmp_path)


# ---- atomic writes


def test_write_atomic(tmp_path: Path) -> None:
    path = tmp_path / "new/a.json"
    assert write_atomic(path, b"one") == hashlib.sha256(b"one").hexdigest()
    write_atomic(path, b"two", sync=False)
    assert path.read_bytes() == b"two" and names(path.parent) == ["a.json"]


def test_write_atomic_order(tmp_path: Path) -> None:
    said = []

    class Spy(Disk):
        def write(self, path: Path, parts: object, *, sync: bool = True) -> str:
            said.append(f"write {path.name[:7]} {sync}")
            return super().write(path, parts, sync=sync)  # type: ignore[arg-type]

        def rename(self, old: Path, new: Path) -> None:
            said.append(f"rename to {new.name}")
            super().rename(old, new)

        def fsync_dir(self, path: Path) -> None:
            said.append(f"sync {path.name}")
            super().fsync_dir(path)

    write_atomic(tmp_path / "d/a.json", b"", disk=Spy())
    write_atomic(tmp_path / "d/a.json", b"", disk=Spy(), sync=False)
    assert said == [
        *("write .a.json True", "rename to a.json", "sync d"),
        *("write .a.json False", "rename to a.json"),
    ]


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_write_atomic_fails_whole(tmp_path: Path, monkeypatch: Patch, call: str) -> None:
    write_atomic(tmp_path / "a", b"old")
    monkeypatch.setattr(os, call, failing(errno.ENOSPC))
    with pytest.raises(ResourceError, match="no space left") as caught:
        write_atomic(tmp_path / "a", b"new")
    assert "free some space" in caught.value.fix
    assert names(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"


def test_a_reader_sees_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "a"
    values = [bytes([n]) * 5000 for n in range(200)]
    write_atomic(path, values[0])
    pid = os.fork()
    if not pid:
        for value in values:
            write_atomic(path, value, sync=False)
        os._exit(0)
    seen = set()
    while not os.waitpid(pid, os.WNOHANG)[0]:
        data = path.read_bytes()
        assert len(data) == 5000 and len(set(data)) == 1
        seen.add(data[0])
    assert path.read_bytes() == values[-1] and seen


def test_sweep(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left = [
        tmp_path / f".status.json.{process.pid}.new",
        tmp_path / f".model.safetensors.{process.pid}.new",
        tmp_path / f".a.{10**30}.new",
    ]
    kept = [
        temporary(tmp_path / "mine"),
        *(tmp_path / name for name in (".1.new", ".a.b.new", "a.1.new", f".a.{os.getppid()}.new")),
        tmp_path / ".a.1.new",  # init: alive, not ours
    ]
    for path in [*left, *kept]:
        path.write_bytes(b"x")
    folder = tmp_path / f".folder.{process.pid}.new"
    folder.mkdir()
    assert sweep(tmp_path) == sorted(left)
    assert names(tmp_path) == sorted(path.name for path in [*kept, folder])
    assert sweep(tmp_path / "absent") == []


def test_sweep_goes_by_age_where_processes_cannot_be_asked(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    young, old = tmp_path / ".a.1.new", tmp_path / ".b.1.new"
    young.write_bytes(b"")
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    monkeypatch.setattr(os, "name", "nt")
    gone = sweep(tmp_path)
    monkeypatch.undo()
    assert gone == [old]


def test_killed_writers_leave_nothing_for_long(tmp_path: Path) -> None:
    pid = os.fork()
    if not pid:
        os.replace = lambda *_: os._exit(137)  # type: ignore
        write_atomic(tmp_path / "a", b"x")
    os.waitpid(pid, 0)
    assert names(tmp_path) == [f".a.{pid}.new"]
    with Lock(tmp_path):
        assert names(tmp_path) == ["LOCK"]


# ---- reading


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"丹": [1.5, None, Path("p")]})
    assert path.read_text() == '{\n  "丹": [\n    1.5,\n    null,\n    "p"\n  ]\n}\n'
    assert read_json(path) == {"丹": [1.5, None, "p"]}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"[" * 200_000, "nested too deep"),
        (b" " * 300_000, "too large"),
    ],
)
def test_bad_json(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(DataError, match=said):
        read_json(tmp_path / "a.json", limit=250_000)


def test_json_that_is_no_file(tmp_path: Path) -> None:
    for path, said in ((tmp_path, "is a directory"), (tmp_path / "x", "no such file")):
        with pytest.raises(DataError, match=f"cannot read .*{said}"):
            read_json(path)
    with pytest.raises(DataError, match="too large"):
        read_json(Path("/dev/zero"), limit=1000)


def test_jsonl(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert read_jsonl(log) == []
    log.write_bytes(b'{"a": 1}\n\n{"a": 2}\n{"a": 3')
    assert read_jsonl(log) == [{"a": 1}, {"a": 2}]
    for bad in (b"\xff\xfe\x80", b"3", b"[1]", b"{", b"[" * 200_000):
        log.write_bytes(b'{"a": 1}\n' + bad + b'\n{"a": 2}\n')
        with pytest.raises(DataError, match=":2 is not a JSON object"):
            read_jsonl(log)


def test_hashes_and_space(tmp_path: Path, monkeypatch: Patch) -> None:
    assert files.hash_of({"b": 1, "a": 2}) == files.hash_of({"a": 2, "b": 1})
    assert len(files.hash_of()) == 16
    assert files.free_bytes(tmp_path / "not/yet/there") > 0
    (tmp_path / "a").write_bytes(b"x" * (files.CHUNK + 5))
    assert [len(part) for part in files.read_parts(tmp_path / "a")] == [files.CHUNK, 5]
    monkeypatch.setattr(files.shutil, "disk_usage", failing(errno.EIO))
    with pytest.raises(ResourceError, match="cannot use"):
        files.free_bytes(tmp_path)


# ---- the lock

HOLD = """
import sys, time, pathlib
from danlu.files import Lock
with Lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
print("free", flush=True)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of `tmp_path` until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_two_processes(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(ResourceError, match="in use by another process") as caught:
        Lock(tmp_path).__enter__()
    assert f"process {other.pid} on " in str(caught.value) and ", since 20" in str(caught.value)
    assert "stop it" in caught.value.fix
    assert other.stdin and other.stdout
    other.stdin.close()
    assert other.stdout.readline() == "free\n"
    with Lock(tmp_path):
        assert json.loads((tmp_path / "LOCK").read_text())["pid"] == os.getpid()
    assert (tmp_path / "LOCK").read_bytes() == b""


def test_a_killed_holder_holds_nothing(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert json.loads((tmp_path / "LOCK").read_text())["pid"] == other.pid  # stale words
    with Lock(tmp_path):
        assert json.loads((tmp_path / "LOCK").read_text())["pid"] == os.getpid()


def test_a_shorter_text_replaces_a_longer(tmp_path: Path) -> None:
    (tmp_path / "LOCK").write_text("x" * 5000)
    with Lock(tmp_path):
        assert json.loads((tmp_path / "LOCK").read_text())["pid"] == os.getpid()


def test_children_do_not_inherit_it(tmp_path: Path) -> None:
    """A worker that outlives a killed trainer must not block the next start."""
    pid = os.fork()
    if not pid:
        Lock(tmp_path).__enter__()
        worker = os.fork()
        if not worker:
            time.sleep(20)
            os._exit(0)
        (tmp_path / "worker").write_text(str(worker))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    try:
        with Lock(tmp_path):
            pass
    finally:
        os.kill(int((tmp_path / "worker").read_text()), signal.SIGKILL)


def test_a_child_cannot_release_it(tmp_path: Path, other: object) -> None:
    folder = tmp_path / "own"
    with Lock(folder) as lock:
        pid = os.fork()
        if not pid:
            lock.__exit__()
            os._exit(0)
        os.waitpid(pid, 0)
        with pytest.raises(ResourceError, match="in use"):
            Lock(folder).__enter__()


def test_twice_in_one_process(tmp_path: Path) -> None:
    with Lock(tmp_path), pytest.raises(ResourceError, match=f"process {os.getpid()} "):
        Lock(tmp_path).__enter__()
    with Lock(tmp_path):
        pass


@pytest.mark.parametrize(
    ("words", "free"),
    [
        ({}, True),
        ({"pid": 2**22 + 1}, True),  # no such process
        ({"pid": os.getppid()}, False),
        ({"pid": os.getppid(), "boot_id": "another"}, True),
        ({"pid": 2**22 + 1, "host": "another"}, False),  # who knows
        ({"pid": "x"}, True),  # no sense
    ],
)
def test_file_systems_without_locks(
    tmp_path: Path, monkeypatch: Patch, words: dict[str, object], free: bool
) -> None:
    import fcntl

    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOSYS))
    (tmp_path / "LOCK").write_text(json.dumps({**files._me(), **words} if words else ""))
    if free:
        with Lock(tmp_path):
            assert json.loads((tmp_path / "LOCK").read_text())["pid"] == os.getpid()
        with Lock(tmp_path):
            pass
    else:
        with pytest.raises(ResourceError, match="in use"):
            Lock(tmp_path).__enter__()


def test_a_lock_that_cannot_be_written(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(os, "write", failing(errno.ENOSPC))
    with pytest.raises(ResourceError, match="no space left"):
        Lock(tmp_path).__enter__()
    monkeypatch.undo()
    with Lock(tmp_path):
        pass
