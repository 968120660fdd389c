from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_examples import POEM

from danlu.data import rows
from danlu.data.settings import PerplexitySettings, PrepareSettings
from danlu.data.steps import perplexity
from danlu.errors import ConfigError, DataError
from danlu.types import Document

Run = Callable[..., list[dict[str, Any]]]

_WHO = "The fox|An old crow|The farmer's wife|A young shepherd|The lion|Every mouse"
_DID = "saw|carried home|forgot|was looking for|never found|asked about|was afraid of"
_WHAT = "the ripe grapes|a piece of cheese|his golden ring|three small fish|the winter"
_WHY = "because it was late|before the sun rose|and went away|as they all had feared"
WHO, DID, WHAT, WHY = (words.split("|") for words in (_WHO, _DID, _WHAT, _WHY))


def story(rng: random.Random, sentences: int = 12) -> str:
    parts = (
        f"{rng.choice(WHO)} {rng.choice(DID)} {rng.choice(WHAT)} {rng.choice(WHY)}."
        for _ in range(sentences)
    )
    return " ".join(parts)


def shuffled(rng: random.Random, text: str) -> str:
    words = text.split()
    rng.shuffle(words)
    return " ".join(words)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(1)
    path = tmp_path_factory.mktemp("good") / "good.jsonl"
    lines = [json.dumps({"text": story(rng, rng.randint(2, 30))}) for _ in range(400)]
    path.write_text("\n".join(lines), "utf-8")
    return path


def settings(path: Path | str, **fields: Any) -> PrepareSettings:
    return PrepareSettings(perplexity=PerplexitySettings(like=str(path), **fields))


def test_what_is_unlike_the_good_text_is_removed(good: Path, run_step: Run) -> None:
    rng = random.Random(2)
    step = perplexity.build(settings(good))
    odd = [
        *(shuffled(rng, story(rng)) for _ in range(20)),
        *("".join(rng.choices("asdfjkl;qwer uiop", k=300)) for _ in range(20)),
        *(bytes(rng.choices(range(256), k=300)).decode("latin-1") for _ in range(20)),
        POEM,
        "Der Fuchs sah die reifen Trauben und ging weg, bevor die Sonne aufging." * 3,
    ]
    assert {row["removed"] for row in run_step(step, *odd)} == {"perplexity"}
    assert step.stats() == {"scored": 62, "removed": 62}


def test_held_out_text_of_the_good_kind_is_kept(good: Path, run_step: Run) -> None:
    rng = random.Random(3)
    step = perplexity.build(settings(good))
    result = run_step(step, *(story(rng, rng.randint(2, 60)) for _ in range(500)))
    assert sum(row["removed"] is None for row in result) >= 490


def test_the_score_is_noted_and_ranks(good: Path, run_step: Run) -> None:
    rng = random.Random(4)
    text = story(rng)
    result = run_step(
        perplexity.build(settings(good)), text, shuffled(rng, text), POEM, "", name="n"
    )
    metas = [json.loads(row["meta"]) for row in result]
    scores = [meta["bits_per_byte"] for meta in metas]
    assert 0 < scores[0] < scores[1] < scores[2]
    assert scores[3] == 0 and metas[0]["name"] == "n"


def test_the_score_does_not_depend_on_batches(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    documents = [Document(story(rng, n), str(n), {"file": "f"}) for n in range(1, 90)]
    step = perplexity.build(settings(good))
    results = []
    for size in (1, 7, 1000):
        monkeypatch.setattr(rows, "BATCH_ROWS", size)
        results.append([row for b in step(rows.batches(documents)) for row in b.to_pylist()])
    assert results[0] == results[1] == results[2]


def test_two_processes_would_agree_and_another_text_is_another_version(
    good: Path, tmp_path: Path
) -> None:
    first, second = perplexity.build(settings(good)), perplexity.build(settings(good))
    assert first.version == second.version and first.limits == second.limits
    other = tmp_path / "other.txt"
    other.write_text(good.read_text("utf-8") + '\n{"text": "more"}\n', "utf-8")
    assert perplexity.build(settings(other)).version != first.version


def test_rows_removed_before_are_left_alone(good: Path) -> None:
    batch = rows.batch([Document("asdf" * 99, "a", {"file": "f"})])
    gone = rows.with_columns(batch, removed=["before"])
    step = perplexity.build(settings(good))
    assert list(step(iter([gone]))) == [gone]
    assert step.stats() == {"scored": 0, "removed": 0}


def test_keep_and_tolerance_move_the_limits(good: Path) -> None:
    usual = perplexity.build(settings(good)).limits
    strict = perplexity.build(settings(good, keep=0.6, tolerance=1.0)).limits
    assert list(strict) == list(usual) == [32, 128, 512]
    assert all(strict[length] < usual[length] for length in usual)
    assert usual[32] > usual[512], "a short text may be more surprising"


def test_a_long_text_is_judged_by_pieces_from_all_over_it() -> None:
    text = "".join(chr(0x4E00 + n) for n in range(5000))
    pieces = perplexity._looked_at(text)
    assert [len(piece) for piece in pieces] == [512] * 4
    assert pieces[0] == text[:512] and pieces[-1] == text[-512:]
    assert perplexity._looked_at("short") == ["short"]


def test_without_a_good_text_the_error_names_the_setting() -> None:
    with pytest.raises(ConfigError, match=r"--perplexity\.like"):
        perplexity.build(PrepareSettings())


def test_too_little_text(tmp_path: Path) -> None:
    small = tmp_path / "small.txt"
    small.write_text("A short text.", "utf-8")
    with pytest.raises(DataError, match="at least 20,000"):
        perplexity.build(settings(small))
    short = tmp_path / "short.jsonl"
    short.write_text("\n".join(json.dumps({"text": f"verse {n}"}) for n in range(3000)), "utf-8")
    with pytest.raises(DataError, match="too short to compare"):
        perplexity.build(settings(short))
    with pytest.raises(DataError, match="there is no file"):
        perplexity.build(settings(tmp_path / "nothing"))
