"""The records that a corpus's page shows: the contract between `manifest.json` and the page.

As in `records`: every field is optional, what is absent gets no panel, and unknown keys are
ignored. `read` makes them of a manifest, in which any text may be hostile: acting characters are
written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from danlu.errors import DataError
from danlu.report.records import Corpus, Count, Excerpt, Source
from danlu.report.schema import Facts, Number, Record, Text
from danlu.visible import visible


class Stage(Count):
    """What is left after a step; the first one is `read`."""

    step: Text = ""


class Judged(Excerpt):
    """A document with its value under a rule."""

    value: Number = None


class Rule(Record):
    """A rule of quality: how many documents it would remove, alone and in its turn."""

    alone: Count = Count()
    first: Count = Count()
    threshold: Number | Text = None
    unit: Text = ""
    worst: list[Judged] = Field(default_factory=list)
    best: list[Judged] = Field(default_factory=list)


class Group(Record):
    """Near-duplicates of which one was kept."""

    kept: Text = ""
    removed: list[Text] = Field(default_factory=list)
    text: Text = ""


class Near(Record):
    """Near-duplicates: how many were removed, and how large their groups are."""

    documents: Number = None
    clusters: Number = None
    sizes: dict[str, Number] = Field(default_factory=dict)
    """Number of groups by number of documents."""
    largest: list[Group] = Field(default_factory=list)
    giant_buckets: Number = None


class Duplicates(Record):
    """Copies, exact and near."""

    exact: Count | None = None
    near: Near | None = None


class Personal(Record):
    """Personal data of one kind."""

    count: Number = None
    documents: Number = None


class Cluster(Record):
    """A topic."""

    share: Number = None
    words: list[Text] = Field(default_factory=list)


class Topics(Record):
    """The topics of a sample."""

    k: Number = None
    documents: Number = None
    entropy: Number = None
    clusters: list[Cluster] = Field(default_factory=list)


class Shares(Record):
    """How text is spread over sources or languages."""

    effective: Number = None


class Measured(Record):
    """`danlu.data.diversity.Diversity` of one sample."""

    documents: Number = None
    bytes: Number = None
    distinct: dict[str, Number] = Field(default_factory=dict)
    self_bleu: Number = None
    vocabulary: dict[str, Number] = Field(default_factory=dict)
    compression: Number = None
    lengths: dict[str, Number] = Field(default_factory=dict)
    topics: Topics | None = None
    sources: Shares | None = None
    languages: Shares | None = None


class Advice(Record):
    """One advice: its key in the texts, and what stands in it."""

    key: Text = ""
    values: dict[str, Text] = Field(default_factory=dict)


class Diversity(Record):
    """Before and after cleaning."""

    before: Measured | None = None
    after: Measured | None = None
    advice: list[Advice] = Field(default_factory=list)


class Survivor(Excerpt):
    """A kept document, drawn at random."""

    file: Text = ""
    lang: Text | None = None


class Mixed(Record):
    """How much of a source was wanted, and taken."""

    source: Text = ""
    bytes: Number = None
    weight: Number = None
    wanted: Number = None
    got: Number = None
    repeats: Number = None


class Licensed(Source):
    """A source with what is known about its licence."""

    licence: Text | None = None


class Broken(Record):
    """A file that could not be read."""

    file: Text = ""
    reason: Text = ""


class CorpusReport(Corpus):
    """Everything that the page of a corpus shows."""

    name: Text
    generated: float
    """Unix time of the collection."""
    sha256: Text = ""
    funnel: list[Stage] = Field(default_factory=list)
    languages: dict[str, Count] = Field(default_factory=dict)
    rules: dict[str, Rule] = Field(default_factory=dict)
    duplicates: Duplicates | None = None
    personal: dict[str, Personal] = Field(default_factory=dict)
    diversity: Diversity | None = None
    survivors: list[Survivor] = Field(default_factory=list)
    mixture: list[Mixed] = Field(default_factory=list)
    sources: list[Licensed] = Field(default_factory=list)  # type: ignore[assignment]
    broken: list[Broken] = Field(default_factory=list)
    recipe: Facts = Field(default_factory=dict)
    danlu: Text = ""
    split_by: Text = ""
    parent: dict[str, Any] | None = None
    forgotten: dict[str, Any] | None = None
    problems: list[Text] = Field(default_factory=list)


def read(manifest: Mapping[str, Any], *, name: str, sha256: str, now: float) -> CorpusReport:
    """The records of a manifest; an entry of a wrong shape is left out and named in `problems`.

    Raises:
        DataError: nothing of it can be used.
    """
    counts = manifest.get("counts")
    values: dict[str, Any] = _shown({**manifest, **(counts if isinstance(counts, dict) else {})})
    fixed = {"name": visible(name), "sha256": sha256, "generated": now}
    problems: dict[str, str] = {}
    for _ in range(len(values) + 1):
        try:
            given = {**values, **fixed, "problems": list(problems.values())}
            return CorpusReport.model_validate(given)
        except ValidationError as error:
            for item in error.errors():
                where = str(item["loc"][0])
                values.pop(where, None)
                problems[where] = f"manifest.json: {where}: {item['msg'].lower()}"
    raise DataError(f"the manifest of {name} cannot be shown", got="; ".join(problems.values()))


def _shown(value: Any) -> Any:
    """A value of JSON with the acting characters of all its texts written out."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): _shown(inner) for key, inner in value.items()}
    return [_shown(inner) for inner in value] if isinstance(value, list) else value
