"""The table that cleaning steps see, and what a step is.

A step sees batches of rows and never drops one: a row that should go gets its reason in `removed`,
so that everything that was read can be counted and shown afterwards. Steps know nothing of files.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import orjson
import pyarrow as pa

from danlu import discover
from danlu.data.settings import PrepareSettings
from danlu.types import Document

if TYPE_CHECKING:
    from danlu.data.work import Task, Work

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("lang", pa.string()),
        pa.field("meta", pa.string(), nullable=False),
        pa.field("removed", pa.string()),
    ]
)
"""`file` is what the split hashes, `lang` is null until the step `language` has looked, `meta` is
JSON, `removed` is null for a row that is kept."""

BATCH_ROWS, BATCH_CHARS = 1_000, 1_000_000
"""A batch ends at whichever comes first."""


class Step(Protocol):
    """Something that changes texts or marks rows as removed; one file each in `data/steps/`."""

    name: str
    version: str
    """Changes whenever the same rows would come out otherwise."""

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows in the same order, some of them changed or marked."""

    def stats(self) -> dict[str, int]:
        """What was done so far, in documents."""


@runtime_checkable
class Reports(Protocol):
    """A step that says more than counts.

    `report()` is of one portion; in its module `merge(reports)` makes one of all, and `REPORT` is
    its name in the manifest.
    """

    name: str

    def report(self) -> dict[str, Any]:
        """What JSON can say about the rows that were seen."""


class Comparison(Protocol):
    """A step that compares documents of all portions; one file each in `data/comparisons/`.

    It collects numbers by which documents are brought together, writes them, and the stages of the
    same name decide.
    """

    name: str
    version: str

    def collect(self, batch: pa.RecordBatch, at: int) -> None:
        """Take the rows that are not removed; the first row of the batch has the number `at`."""

    def save(self, work: Work, task: Task, count: int) -> None:
        """Write what was collected from the `count` rows of a portion."""


def steps(settings: PrepareSettings) -> list[Step]:
    """The cleaning steps of some settings, in order."""
    have = discover.names("danlu.data.steps")
    names = [name for name in settings.steps if name in have]
    return [_learned(name, settings) if name in LEARN else _step(name, settings) for name in names]


LEARN = ("contamination", "perplexity", "classifier")
"""Steps that read other files first; a process does that once."""
_LEARNED: dict[str, tuple[str, Step]] = {}


def _step(name: str, settings: PrepareSettings) -> Step:
    step: Step = discover.find("danlu.data.steps", name, "step").build(settings)
    return step


def _learned(name: str, settings: PrepareSettings) -> Step:
    """A copy of the step as it was built for these settings and files, without counts."""
    from danlu.data import inputs  # here, because not all who know rows read files

    own, other = settings.perplexity, settings.classifier
    paths = [*settings.contamination.against, own.like, other.good, other.bad]
    marks = inputs.fingerprints(inputs.expand(filter(None, paths)).files) if any(paths) else {}
    key = f"{settings.model_dump_json()} {marks}"
    if name not in _LEARNED or _LEARNED[name][0] != key:
        _LEARNED[name] = key, _step(name, settings)
    return copy.copy(_LEARNED[name][1])


def comparisons(settings: PrepareSettings) -> list[Comparison]:
    """The comparisons of some settings, in order."""
    have = discover.names("danlu.data.comparisons")
    names = [name for name in settings.steps if name in have]
    return [discover.find("danlu.data.comparisons", name, "step").build(settings) for name in names]


def batches(documents: Iterable[Document]) -> Iterator[pa.RecordBatch]:
    """Documents as batches of the SCHEMA, none removed."""
    held: list[Document] = []
    chars = 0
    for document in documents:
        held.append(document)
        chars += len(document.text)
        if len(held) >= BATCH_ROWS or chars >= BATCH_CHARS:
            yield batch(held)
            held, chars = [], 0
    if held:
        yield batch(held)


def batch(documents: list[Document]) -> pa.RecordBatch:
    """One batch of documents."""
    columns = [
        pa.array([d.id for d in documents], pa.string()),
        pa.array([d.text for d in documents], pa.string()),
        pa.array([str(d.meta.get("file", "")) for d in documents], pa.string()),
        pa.nulls(len(documents), pa.string()),
        pa.array([meta_json(d.meta) for d in documents], pa.string()),
        pa.nulls(len(documents), pa.string()),
    ]
    return pa.record_batch(columns, schema=SCHEMA)


def documents(rows: pa.RecordBatch) -> Iterator[Document]:
    """The rows of a batch as documents, removed ones too."""
    columns = (rows.column(name).to_pylist() for name in ("text", "id", "meta"))
    for text, own_id, meta in zip(*columns, strict=True):
        yield Document(text, own_id, orjson.loads(meta))


def meta_json(meta: dict[str, Any]) -> str:
    """A document's `meta` as JSON."""
    return orjson.dumps(meta, default=str).decode()


def with_columns(rows: pa.RecordBatch, **columns: list[Any]) -> pa.RecordBatch:
    """The same rows with some columns replaced."""
    arrays = [
        pa.array(columns[name], pa.string()) if name in columns else rows.column(name)
        for name in SCHEMA.names
    ]
    return pa.record_batch(arrays, schema=SCHEMA)


def mark(rows: pa.RecordBatch, reason: Callable[[str], str | None]) -> pa.RecordBatch:
    """The same rows, where each one not yet removed got the reason that its text gives, if any."""
    texts, before = rows.column("text").to_pylist(), rows.column("removed").to_pylist()
    after = [old or reason(text) for text, old in zip(texts, before, strict=True)]
    return rows if after == before else with_columns(rows, removed=after)


def noted(meta: str, name: str, value: float) -> str:
    """A row's `meta` with one more number in it; one of the same name is replaced.

    >>> noted('{"file":"a"}', "score", 0.5), noted('{"score":1}', "score", 0.5)
    ('{"file":"a","score":0.5}', '{"score":0.5}')
    """
    if f'"{name}"' not in meta and meta.endswith("}"):  # nearly always: no need to parse it
        return f'{meta[:-1]}{"," if len(meta) > 2 else ""}"{name}":{value!r}}}'
    return meta_json(orjson.loads(meta) | {name: value})
