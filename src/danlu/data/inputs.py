"""Paths, folders and globs to a sorted list of files that can be read, and what was left out.

Nothing is decoded here: a file's reader is found by its suffix, else by a look at its first bytes.
In a folder, what is no text is skipped and counted by its reason; a file named by the user is read
or is an error. A symlink that leads back to a folder already visited ends there.
"""

from __future__ import annotations

import errno
import functools
import glob
import os
import stat
import zlib
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any

from danlu import discover, files
from danlu.data import encoding, hub
from danlu.errors import DataError

HEAD = 4096

LICENCES = ("license", "licence", "copying", "notice")
"""Files of these names are skipped in folders: the same legal text lies in every one of them."""

BINARY = (
    " png jpg jpeg gif bmp tif tiff webp ico svgz heic mp3 wav ogg flac m4a mp4 mkv avi mov webm "
    " pdf doc docx xls xlsx ppt pptx odt epub mobi zip tar tgz bz2 xz zst 7z rar exe dll so dylib "
    " o a class jar pyc pyd whl woff woff2 ttf otf eot db sqlite npy npz pt pth bin onnx gguf pkl "
    " safetensors arrow h5 msgpack "
)
"""Suffixes that are skipped in folders without opening the file."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read: where it is, what it is called, and who reads it.

    A reader writes what it found out (`encoding`, `field`, counts of rows it could not use) into
    `notes`, and `read_bytes` as it goes: the manifest and the progress line show them.
    """

    path: Path
    name: str
    """Path relative to the root that the user gave, with `/`: what ids start with."""
    reader: str
    """Module in `danlu.data.sources`."""
    bytes: int
    mtime_ns: int
    gzipped: bool = False
    encoding: str = "auto"
    text_field: str = ""
    group: str = ""
    """Several files that make one source (a Python package); empty: the file is its own source."""
    version: str = ""
    """What changes with the contents (a commit); empty: size and time of the file tell."""
    given: str = ""
    """The path or name by which the user gave it, alone or with others."""
    notes: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def source(self) -> str:
        """The name of the source that the file belongs to."""
        return self.group or self.name


@dataclass(frozen=True, slots=True)
class Found:
    """What `expand` found."""

    files: list[SourceFile]
    skipped: dict[str, int]
    """Files that were left out, by reason."""

    @property
    def bytes(self) -> int:
        """Size of all files on disk."""
        return sum(file.bytes for file in self.files)


def expand(
    paths: Iterable[Path], *, encoding: str = "auto", text_field: str = "", skip: Path | None = None
) -> Found:
    """All readable files under `paths`, each once, sorted by name within each path.

    `skip` is a folder that is never entered: the output, where it lies inside the input.

    Raises:
        DataError: a path is missing (the message has the nearest spelling), holds no text, cannot
            be opened, or is a binary file.
    """
    found: list[SourceFile] = []
    skipped: Counter[str] = Counter()
    seen = {_real(skip)} if skip else set()
    begins: list[tuple[int, str]] = []  # how many files were found before which path
    for given in paths:
        begins.append((len(found), str(given)))
        if hub.is_name(given):
            found += _on_hub(given, seen, skipped)
            continue
        for root in _globbed(given):
            new = _under(root, seen, skipped)
            if not new and root.is_dir() and not any(f.path.is_relative_to(root) for f in found):
                raise _nothing(root, skipped)
            found += new
    named = [
        replace(
            file,
            encoding=encoding,
            text_field=text_field,
            given=begins[bisect(begins, number, key=itemgetter(0)) - 1][1],
        )
        for number, file in enumerate(_unique_names(found))
    ]
    return Found(named, dict(sorted(skipped.items())))


@functools.cache
def readers() -> dict[str, str]:
    """Which module in `danlu.data.sources` reads which suffix."""
    names = discover.names("danlu.data.sources")
    modules = {name: discover.find("danlu.data.sources", name, "source") for name in names}
    return {suffix: name for name, module in modules.items() for suffix in module.SUFFIXES}


def fingerprints(listed: Iterable[SourceFile]) -> dict[str, str]:
    """By source, a hash that changes when a file of it is added, moved, resized or touched."""
    groups: dict[str, list[tuple[str, int, int] | tuple[str, str]]] = {}
    for f in listed:
        mark = (str(f.path.absolute()), f.bytes, f.mtime_ns)
        groups.setdefault(f.source, []).append((str(f.path), f.version) if f.version else mark)
    return {source: files.hash_of(group) for source, group in groups.items()}


def _on_hub(given: Path, seen: set[str], skipped: Counter[str]) -> list[SourceFile]:
    """The data set that a name such as hf:owner/name stands for, as one file to read."""
    name = given.as_posix()
    if name in seen:
        skipped["given twice"] += 1
        return []
    seen.add(name)
    found = hub.find(hub.parse(name))
    return [SourceFile(given, name, "hugging_face", found.bytes, 0, version=found.commit)]


