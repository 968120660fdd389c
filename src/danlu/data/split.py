"""Which documents are held out: decided by a hash of their file, before anything is trained.

Near-copies lie in the same file more often than not (versions of a page, one function documented
twice), so files are kept together. With few files that would be a coarse knife: below MIN_FILES
the hash is of the document's id, and the manifest says so. The hash is salted with a constant, not
with the seed of a run: other seeds, and the same corpus with more files, hold out the same texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from danlu.errors import DataError

SALT = b"danlu held-out 1"
MIN_FILES = 20

Name = Literal["train", "held_out"]
NAMES: tuple[Name, ...] = ("train", "held_out")


@dataclass(frozen=True, slots=True)
class Split:
    """Which units (files or documents) are held out."""

    by: Literal["file", "document"]
    held_out: frozenset[str]

    def of(self, own_id: str, file: str) -> Name:
        """The side that a document is on."""
        return "held_out" if (file if self.by == "file" else own_id) in self.held_out else "train"


def decide(files: Mapping[str, int], documents: Mapping[str, int], share: float) -> Split:
    """The split of kept text, given as bytes by file and bytes by document id.

    >>> split = decide({"a.txt": 90}, {f"a.txt#{i}": 1 for i in range(90)}, 0.05)
    >>> split.by, len(split.held_out)
    ('document', 3)

    Raises:
        DataError: there are fewer than two documents, so that one side would be empty.
    """
    if len(documents) < 2:
        raise DataError(
            "the text is too small to hold any of it out",
            got=f"{len(documents)} document of {sum(documents.values()):,} bytes after cleaning",
            expected="at least 2 documents; texts over 6,000 characters are cut into several",
            fix="add more text",
        )
    if len(files) >= MIN_FILES:
        return Split("file", held_out(files, share))
    return Split("document", held_out(documents, share))


def held_out(units: Mapping[str, int], share: float) -> frozenset[str]:
    """Names of the units whose hash falls below `share`: about that share of all bytes.

    Where chance gives nothing, or more than twice the share, units are taken in order of their
    hashes as long as they fit, and at least the smallest.
    """
    total = sum(units.values())
    places = {name: place(name) for name in units}
    chosen = frozenset(name for name, at in places.items() if at < share)
    size = sum(units[name] for name in chosen)
    if 0 < size <= 2 * share * total and len(chosen) < len(units):
        return chosen
    taken: set[str] = set()
    size = 0
    for name in sorted(units, key=lambda name: places[name]):
        if size >= share * total or len(taken) + 1 == len(units):
            break
        if size + units[name] <= 2 * share * total:
            taken.add(name)
            size += units[name]
    return frozenset(taken) or frozenset([min(units, key=lambda name: (units[name], name))])


def place(name: str) -> float:
    """A number in [0, 1) that only depends on the name."""
    digest = blake2b(name.encode(), digest_size=8, key=SALT).digest()
    return int.from_bytes(digest, "big") / 2**64
