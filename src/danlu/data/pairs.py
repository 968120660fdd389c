"""Questions and answers made from a corpus's own documents, for learning to follow instructions.

Nothing is invented: every answer is a piece of a document. Pairs to train on come from documents
that are trained on, pairs to measure with from those held out. Same corpus and seed, same pairs.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu import discover, files
from danlu.data.corpus import Corpus
from danlu.errors import DataError
from danlu.types import Document

NAMES = {"train": "chats-train.jsonl", "held_out": "chats-held_out.jsonl"}

Pair = dict[str, Any]
"""`{"messages": [user, assistant], "kind": …, "id": document}`, each message a role and content."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Conversations of one question and one answer."""

    train: list[Pair]
    held_out: list[Pair]

    def kinds(self) -> dict[str, dict[str, int]]:
        """How many there are of each kind, by part."""
        return {
            part: dict(sorted(Counter(pair["kind"] for pair in rows).items()))
            for part, rows in (("train", self.train), ("held_out", self.held_out))
        }


def build(corpus: Corpus, *, seed: int, train: int = 20_000, held_out: int = 300) -> Pairs:
    """At most so many pairs of each part, as evenly over the kinds as the text allows.

    Raises:
        DataError: one of the parts has no text that a question can be made of.
    """
    kinds = discover.names("danlu.data.questions")
    pairs = Pairs(
        sample(corpus.documents("train"), kinds, train, random.Random(f"{seed} train")),
        sample(corpus.documents("held_out"), kinds, held_out, random.Random(f"{seed} held_out")),
    )
    for part, rows in (("train", pairs.train), ("held_out", pairs.held_out)):
        if not rows:
            raise DataError(
                f"no questions can be made of the {part} text in {corpus.folder}",
                expected="documents with a summary, a title, or at least two sentences or lines",
                fix="bring your own conversations as a .jsonl file",
            )
    return pairs


def sample(
    documents: Iterable[Document], kinds: Iterable[str], limit: int, rng: random.Random
) -> list[Pair]:
    """At most `limit` pairs, shuffled; a reservoir a kind (Vitter 1985) bounds the memory."""
    makers = {
        kind: discover.find("danlu.data.questions", kind, "kind of question") for kind in kinds
    }
    held: dict[str, list[Pair]] = {kind: [] for kind in makers}
    seen: Counter[str] = Counter()
    for document in documents:
        for kind, maker in makers.items():
            for question, answer in maker.pairs(document, rng):
                seen[kind] += 1
                place = len(held[kind]) if seen[kind] <= limit else rng.randrange(seen[kind])
                if place < limit:
                    pair = _pair(question, answer, kind, document.id)
                    held[kind][place : place + 1] = [pair]
    for rows in held.values():
        rng.shuffle(rows)
    chosen = list(_evenly(list(held.values()), limit))
    rng.shuffle(chosen)
    return chosen


def write(pairs: Pairs, folder: Path, *, disk: files.Disk | None = None) -> dict[str, Path]:
    """Write both parts as JSON lines; returns their paths.

    Raises:
        ResourceError: the disk is full or refuses.
    """
    paths = {part: folder / name for part, name in NAMES.items()}
    for part, path in paths.items():
        rows: list[Pair] = getattr(pairs, part)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        files.write_atomic(path, text.encode(), disk=disk)
    return paths


def read(folder: Path) -> Pairs:
    """What `write` wrote.

    Raises:
        DataError: a file is missing, or a line is not JSON.
    """
    for name in NAMES.values():
        if not (folder / name).is_file():
            raise DataError(f"there is no {name} in {folder}", fix="build the pairs again")
    return Pairs(**{part: files.read_jsonl(folder / name) for part, name in NAMES.items()})


def _pair(question: str, answer: str, kind: str, own_id: str) -> Pair:
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return {"messages": messages, "kind": kind, "id": own_id}


def _evenly(groups: list[list[Pair]], limit: int) -> Iterator[Pair]:
    """From each group in turn, until there are enough or nothing is left.

    >>> list(_evenly([[1, 2, 3], [7]], 3))
    [1, 7, 2]
    """
    left = limit
    for turn in range(max(map(len, groups), default=0)):
        for group in groups:
            if turn < len(group) and left:
                left -= 1
                yield group[turn]
