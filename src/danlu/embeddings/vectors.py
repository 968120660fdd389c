"""Vectors with their words: the neighbours of a word, analogies, and the file that all tools read.

`vectors.txt` is word2vec's text format: a line "V d", then a line for each word: it and its d
numbers, separated by spaces. gensim opens it with `KeyedVectors.load_word2vec_format(path)`.
`embeddings.json` beside it says how they were made.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from danlu import discover, files
from danlu.embeddings.words import F32
from danlu.errors import DataError, UnknownName

VECTORS, RECORD = "vectors.txt", "embeddings.json"
LIMIT_BYTES = 16 << 30
"""A larger file is not read."""
LOOKED_AT = 50_000
"""Words among which the nearest spelling is looked for."""


@dataclass(frozen=True)
class Vectors:
    """V words and their vectors.

    >>> made = Vectors(("up", "down", "left"), np.array([[1, 1], [1, -1], [-1, 0.9]], np.float32))
    >>> made.nearest("up", 1)
    [('down', 0.0)]
    """

    words: tuple[str, ...]
    """[V]"""
    matrix: F32
    """[V, d]"""

    @functools.cached_property
    def units(self) -> F32:
        """[V, d] the vectors at length 1; one of zeros stays so."""
        lengths = np.linalg.norm(self.matrix, axis=1, keepdims=True)
        return np.asarray(self.matrix / np.maximum(lengths, 1e-12), np.float32)

    @functools.cached_property
    def places(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    def row(self, word: str) -> int:
        """The row of a word, as it is written or in lower case.

        Raises:
            UnknownName: it has no vector; says the nearest spelling.
        """
        for spelling in (word, word.lower()):
            if spelling in self.places:
                return self.places[spelling]
        hint = discover.nearest(word.lower(), self.words[:LOOKED_AT])
        raise UnknownName(
            f"{word!r} has no vector",
            expected="a word that is in the text often enough, see --min-count",
            fix=f"did you mean {hint!r}?" if hint else "",
        )

    def nearest(self, word: str, most: int = 10) -> list[tuple[str, float]]:
        """The words whose vectors have the largest cosine with a word's, and the cosines."""
        row = self.row(word)
        return self._best(self.units[row], most, without=[row])

    def analogy(self, a: str, b: str, c: str, most: int = 5) -> list[tuple[str, float]]:
        """The words nearest to a - b + c, such as king - man + woman, without these three.

        By 3CosAdd (Mikolov et al. 2013, NAACL; so named by Levy and Goldberg 2014): vectors at
        length 1, the largest sum of cosines. The second of a pair is the cosine with the sum.
        """
        rows = [self.row(word) for word in (a, b, c)]
        one, other, third = self.units[rows]
        aim = one - other + third
        return self._best(aim / max(float(np.linalg.norm(aim)), 1e-12), most, without=rows)

    def _best(self, aim: F32, most: int, *, without: Sequence[int]) -> list[tuple[str, float]]:
        closeness = self.units @ aim
        closeness[list(without)] = -np.inf
        most = min(most, len(self.words) - len(set(without)))
        order = np.argsort(-closeness, kind="stable")[:most]
        return [(self.words[row], round(float(closeness[row]), 4)) for row in order]

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        """Write `vectors.txt`, and then what is known about it to `embeddings.json`.

        Raises:
            DataError: a word cannot be written in this format: it is empty or has white space.
        """
        for word in self.words:
            if not word or word.split() != [word]:
                raise DataError("a word with white space does not fit the format", got=word)
        disk = files.Disk()
        disk.mkdir(folder)
        disk.unlink(folder / RECORD)
        new = files.temporary(folder / VECTORS)
        disk.unlink(new)
        digest = disk.write(new, self._lines())
        disk.rename(new, folder / VECTORS)
        facts = {"words": len(self.words), "width": self.matrix.shape[1], "sha256": digest}
        files.write_json(folder / RECORD, {"kind": "embeddings", **facts, **record})

    def _lines(self) -> Iterator[bytes]:
        yield f"{len(self.words)} {self.matrix.shape[1]}\n".encode()
        for word, row in zip(self.words, self.matrix.tolist(), strict=True):
            yield (word + " " + " ".join(f"{x:.6g}" for x in row) + "\n").encode()


def load(path: Path) -> Vectors:
    """The vectors of a file in word2vec's text format, or of a folder with one.

    Raises:
        DataError: there is none, or a line does not fit; the message has its number.
    """
    path = path / VECTORS if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"there are no vectors at {path}", fix="danlu embed CORPUS --out FOLDER")
    if path.stat().st_size > LIMIT_BYTES:
        raise DataError(f"{path} is too large", expected=f"at most {LIMIT_BYTES:,} bytes")
    with path.open("rb") as file:
        head = file.readline(100).split()
        if len(head) != 2 or not all(part.isdigit() for part in head):
            raise DataError(f"{path} does not begin with two numbers, of words and of dimensions")
        count, width = map(int, head)
        if count * width * 2 > path.stat().st_size:  # a lie here must not take the memory
            raise DataError(f"{path} is truncated", expected=f"{count} words of {width} numbers")
        return _parsed(path, file, count, width)


def _parsed(path: Path, lines: Iterable[bytes], count: int, width: int) -> Vectors:
    matrix, words = np.empty((count, width), np.float32), []
    for number, line in enumerate(lines):
        parts = line.split()
        try:
            if len(parts) != width + 1 or number >= count:
                raise ValueError
            matrix[number] = np.array(parts[1:], np.float32)
            words.append(parts[0].decode())
        except ValueError:
            raise DataError(
                f"{path}:{number + 2} does not fit",
                got=line[:60].decode(errors="replace"),
                expected=f"a word and {width} numbers, {count} times",
            ) from None
    if len(words) != count or not np.isfinite(matrix).all():
        raise DataError(f"{path} is damaged", got=f"{len(words)} words", expected=str(count))
    return Vectors(tuple(words), matrix)


def record_of(folder: Path) -> dict[str, Any] | None:
    """What `embeddings.json` says; None where there is no whole one."""
    if not (folder / RECORD).is_file() or not (folder / VECTORS).is_file():
        return None
    record = files.read_json(folder / RECORD)
    return record if isinstance(record, dict) and record.get("kind") == "embeddings" else None
