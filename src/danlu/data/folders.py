"""The files under a folder, each once, however its links lead.

No recursion: folders nest deeper than Python's stack. A link that leads back ends there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from danlu.data.found import Skipped
from danlu.data.naming import sound_name
from danlu.data.source_file import unreadable


def walk(folder: Path, seen: set[str], skipped: Skipped) -> Iterator[Path]:
    """Files under a folder in order of their names, depth first, each real path once."""
    pending = [(folder, real(folder))]
    while pending:
        path, resolved = pending.pop()
        if path.name.startswith(".") and path is not folder:
            skipped["hidden"] += 1
        elif is_folder(path):
            if resolved not in seen:
                seen.add(resolved)
                with skipped.unless_broken(sound_name(path.name)):
                    pending += reversed(_listed(path, resolved))
        elif resolved in seen:
            skipped["given twice"] += 1
        else:
            seen.add(resolved)
            yield path


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; no error where one may not look."""
    try:
        return path.is_dir()
    except OSError:
        return False


def real(path: Path) -> str:
    """The path without links; unlike `Path.resolve` no error for a link that leads to itself."""
    return os.path.realpath(path)


def _listed(folder: Path, resolved: str) -> list[tuple[Path, str]]:
    """What is in a folder, in order, each with its path without links."""
    try:
        inside = sorted(folder.iterdir(), key=lambda path: path.name)
        # `realpath` looks at every part of a path: in deep folders that takes minutes
        return [
            (path, real(path) if path.is_symlink() else str(Path(resolved, path.name)))
            for path in inside
        ]
    except OSError as error:
        raise unreadable(folder, error) from None
