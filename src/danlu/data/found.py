"""What a look at paths found, what was left out, and why."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from danlu.data.source_file import SourceFile
from danlu.errors import DataError


@dataclass(frozen=True, slots=True)
class Found:
    """What `inputs.expand` found."""

    files: list[SourceFile]
    skipped: dict[str, int]
    """Files that were left out, by reason."""
    broken: dict[str, str] = field(default_factory=dict)
    """By name, what cannot be opened, and why: only where that is no error."""

    @property
    def bytes(self) -> int:
        """Size of all files where they lie; of members of archives, unpacked."""
        return sum(file.bytes for file in self.files)


class Skipped(Counter[str]):
    """How many files were left out, by reason; and what is broken, where that is no error."""

    def __init__(self, *, broken_too: bool = False) -> None:
        super().__init__()
        self.broken: dict[str, str] = {}
        self._broken_too = broken_too

    @contextlib.contextmanager
    def unless_broken(self, name: str) -> Iterator[None]:
        """Note what the block says of a file, an archive or a folder that it cannot look into.

        Raises:
            DataError: as the block, where broken files are errors.
        """
        try:
            yield
        except DataError as error:
            if not self._broken_too:
                raise
            self.broken[name] = error.what

    def nothing(self, place: str) -> DataError:
        """The error for a place where all was left out, or nothing was."""
        reasons = [f"{count} × {reason}" for reason, count in sorted(self.items())]
        if self.broken:
            first = next(iter(self.broken.values()))
            reasons.append(f"{len(self.broken)} × broken, for example: {first}")
        return DataError(
            f"there is no text in {place}",
            got=f"only files that were skipped: {', '.join(reasons)}"
            if reasons
            else "an empty folder",
            expected="text, or a format that `danlu prepare --help` names",
            fix="check the path, or convert the files to text",
        )
