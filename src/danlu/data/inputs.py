"""Paths, folders, globs, archives and URLs to a list of files that can be read, and what was left.

Nothing is decoded here: `formats` finds a file's reader by its first bytes and its name. In a
folder or an archive, what is no text is skipped and counted by its reason; a file named by the user
is read or is an error. A symlink that leads back to a folder already visited ends there. An archive
inside an archive is not opened.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import stat
from bisect import bisect
from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from pathlib import Path, PurePosixPath

from danlu import discover, files
from danlu.data import archives, encoding, folders, formats, hub, naming, places, remote, urls
from danlu.data.formats import readers as readers
from danlu.data.found import Found as Found
from danlu.data.found import Skipped
from danlu.data.naming import sound_name
from danlu.data.source_file import SourceFile as SourceFile
from danlu.data.source_file import unreadable as unreadable
from danlu.errors import DataError


def expand(
    paths: Iterable[Path | str],
    *,
    encoding: str = "auto",
    text_field: str = "",
    skip: Path | None = None,
    skip_broken: bool = False,
) -> Found:
    """All readable files under `paths`, each once, sorted by name within each path.

    A string may be a URL (see `remote`). Members of an archive come in its own order.
    `skip` is a folder that is never entered: the output, where it lies inside the input. With
    `skip_broken` files and archives that cannot be opened are noted and left out.

    Raises:
        DataError: a path is missing (the message has the nearest spelling), holds no text, cannot
            be opened, or is a binary file; or an archive is broken or unsafe.
    """
    found: list[SourceFile] = []
    skipped = Skipped(broken_too=skip_broken)
    seen = {folders.real(skip)} if skip else set()
    begins: list[tuple[int, str]] = []  # how many files were found before which path
    for given in paths:
        begins.append((len(found), str(given)))
        if hub.is_name(given):
            found += _on_hub(str(given), seen, skipped)
        elif isinstance(given, str) and urls.is_url(given):
            found += _remote(given, seen, skipped)
        else:
            found += _local(given, found, seen, skipped)
    named = [
        replace(file, given=begins[bisect(begins, number, key=itemgetter(0)) - 1][1])
        for number, file in enumerate(naming.apart(found))
    ]
    if encoding != "auto" or text_field:
        named = [replace(file, encoding=encoding, text_field=text_field) for file in named]
    if not named and skipped.broken:
        raise skipped.nothing("what was given")
    return Found(named, dict(sorted(skipped.items())), skipped.broken)


def fingerprints(listed: Iterable[SourceFile]) -> dict[str, str]:
    """By source, a hash that changes when a file of it is added, moved, resized or touched."""
    groups: dict[str, list[tuple[str | int, ...]]] = {}
    for f in listed:
        mark: tuple[str | int, ...] = (str(f.path.absolute()), f.bytes, f.mtime_ns)
        if f.url:
            mark = (f.url, f.bytes, f.version)
        elif f.version:  # a data set of the hub
            mark = (f.name, f.version)
        if f.member:
            mark += (f.member.name, f.member.offset, f.member.archive_bytes)
        groups.setdefault(f.source, []).append(mark)
    return {source: files.hash_of(group) for source, group in groups.items()}


def _on_hub(name: str, seen: set[str], skipped: Skipped) -> list[SourceFile]:
    """The data set that a name such as hf:owner/name stands for, as one file to read."""
    if name in seen:
        skipped["given twice"] += 1
        return []
    seen.add(name)
    found = hub.find(hub.parse(name))
    return [SourceFile(Path(name), name, "hugging_face", found.bytes, 0, version=found.commit)]


def _local(
    given: Path | str, before: list[SourceFile], seen: set[str], skipped: Skipped
) -> list[SourceFile]:
    """The files at or under a path or pattern that were not seen `before`."""
    if not str(given):
        raise DataError(
            "there is no file or folder ''",
            expected="a path to text files",
            fix="this folder is called .",
        )
    found: list[SourceFile] = []
    for root in _globbed(urls.local(str(given)) or Path(given)):
        broken = len(skipped.broken)
        new = _under(root, seen, skipped)
        nothing = not new and len(skipped.broken) == broken and folders.is_folder(root)
        if nothing and not any(file.path.is_relative_to(root) for file in [*before, *found]):
            raise skipped.nothing(f"the folder {root}")
        found += new
    return found


def _globbed(given: Path) -> list[Path]:
    """The paths that a path stands for: itself, or what matches its `*`, `?` or `[…]`."""
    given = given.expanduser()
    if os.path.lexists(given):
        return [given]
    if matches := sorted(glob.glob(str(given), recursive=True)):  # noqa: PTH207 - absolute too
        return [Path(match) for match in matches]
    parent = given.parent
    siblings: list[str] = []
    with contextlib.suppress(OSError):
        siblings = sorted(p.name for p in parent.iterdir())
    hint = discover.nearest(given.name, siblings)
    fix = f"did you mean {parent / hint}?" if hint else ""
    if url := urls.repaired(str(given)):
        fix = f"did you mean {url}? (in Python give URLs as strings, not as Path)"
    elif not folders.is_folder(parent):
        fix = f"there is no folder {parent} either"
    raise DataError(f"there is no file or folder {given}", expected="a path to text files", fix=fix)


def _under(root: Path, seen: set[str], skipped: Skipped) -> list[SourceFile]:
    """The files at or under one existing path that were not seen before."""
    found: list[SourceFile] = []
    if not folders.is_folder(root):
        resolved = folders.real(root)
        if resolved in seen:
            skipped["given twice"] += 1
            return []
        seen.add(resolved)
        name = sound_name(root.name)
        with skipped.unless_broken(name):
            found = _named(examine(root, name), str(root), skipped)
        return found
    for path in folders.walk(root, seen, skipped):
        if formats.is_licence(path.name):
            skipped["a licence text"] += 1
            continue
        name = sound_name(path.relative_to(root).as_posix())
        with skipped.unless_broken(name):
            found += _readable(examine(path, name, in_folder=True), skipped)
    return found


def _remote(url: str, seen: set[str], skipped: Skipped) -> list[SourceFile]:
    """The files at or under a URL that were not seen before."""
    found: list[SourceFile] = []
    for root, listed in remote.found(url):
        fresh = [entry for entry in listed if entry.url not in seen]
        seen.update(entry.url for entry in fresh)
        if len(fresh) < len(listed):
            skipped["given twice"] += len(listed) - len(fresh)
        new: list[SourceFile] = []
        broken = len(skipped.broken)
        for entry in fresh:
            name = sound_name(entry.name)
            if entry.url == root:
                with skipped.unless_broken(name):
                    new += _named(_examine_remote(entry, name), urls.shown(root), skipped)
            elif reason := _skip_by_name(name, opens=False):
                skipped[reason] += 1
            else:
                with skipped.unless_broken(name):
                    new += _readable(_examine_remote(entry, name, in_folder=True), skipped)
        if not new and len(skipped.broken) == broken and (fresh or not listed):
            raise skipped.nothing(urls.shown(root))
        found += new
    return found


def _named(result: SourceFile | str, place: str, skipped: Skipped) -> list[SourceFile]:
    """A file that the user named, or what is in it.

    Raises:
        DataError: it is no text.
    """
    if isinstance(result, str):
        raise encoding.binary(place, result)
    found = _readable(result, skipped)
    if not found:
        raise skipped.nothing(f"the archive {place}")
    return found


def _readable(result: SourceFile | str, skipped: Skipped) -> list[SourceFile]:
    """The file; of an archive what is in it; nothing, but counted, where it is no text."""
    if isinstance(result, str):
        skipped[result] += 1
        return []
    if result.reader not in ("zip", "tar"):
        return [result]
    found: list[SourceFile] = []
    empty = True
    with places.watched(result), archives.explained(result, result.reader):
        for entry in archives.entries(result, result.reader):
            empty = False
            inner = _skip_by_name(entry.name) or entry.reason or _member(result, entry)
            if isinstance(inner, str):
                skipped[inner] += 1
            else:
                found.append(inner)
    if empty:
        skipped["an empty archive"] += 1
    return found


def _member(archive: SourceFile, entry: archives.Entry) -> SourceFile | str:
    """A member of an archive, or what it is instead of text."""
    assert entry.handle is not None
    found = formats.tell(entry.handle, entry.name, in_folder=True)
    if isinstance(found, str):
        return found
    if found.archive:
        return "an archive inside an archive"
    return replace(
        archive,
        name=f"{archive.name}/{entry.name}",
        reader=found.reader,
        bytes=entry.bytes,
        compression=found.compression,
        member=entry.member,
        notes={},
    )


def _skip_by_name(name: str, *, opens: bool = True) -> str:
    """Why a file in an archive or at a URL is left out without a look at it, or nothing.

    `opens=False`: a look costs a request, so suffixes of binary files are believed.
    """
    parts = PurePosixPath(name).parts
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return "hidden"
    if formats.is_licence(name):
        return "a licence text"
    suffix = PurePosixPath(name.lower()).suffix
    return "a binary file" if not opens and formats.skipped_by_suffix(suffix) else ""


def examine(path: Path, name: str, *, in_folder: bool = False) -> SourceFile | str:
    """The file with its reader, or, in words, what it is instead of text.

    An archive comes with `zip` or `tar` for a reader. `in_folder`: see `formats.tell`.

    Raises:
        DataError: it cannot be opened.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "a pipe, socket or device"
        with path.open("rb") as handle:
            found = formats.tell(handle, name, in_folder=in_folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return "a symlink to nothing" if path.is_symlink() else "a file that vanished"
        raise unreadable(path, error) from None
    if isinstance(found, str):
        return found
    reader = found.reader or found.archive
    return SourceFile(path, name, reader, status.st_size, status.st_mtime_ns, found.compression)


def _examine_remote(entry: remote.Entry, name: str, *, in_folder: bool = False) -> SourceFile | str:
    """As `examine`, of a file elsewhere."""
    with (
        remote.Watched(entry.url),
        remote.opened(entry.url, block=remote.SNIFF_BLOCK) as handle,
    ):
        found = formats.tell(handle, name, in_folder=in_folder)
    if isinstance(found, str):
        return found
    return SourceFile(
        Path(PurePosixPath(name).name),
        name,
        found.reader or found.archive,
        entry.bytes,
        0,
        found.compression,
        url=entry.url,
        version=entry.version,
    )