def _globbed(given: Path) -> list[Path]:
    """The paths that a path stands for: itself, or what matches its `*`, `?` or `[…]`."""
    given = given.expanduser()
    if os.path.lexists(given):
        return [given]
    if matches := sorted(glob.glob(str(given), recursive=True)):  # noqa: PTH207 - absolute too
        return [Path(match) for match in matches]
    parent = given.parent
    siblings = sorted(p.name for p in parent.iterdir()) if parent.is_dir() else []
    hint = discover.nearest(given.name, siblings)
    fix = f"did you mean {parent / hint}?" if hint else ""
    if not parent.is_dir():
        fix = f"there is no folder {parent} either"
    raise DataError(f"there is no file or folder {given}", expected="a path to text files", fix=fix)


def _under(root: Path, seen: set[str], skipped: Counter[str]) -> list[SourceFile]:
    """The files at or under one existing path that were not seen before."""
    if not root.is_dir():
        resolved = _real(root)
        if resolved in seen:
            skipped["given twice"] += 1
            return []
        seen.add(resolved)
        result = examine(root, root.name)
        if isinstance(result, str):
            raise encoding.binary(str(root), result)
        return [result]
    found = []
    for path in _walk(root, seen, skipped):
        result = _skip_by_name(path) or examine(path, path.relative_to(root).as_posix())
        if isinstance(result, str):
            skipped[result] += 1
        else:
            found.append(result)
    return found


def _walk(folder: Path, seen: set[str], skipped: Counter[str]) -> Iterator[Path]:
    """Files under a folder in order of their names, depth first, each real path once."""
    resolved = _real(folder)
    if resolved in seen:
        return
    seen.add(resolved)
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise unreadable(folder, error) from None
    for path in entries:
        if path.name.startswith("."):
            skipped["hidden"] += 1
        elif path.is_dir():
            yield from _walk(path, seen, skipped)
        elif _real(path) in seen:
            skipped["given twice"] += 1
        else:
            seen.add(_real(path))
            yield path


def _real(path: Path) -> str:
    """The path without links; unlike `Path.resolve` no error for a link that leads to itself."""
    return os.path.realpath(path)


def _skip_by_name(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if path.stem.lower() in LICENCES and suffix in ("", ".txt", ".md", ".rst"):
        return "a licence text"
    return "a binary file" if suffix and f" {suffix[1:]} " in BINARY else None


def examine(path: Path, name: str) -> SourceFile | str:
    """The file with its reader, or, in words, what it is instead of text.

    Raises:
        DataError: it cannot be opened.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "a pipe, socket or device"
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return "a symlink to nothing" if path.is_symlink() else "a file that vanished"
        raise unreadable(path, error) from None
    if not status.st_size:
        return "an empty file"
    gzipped = head.startswith(b"\x1f\x8b")
    inner = PurePosixPath(name.lower())
    if gzipped:
        inner = inner.with_suffix("") if inner.suffix in (".gz", ".gzip") else inner
        head = _first_bytes(head)
    reader = readers().get(inner.suffix)
    if reader is None:
        if kind := encoding.binary_kind(head):
            return kind
        if b"\x00" in head and not _is_utf16(head):
            return "a binary file"
        reader = "text"
    return SourceFile(path, name, reader, status.st_size, status.st_mtime_ns, gzipped)


def unreadable(path: Path, error: OSError) -> DataError:
    """The error for a file that is there but cannot be opened."""
    reason = (error.strerror or str(error)).lower()
    return DataError(
        f"cannot read {path}: {reason}",
        expected="a file that you may read",
        fix="give yourself permission to read it, or leave it out",
    )


def _first_bytes(head: bytes) -> bytes:
    """The beginning of what a gzip file holds; empty when it is broken (its reader will say so)."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, HEAD)
    except zlib.error:
        return b""


def _is_utf16(head: bytes) -> bool:
    try:
        return encoding.detect(head, name="", whole=False).startswith(("utf-16", "utf-32"))
    except DataError:
        return False


def _unique_names(found: Sequence[SourceFile]) -> list[SourceFile]:
    """The same files; one whose name is taken gets its parent folder's name before it, or a count.

    >>> a = SourceFile(Path("x/a.txt"), "a.txt", "text", 1, 0)
    >>> b = SourceFile(Path("y/a.txt"), "a.txt", "text", 1, 0)
    >>> [file.name for file in _unique_names([a, b])]
    ['a.txt', 'y/a.txt']
    """
    taken: set[str] = set()
    named = []
    for file in found:
        name, number = file.name, 1
        if name in taken:
            depth = len(PurePosixPath(name).parts)
            name = "/".join(file.path.absolute().parts[-depth - 1 :])
        while name in taken:
            number += 1
            name = f"{file.name}~{number}"
        taken.add(name)
        named.append(replace(file, name=name))
    return named


def _nothing(root: Path, skipped: Counter[str]) -> DataError:
    reasons = ", ".join(f"{count} × {reason}" for reason, count in sorted(skipped.items()))
    return DataError(
        f"there is no text in the folder {root}",
        got=f"only files that were skipped: {reasons}" if skipped else "an empty folder",
        expected=f"text, or files ending in {' '.join(sorted(readers()))}, also .gz",
        fix="check the path, or convert the files to text",
    )
