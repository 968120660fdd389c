from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from danlu.data import rows
from danlu.data.settings import ClassifierSettings, PrepareSettings
from danlu.data.steps import classifier
from danlu.errors import ConfigError, DataError
from danlu.types import Document

Run = Callable[..., list[dict[str, Any]]]

_NOTES = (
    "see you at the station|dinner is ready|the train is late again|call your mother|sleep well"
)
_OFFERS = (
    "WIN a prize now|call 0900 123 FREE|claim your reward today|best price, order now|click here"
)
NOTES, OFFERS = _NOTES.split("|"), _OFFERS.split("|")


def texts(kind: Sequence[str], count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.sample(kind, 3)) + f" {rng.randint(1, 99)}" for _ in range(count)]


def write(path: Path, some: Sequence[str]) -> Path:
    path.write_text("\n".join(json.dumps({"text": text}) for text in some), "utf-8")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., PrepareSettings]:
    good = write(tmp_path / "good.jsonl", texts(NOTES, 120, 1))
    bad = write(tmp_path / "bad.jsonl", texts(OFFERS, 90, 2))

    def settings(**fields: Any) -> PrepareSettings:
        own = {"good": str(good), "bad": str(bad), **fields}
        return PrepareSettings(classifier=ClassifierSettings(**own))

    return settings


def test_bad_ones_go_and_good_ones_stay(
    settings: Callable[..., PrepareSettings], run_step: Run
) -> None:
    step = classifier.build(settings())
    result = run_step(step, *texts(NOTES, 50, 3), *texts(OFFERS, 50, 4))
    removed = [row["removed"] for row in result]
    assert removed[:50].count(None) >= 49
    assert removed[50:].count("classifier") >= 45, "the precision asked for is 0.95"
    assert step.stats() == {"scored": 100, "removed": 100 - removed.count(None)}
    scores = [json.loads(row["meta"])["classifier"] for row in result]
    assert 0 <= min(scores) < 0.1 and 0.9 < max(scores) <= 1


def test_a_higher_precision_lets_fewer_bad_ones_pass(
    settings: Callable[..., PrepareSettings],
) -> None:
    usual, strict = classifier.build(settings()), classifier.build(settings(precision=1.0))
    assert strict.limit >= usual.limit


def test_the_result_does_not_depend_on_batches(
    settings: Callable[..., PrepareSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = texts(NOTES, 20, 5) + texts(OFFERS, 20, 6) + [""]
    documents = [Document(text, str(n), {"file": "f"}) for n, text in enumerate(some)]
    results = []
    for size in (1, 7, 1000):
        monkeypatch.setattr(rows, "BATCH_ROWS", size)
        step = classifier.build(settings())  # trained anew, as in another process
        results.append([row for b in step(rows.batches(documents)) for row in b.to_pylist()])
    assert results[0] == results[1] == results[2]


def test_rows_removed_before_are_left_alone(settings: Callable[..., PrepareSettings]) -> None:
    gone = rows.with_columns(
        rows.batch([Document("WIN a prize", "a", {"file": "f"})]), removed=["before"]
    )
    step = classifier.build(settings())
    assert list(step(iter([gone]))) == [gone]
    assert step.stats() == {"scored": 0, "removed": 0}


def test_other_examples_are_another_version(
    settings: Callable[..., PrepareSettings], tmp_path: Path
) -> None:
    other = write(tmp_path / "other.jsonl", texts(OFFERS, 91, 7))
    versions = {classifier.build(settings(**f)).version for f in ({}, {}, {"bad": str(other)})}
    assert len(versions) == 2


def test_it_says_how_well_it_tells_them_apart(
    settings: Callable[..., PrepareSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(classifier.log, "say", said.append)
    classifier.build(settings())
    assert "ROC-AUC 1.000" in said[0] and "keeps 23 of 23 good and 0 of 18 bad" in said[0]


def test_the_limit_is_the_lowest_that_is_precise_enough() -> None:
    import numpy as np

    generator = np.random.default_rng(1)
    good, bad = generator.beta(4, 2, 200), generator.beta(2, 4, 300)
    found = classifier.limits(good, bad)
    assert len(found) == len(good)
    assert all(each.score <= score for each, score in zip(found, sorted(good), strict=True))
    for each in found[::17]:
        tp, fp = (good >= each.score).mean(), (bad >= each.score).mean()
        assert each.precision == pytest.approx(tp / (tp + fp))
        assert each.kept_good == (good >= each.score).sum()
        assert each.kept_bad == (bad >= each.score).sum()


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_without_examples_the_error_names_the_setting(
    kind: str, settings: Callable[..., PrepareSettings]
) -> None:
    with pytest.raises(ConfigError, match=rf"--classifier\.{kind}"):
        classifier.build(settings(**{kind: ""}))


def test_too_few_examples(settings: Callable[..., PrepareSettings], tmp_path: Path) -> None:
    few = write(tmp_path / "few.jsonl", [*texts(NOTES, 49, 1), *texts(NOTES, 49, 1)])
    with pytest.raises(DataError, match="at least 50"):
        classifier.build(settings(good=str(few)))


def test_texts_that_are_good_and_bad_do_not_count(
    settings: Callable[..., PrepareSettings], tmp_path: Path
) -> None:
    same = write(tmp_path / "same.jsonl", texts(NOTES, 120, 1))
    with pytest.raises(DataError, match="too few good"):
        classifier.build(settings(bad=str(same)))


def test_kinds_that_are_alike_are_an_error(
    settings: Callable[..., PrepareSettings], tmp_path: Path
) -> None:
    alike = write(tmp_path / "alike.jsonl", texts(NOTES, 200, 8))
    with pytest.raises(DataError, match="precisely as asked"):
        classifier.build(settings(bad=str(alike), precision=1.0))
