"""Disks that fail, and a model of what a power cut may leave.

`Fault` goes wrong at the n-th point of a run; a point lies before and after each verb and inside
the long ones. `Recorder` notes what was asked of the disk as changes of directory entries and file
contents; `crashes` builds what may be on the medium after a cut at any moment: names whose folder
was not synced may be lost in order, singly or by folder, and data that was not synced be absent or
half there (after ALICE: Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from danlu import files
from danlu.files import Bytes, Disk


class Fault(Disk):
    """Calls `act(verb)` at point number `at`; with `sticky`, at each later one too."""

    def __init__(
        self, at: int, act: Callable[[str], None], *, sticky: Callable[[str], bool] | None = None
    ) -> None:
        self.at, self.act, self.sticky = at, act, sticky
        self.count = 0

    def point(self, verb: str, path: Path) -> None:
        self.count += 1
        if self.count == self.at or (self.sticky and self.count > self.at and self.sticky(verb)):
            with files.explained(path):
                self.act(verb)

    def mkdir(self, path: Path) -> None:
        self.point("mkdir", path)
        super().mkdir(path)
        self.point("mkdir", path)

    def write(self, path: Path, parts: Bytes | Iterable[Bytes], *, sync: bool = True) -> str:
        self.point("write", path)
        digest = super().write(path, self._torn(path, parts), sync=sync)
        self.point("write", path)
        return digest

    def _torn(self, path: Path, parts: Bytes | Iterable[Bytes]) -> Iterator[Bytes]:
        """The same bytes in two halves, with a point between them and one before the sync."""
        data = b"".join([parts] if isinstance(parts, Bytes) else parts)
        yield data[: len(data) // 2]
        self.point("write", path)
        yield data[len(data) // 2 :]
        self.point("write", path)

    def rename(self, old: Path, new: Path) -> None:
        self.point("rename", new)
        super().rename(old, new)
        self.point("rename", new)

    def link(self, old: Path, new: Path) -> None:
        self.point("link", new)
        super().link(old, new)
        self.point("link", new)

    def fsync_dir(self, path: Path) -> None:
        self.point("fsync_dir", path)
        super().fsync_dir(path)

    def unlink(self, path: Path) -> None:
        self.point("unlink", path)
        super().unlink(path)

    def rmtree(self, path: Path) -> None:
        self.point("rmtree", path)
        inside = [p for p in sorted(path.rglob("*")) if p.is_file()] if path.is_dir() else []
        for file in inside[:2]:
            file.unlink()
            self.point("rmtree", path)
        super().rmtree(path)
        self.point("rmtree", path)


@dataclass(frozen=True)
class Names:
    """Entries of one folder that change together; None: the entry goes."""

    folder: int
    changes: dict[str, int | None]
    verb: str


@dataclass(frozen=True)
class Data:
    """A file's whole contents, written at once."""

    inode: int
    data: bytes


@dataclass(frozen=True)
class Sync:
    """An fsync of a file (`what` is its name) or of a folder (`what` is its kind)."""

    inode: int
    what: str


@dataclass(frozen=True)
class Mark:
    """A call returned."""

    label: int


Op = Names | Data | Sync | Mark


