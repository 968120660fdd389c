"""Names of files that are text, and that stay apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from danlu.data.source_file import SourceFile


def sound_name(name: str) -> str:
    r"""A name as text: bytes that are not UTF-8 in it become U+FFFD, which ids can hold.

    >>> sound_name("caf\udce9.txt")
    'caf\ufffd.txt'
    """
    return (
        name if name.isascii() else name.encode(errors="surrogateescape").decode(errors="replace")
    )


def apart(found: Sequence[SourceFile]) -> list[SourceFile]:
    """The same files; one whose name is taken gets its parent folder's name before it, or a count.

    >>> from pathlib import Path
    >>> a = SourceFile(Path("x/a.txt"), "a.txt", "text", 1, 0)
    >>> b = SourceFile(Path("y/a.txt"), "a.txt", "text", 1, 0)
    >>> [file.name for file in apart([a, b])]
    ['a.txt', 'y/a.txt']
    """
    taken: set[str] = set()
    named = []
    for file in found:
        name, number = file.name, 1
        if name in taken and (parent := _parent(file)):
            name = f"{parent}/{name}"
        while name in taken:
            number += 1
            name = f"{file.name}~{number}"
        taken.add(name)
        named.append(file if name == file.name else replace(file, name=name))
    return named


def _parent(file: SourceFile) -> str:
    """The name of the folder that the file's name is relative to; of a remote one none.

    The name of a member of an archive goes on after the archive's.
    """
    parts = sound_name(file.path.absolute().as_posix()).split("/")
    for depth in range(len(parts) - 1 if not file.url else 0, 0, -1):
        inner = "/".join(parts[-depth:])
        if file.name.startswith(f"{inner}/") if file.member else file.name == inner:
            return parts[-depth - 1]
    return ""
