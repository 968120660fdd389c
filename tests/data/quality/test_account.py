"""What each rule did: counted alone and first, shown, and merged in any grouping."""

from __future__ import annotations

import itertools
import json
import random

import pytest
import quality_controls as controls
from data_examples import FABLE, POEM

from danlu.data import rows
from danlu.data.quality import rules
from danlu.data.steps import quality
from danlu.types import Document

TEXTS = [
    *(FABLE[: 20 + n * 7] + "\n" + POEM * (n % 3) for n in range(30)),
    *(text for text in controls.FAILING.values() if len(text) < 20_000),
    *[controls.ARTICLE] * 12,
]


def report(documents: list[Document], *names: str) -> quality.account.Report:
    step = quality.Quality(rules.chosen(names))
    for _ in step(rows.batches(documents)):
        pass
    return step.report()


def documents(texts: list[str]) -> list[Document]:
    return [Document(text, f"d{n}", {}) for n, text in enumerate(texts)]


def test_effects_alone_and_first() -> None:
    both = "Home | About | Contact\n" * 9  # repeats lines, and phrases
    found = report(documents([both, controls.GENTLE["one_phrase"], FABLE]), "gentle")
    size = len(both)
    assert found["gentle_duplicate_lines"]["first"] == {"documents": 1, "bytes": size}
    assert found["gentle_one_phrase"]["alone"] == {
        "documents": 2,
        "bytes": size + len(controls.GENTLE["one_phrase"]),
    }
    assert found["gentle_one_phrase"]["first"]["documents"] == 1
    assert found["gentle_compressible"]["alone"] == {"documents": 0, "bytes": 0}
    entry = found["gentle_duplicate_lines"]
    assert list(entry) == [
        *("alone", "first", "threshold", "unit", "side", "source", "worst", "best"),
    ]
    assert (entry["threshold"], entry["side"]) == (0.3, "max")
    assert entry["worst"][0] == {"id": "d0", "value": 8 / 9, "text": both}
    assert [row["id"] for row in entry["best"]] == ["d1", "d2", "d0"]
    assert json.loads(json.dumps(found)) == found


def test_the_worst_and_best_are_those_of_a_sort() -> None:
    listed = documents(TEXTS)
    found = report(listed, "gopher")
    for name in ("gopher_words_min", "gopher_duplicate_5gram"):
        step = quality.Measures(next(rows.batches(listed)).column("text"))
        values, judged = rules.rules()[name].value(step), step.judged("spaced")
        pairs = [(float(values[i]), listed[i].id) for i in range(len(listed)) if judged[i]]
        small = sorted(pairs)[:10]
        large = sorted(pairs, key=lambda pair: (-pair[0], pair[1]))[:10]
        shown = [[(r["value"], r["id"]) for r in found[name][end]] for end in ("worst", "best")]
        assert shown == ([small, large] if name.endswith("min") else [large, small])
        assert all(len(row["text"]) <= 300 for row in found[name]["worst"])


@pytest.mark.parametrize("seed", range(4))
def test_merged_reports_are_the_report_of_all(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    listed = documents([*TEXTS, *TEXTS[:9]])
    names = ("gentle", "gopher", "chinese")
    whole = report(listed, *names)
    chance.shuffle(listed)
    monkeypatch.setattr(rows, "BATCH_ROWS", chance.choice([1, 3, 17]))
    cuts = [0, *sorted(chance.sample(range(len(listed)), 3)), len(listed)]
    parts = [report(listed[a:b], *names) for a, b in itertools.pairwise(cuts)]
    assert quality.merge(parts) == whole
    assert quality.merge([quality.merge(parts[2:]), *parts[:2]]) == whole
    assert quality.merge([]) == {}


def test_rows_removed_before_are_not_counted() -> None:
    batch = next(rows.batches(documents([FABLE, "ha ha\n" * 9])))
    batch = rows.with_columns(batch, removed=[None, "before"])
    step = quality.Quality(rules.chosen(["gentle"]))
    assert [b.column("removed").to_pylist() for b in step(iter([batch]))] == [[None, "before"]]
    entry = step.report()["gentle_duplicate_lines"]
    assert entry["alone"]["documents"] == 0
    assert [row["id"] for row in entry["worst"]] == ["d0"]
