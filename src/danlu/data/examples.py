"""Texts that the user calls good or bad, read from a file or folder as any other text is.

A bounded sample: files are read in their order, each as far as its share of the sample, which is
its share of all bytes on disk. The same files give the same sample in every process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from danlu import discover
from danlu.data import inputs, rows
from danlu.data.settings import PrepareSettings
from danlu.types import Document


@dataclass(frozen=True, slots=True)
class Examples:
    """Some texts and what tells them from others."""

    texts: list[str]
    digest: str
    """A hash of the texts: part of the version of a step that learned from them."""

    @property
    def characters(self) -> int:
        """How long they are together."""
        return sum(map(len, self.texts))


def read(path: Path, settings: PrepareSettings, *, characters: int) -> Examples:
    """About so many characters of the documents at a path, repaired if the corpus is.

    Raises:
        DataError: the path is missing, or holds no text: see `inputs.expand`.
    """
    documents = _documents(path, settings, characters)
    if "repair" in settings.steps:
        step = discover.find("danlu.data.steps", "repair", "step").build(settings)
        batches = step(rows.batches(documents))
        documents = (document for batch in batches for document in rows.documents(batch))
    texts = [document.text for document in documents if document.text]
    seal = blake2b(digest_size=8)
    for text in texts:
        seal.update(b"%d " % len(text))
        seal.update(text.encode())
    return Examples(texts, seal.hexdigest())


def _documents(path: Path, settings: PrepareSettings, characters: int) -> Iterator[Document]:
    """Documents of every file in turn, as far as its share."""
    found = inputs.expand([path], encoding=settings.encoding)
    for file in found.files:
        left = characters * file.bytes / found.bytes
        for document in discover.find("danlu.data.sources", file.reader, "source").read(file):
            yield document
            left -= len(document.text)
            if left <= 0:
                break
