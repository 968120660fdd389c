"""Passages that are shared with evaluation files and with held-out text, by brute force."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from near_examples import sentence

from danlu.data import contamination
from danlu.data.prepare import prepare
from danlu.data.settings import ContaminationSettings, PrepareSettings
from danlu.data.steps.contamination import strings
from danlu.errors import ConfigError, DataError

DEFAULTS = ContaminationSettings()


def text(seed: int, zh: bool, length: int) -> str:
    return ("" if zh else " ").join(sentence(random.Random(seed), zh, length))


def shared(evaluation: list[str], texts: list[str]) -> list[float]:
    known = contamination.Known.of(contamination.collected([pa.array(evaluation)], DEFAULTS))
    return list(known.shares(pa.array(texts), DEFAULTS))


@pytest.mark.parametrize(("zh", "n"), [(False, 13), (True, 20)])
def test_shares_are_those_of_slices(zh: bool, n: int) -> None:
    evaluation = [text(seed, zh, 60) for seed in range(5)]
    texts = [text(seed, zh, 50) for seed in range(10, 14)]
    planted = evaluation[2][: len(evaluation[2]) // 2]
    texts += [f"{planted} {texts[0]}", f"{texts[1]}。{planted}"]

    def slices(one: str) -> list[tuple[str, ...]]:
        units = [c for c in one if c.isalnum()] if zh else one.replace("。", " ").split()
        return list(zip(*(units[i:] for i in range(n)), strict=False))

    known = {s for one in evaluation for s in slices(one)}
    expected = [sum(s in known for s in slices(one)) / max(len(slices(one)), 1) for one in texts]
    assert np.allclose(shared(evaluation, texts), expected, atol=1e-12)
    assert [value > 0 for value in expected] == [False] * 4 + [True] * 2


def test_mixed_text_counts_words_or_characters_where_they_are() -> None:
    zh, en = text(1, True, 25), text(2, False, 15)
    assert shared([zh], [f"{en} {zh} {en}"])[0] > 0
    assert shared([en], [f"{zh} {en} {zh}"])[0] > 0
    assert shared([zh, en], [text(3, True, 300), text(4, False, 300)]) == [0, 0]


def test_case_marks_and_spaces_do_not_hide_a_passage() -> None:
    words = text(5, False, 13)
    loud = words.upper().replace(" ", ",  ")
    assert shared([words], [f"Before. {loud}! After."])[0] > 0
    assert shared([words], [" ".join(words.split()[:12])])[0] == 0, "twelve words are no passage"


def test_documents_with_evaluation_text_are_removed(tmp_path: Path) -> None:
    questions = [
        {"question": text(n, n % 2 == 0, 40), "answer": {"text": [text(n + 50, False, 20)]}}
        for n in range(10)
    ]
    evaluation = tmp_path / "eval.json"
    evaluation.write_text(json.dumps({"version": 1, "data": questions}))
    clean = [text(n, n % 2 == 0, 60) for n in range(100, 160)]
    dirty = [f"{clean[n]} {questions[n]['question']}" for n in range(10)]
    dirty += [f"{clean[10]} {questions[0]['answer']['text'][0]}"]  # type: ignore[index]
    lines = [{"text": one} for one in clean + dirty]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    settings = PrepareSettings(
        steps=("contamination",),
        contamination=ContaminationSettings(against=(str(evaluation),)),
    )
    corpus = prepare([tmp_path / "a.jsonl"], tmp_path / "out", settings)
    removed = corpus.manifest["removed"]
    assert removed["contaminated: eval.json"]["documents"] == len(dirty)
    gone = {d.text for d in corpus.documents("removed")}
    assert set(dirty) <= gone
    funnel = {row["step"]: row["documents"] for row in corpus.manifest["funnel"]}
    kept = corpus.manifest["counts"]["kept"]["documents"]
    assert funnel == {"read": len(lines), "contamination": len(clean), "held_out": kept}
    evaluation.write_text(json.dumps({"version": 2, "data": questions[:3]}))
    with pytest.raises(ConfigError, match="made otherwise"):
        prepare([tmp_path / "a.jsonl"], tmp_path / "out", settings)


def test_training_text_that_repeats_held_out_text_is_removed(tmp_path: Path) -> None:
    """Each text stands in two documents that are no near-duplicates of each other."""
    lines = []
    for n in range(300):
        passage = text(n, False, 40)
        lines += [{"text": f"{passage} {text(1000 + n + k * 500, False, 40)}"} for k in range(2)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    for name, limit in (("strict", 0.2), ("off", 1.0)):
        settings = PrepareSettings(
            steps=("contamination", "near"), contamination=ContaminationSettings(held_out=limit)
        )
        corpus = prepare([tmp_path / "a.jsonl"], tmp_path / name, settings)
        held = {d.text[:40] for d in corpus.documents("held_out")}
        shared_with = sum(d.text[:40] in held for d in corpus.documents("train"))
        assert held
        if name == "strict":
            assert shared_with == 0
            assert corpus.manifest["removed"]["contaminated: held-out text"]["documents"] > 0
        else:
            assert shared_with > 0, "a positive control"


def test_a_missing_evaluation_file_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text(1, False, 90))
    settings = PrepareSettings(
        contamination=ContaminationSettings(against=(str(tmp_path / "nowhere.jsonl"),))
    )
    with pytest.raises(DataError, match=r"no file or folder .*nowhere"):
        prepare([tmp_path / "a.txt"], tmp_path / "out", settings)


def test_all_strings_of_a_record_count(tmp_path: Path) -> None:
    from data_examples import source

    (tmp_path / "q.jsonl").write_text('{"q": "one", "options": ["two", {"x": "three"}], "n": 4}')
    assert list(strings(source(tmp_path / "q.jsonl"))) == ["one", "two", "three"]
    (tmp_path / "q.txt").write_text("plain text")
    assert list(strings(source(tmp_path / "q.txt"))) == ["plain text"]