class Recorder(Disk):
    """Does everything for real under `base`, and records it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.ops: list[Op] = []
        self.folders: dict[int, dict[str, int]] = {0: {}}
        self._numbers = itertools.count(1)

    def mark(self, label: int) -> None:
        self.ops.append(Mark(label))

    def mkdir(self, path: Path) -> None:
        super().mkdir(path)
        at = 0
        for name in path.relative_to(self.base).parts:
            if name not in self.folders[at]:
                new = next(self._numbers)
                self.folders[new] = {}
                self._names(at, {name: new}, "mkdir")
            at = self.folders[at][name]

    def write(self, path: Path, parts: Bytes | Iterable[Bytes], *, sync: bool = True) -> str:
        data = b"".join([parts] if isinstance(parts, Bytes) else parts)
        inode = next(self._numbers)
        self._names(self._at(path.parent), {path.name: inode}, "create")
        self.ops.append(Data(inode, data))
        if sync:
            self.ops.append(Sync(inode, path.name))
        return super().write(path, data, sync=sync)

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        assert old.parent == new.parent
        folder = self._at(old.parent)
        moved = self.folders[folder][old.name]
        self._names(folder, {old.name: None, new.name: moved}, "rename")

    def link(self, old: Path, new: Path) -> None:
        super().link(old, new)
        self._names(self._at(new.parent), {new.name: self._at(old)}, "link")

    def fsync_dir(self, path: Path) -> None:
        super().fsync_dir(path)
        kind = path.name[:4] if path.name.startswith(".tmp") else path.name
        self.ops.append(Sync(self._at(path), f"{kind}/"))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        folder = self._at(path.parent)
        if path.name in self.folders[folder]:
            self._names(folder, {path.name: None}, "unlink")

    def rmtree(self, path: Path) -> None:
        super().rmtree(path)
        if path.name in self.folders[self._at(path.parent)]:
            self._empty(self._at(path))
            self._names(self._at(path.parent), {path.name: None}, "rmdir")

    def _empty(self, folder: int) -> None:
        for name, inode in list(self.folders[folder].items()):
            if inode in self.folders:
                self._empty(inode)
            self._names(folder, {name: None}, "unlink")

    def _at(self, path: Path) -> int:
        at = 0
        for name in path.relative_to(self.base).parts:
            at = self.folders[at][name]
        return at

    def _names(self, folder: int, changes: dict[str, int | None], verb: str) -> None:
        self.ops.append(Names(folder, changes, verb))
        _apply(self.folders[folder], changes)


def _apply(table: dict[str, int], changes: dict[str, int | None]) -> None:
    for name, inode in changes.items():
        if inode is None:
            table.pop(name, None)
        else:
            table[name] = inode


Tree = dict[str, "Tree | bytes"]


def crashes(ops: list[Op]) -> Iterator[tuple[int, Tree]]:
    """Every different state after a cut, with the last `Mark` before it (-1: none)."""
    seen: set[tuple[int, str]] = set()
    for end in range(len(ops) + 1):
        done = max((op.label for op in ops[:end] if isinstance(op, Mark)), default=-1)
        for tree in _states(ops[:end]):
            if (key := (done, repr(tree))) not in seen:
                seen.add(key)
                yield done, tree


def _states(ops: list[Op]) -> Iterator[Tree]:
    synced: dict[int, int] = {}
    for index, op in enumerate(ops):
        if isinstance(op, Sync):
            synced[op.inode] = index
    names = [(i, op) for i, op in enumerate(ops) if isinstance(op, Names)]
    pending = [i for i, op in names if synced.get(op.folder, -1) < i]
    created = (op for _, op in names if op.verb == "create")
    contents = {inode: b"" for op in created for inode in op.changes.values() if inode}
    contents |= {op.inode: op.data for op in ops if isinstance(op, Data)}
    unsure = {
        op.inode
        for i, op in enumerate(ops)
        if isinstance(op, Data) and synced.get(op.inode, -1) < i
    }
    for kept in _subsets(pending, {i: op.folder for i, op in names}):
        folders: dict[int, dict[str, int]] = {}
        for index, op in names:
            if index not in pending or index in kept:
                _apply(folders.setdefault(op.folder, {}), op.changes)
        for part in (1.0, 0.5, 0.0) if unsure else (1.0,):
            data = {
                inode: text[: int(len(text) * part)] if inode in unsure else text
                for inode, text in contents.items()
            }
            yield _tree(0, folders, data)


def _subsets(pending: list[int], folder: dict[int, int]) -> Iterator[set[int]]:
    """Which un-synced names made it: the first m, all but one, only one, those of one folder."""
    yield from (set(pending[:m]) for m in range(len(pending) + 1))
    for one in pending:
        yield {one}
        yield set(pending) - {one}
    for number in {folder[i] for i in pending}:
        yield {i for i in pending if folder[i] == number}
        yield {i for i in pending if folder[i] != number}


def _tree(inode: int, folders: dict[int, dict[str, int]], data: dict[int, bytes]) -> Tree:
    return {
        name: data[at] if at in data else _tree(at, folders, data)
        for name, at in sorted(folders.get(inode, {}).items())
    }


def lay(tree: Tree, folder: Path) -> None:
    """Write a state to a real folder."""
    for name, item in tree.items():
        if isinstance(item, bytes):
            (folder / name).write_bytes(item)
        else:
            (folder / name).mkdir()
            lay(item, folder / name)


def forked(work: Callable[[], object]) -> int:
    """The exit code of `work` in a child: 0 if it returned, 1 if it raised."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
