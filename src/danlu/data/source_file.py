"""One file to read: where it is, what it is called, who reads it; and why it cannot be opened.

A file lies on this machine (`path`) or elsewhere (`url`), by itself or inside an archive
(`member`). Reading starts from this record alone, so that any process can do it, more than once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from danlu.errors import DataError


@dataclass(frozen=True, slots=True)
class Member:
    """Where in an archive a file lies."""

    archive: str
    """Kind of archive: zip or tar."""
    name: str
    """As the archive spells it."""
    offset: int
    """Of its header in a zip archive, of its first byte in a tar archive once that is unpacked."""
    compression: str
    """Of the archive as a whole: a name in `compression.CODECS`, or empty."""
    archive_bytes: int
    """Size of the archive; 0 is unknown."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file to read: where it is, what it is called, and who reads it.

    A reader writes what it found out (`encoding`, `field`, counts of rows it could not use) into
    `notes`, and `read_bytes` as it goes: the manifest and the progress line show them.
    """

    path: Path
    """On this machine; of a remote file or archive only its last part."""
    name: str
    """Path relative to the root that the user gave, with `/`: what ids start with."""
    reader: str
    """Module in `danlu.data.sources`."""
    bytes: int
    """Size of the file or member of an archive; 0: unknown, as a remote file's can be."""
    mtime_ns: int
    """Of the file or archive; 0 when it is remote."""
    compression: str = ""
    """A name in `compression.CODECS`: the reader gets what is in it."""
    encoding: str = "auto"
    text_field: str = ""
    group: str = ""
    """Several files that make one source (a Python package); empty: the file is its own source."""
    url: str = ""
    """Where a remote file or archive is."""
    version: str = ""
    """What tells a remote file from an earlier one of that name: its ETag, hash or time."""
    member: Member | None = None
    given: str = field(default="", compare=False)
    """The path or name by which the user gave it, alone or with others."""
    notes: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def source(self) -> str:
        """The name of the source that the file belongs to."""
        return self.group or self.name

    @property
    def container(self) -> str:
        """What is opened to read it: one worker best reads all files of a container, in order."""
        return self.url or str(self.path)

    @property
    def is_plain(self) -> bool:
        """Whether `path` is the file itself: local, in no archive, not compressed."""
        return not (self.url or self.member or self.compression)

    def as_json(self) -> dict[str, Any]:
        """Everything but the notes, for a process elsewhere; `from_json` is the way back.

        >>> file = SourceFile(Path("a.zip"), "a.zip/b.txt", "text", 5, 9,
        ...                   member=Member("zip", "b.txt", 0, "", 120))
        >>> SourceFile.from_json(file.as_json()) == file
        True
        """
        value = asdict(self)
        del value["notes"]
        return {**value, "path": str(self.path)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SourceFile:
        """The file that `as_json` wrote down, with empty notes."""
        member = Member(**value["member"]) if value["member"] else None
        return cls(**{**value, "path": Path(value["path"]), "member": member})


def unreadable(place: Path | str, error: OSError) -> DataError:
    """The error for a file that is there but cannot be opened."""
    reason = (error.strerror or str(error)).lower()
    return DataError(
        f"cannot read {place}: {reason}",
        expected="a file that you may read",
        fix="give yourself permission to read it, or leave it out",
    )


def vanished(file: SourceFile) -> DataError:
    """The error for a file that was there a moment ago."""
    return DataError(
        f"{file.name} vanished while it was read",
        got=file.container,
        fix="put it back, or run the same command again",
    )


def changed(file: SourceFile) -> DataError:
    """The error for a file, or an archive, that is not the one that was listed."""
    size = file.member.archive_bytes if file.member else file.bytes
    return DataError(
        f"{file.name} changed while it was read",
        got=file.container,
        expected=f"{size:,} bytes to the end, as it was found",
        fix="wait until it is complete, then run the same command again",
    )
