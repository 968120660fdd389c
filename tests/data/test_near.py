"""Near-duplicates end to end, against brute force: recall, precision, clusters, controls."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from near_examples import alike, components, planted, shingles, similarity

from danlu.data import judging, keys, minhash, portions, rows, units, verdicts
from danlu.data.corpus import Corpus
from danlu.data.prepare import prepare
from danlu.data.settings import DuplicateSettings, PrepareSettings
from danlu.data.stages import bands

ONLY_NEAR = PrepareSettings(steps=("near",), held_out=0.01)
SEED = time.time_ns() % 1_000_000
"""Fresh every time: the figures must not depend on one draw. Failures print it."""


def made(texts: list[str], folder: Path, settings: PrepareSettings = ONLY_NEAR) -> Corpus:
    folder.mkdir()
    lines = [json.dumps({"id": n, "text": text}) for n, text in enumerate(texts)]
    (folder / "a.jsonl").write_text("\n".join(lines))
    return prepare([folder / "a.jsonl"], folder / "out", settings)


def number(own_id: str) -> int:
    return int(own_id.partition("#")[2])


def removed(corpus: Corpus) -> dict[int, tuple[int, float]]:
    """What went for what, and how similar the corpus says they are."""
    return {
        number(d.id): (number(d.meta["duplicate_of"]), d.meta["similarity"])
        for d in corpus.documents("removed")
    }


@pytest.mark.parametrize("zh", [False, True])
def test_recall_precision_and_clusters_on_planted_texts(tmp_path: Path, zh: bool) -> None:
    texts = planted(SEED, zh, families=700)
    truth = alike(texts, zh, 0.8)
    gone = removed(made(texts, tmp_path / "in"))
    kept = set(range(len(texts))) - set(gone)
    sets = [shingles(text, zh) for text in texts]
    assert len(truth) > 150, "a positive control"

    for i, (twin, said) in gone.items():
        exact = similarity(sets[i], sets[twin])
        assert twin in kept
        assert exact >= 0.8, f"seed {SEED}: precision is 1"
        assert said == round(exact, 4)

    missed = [pair for pair in truth if pair[0] in kept and pair[1] in kept]
    assert len(missed) <= 0.01 * len(truth), f"seed {SEED}: recall of pairs"

    members: dict[int, list[int]] = {}
    for i, leader in enumerate(components(list(truth), len(texts))):
        members.setdefault(leader, []).append(i)
    clusters = [group for group in members.values() if len(group) > 1]
    whole = [
        g
        for g in clusters
        if not any(a in kept and b in kept and (a, b) in truth for a in g for b in g)
    ]
    assert len(whole) >= 0.99 * len(clusters), f"seed {SEED}: recall of clusters"
    alone = [i for group in members.values() if len(group) == 1 for i in group]
    assert not set(alone) & set(gone), "a text that is like no other stays: a negative control"


def test_what_is_kept_is_the_first_or_the_longest(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(200)]
    texts = [" ".join(words[:180]), " ".join(words), " ".join(words[:190]), "another text at all"]
    first = removed(made(texts, tmp_path / "a"))
    assert {i: twin for i, (twin, _) in first.items()} == {1: 0, 2: 0}
    settings = ONLY_NEAR.model_copy(update={"duplicates": DuplicateSettings(keep="longest")})
    longest = removed(made(texts, tmp_path / "b", settings))
    assert {i: twin for i, (twin, _) in longest.items()} == {0: 1, 2: 1}


def test_a_chain_removes_only_what_is_like_a_kept_text(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(100)]
    texts = [" ".join(words[start : start + 80]) for start in range(0, 21, 5)]
    corpus = made(texts, tmp_path / "in")
    gone = removed(corpus)
    for i, (twin, value) in gone.items():
        assert similarity(shingles(texts[i], False), shingles(texts[twin], False)) >= 0.8
        assert value >= 0.8
    assert corpus.manifest["duplicates"]["near"]["documents"] == len(gone) > 0


def test_the_account_lists_clusters(tmp_path: Path) -> None:
    base = " ".join(f"word{n}" for n in range(100))
    texts = [base, base + " more", base + " and more", "quite another text of its own", base + "!"]
    near = made(texts, tmp_path / "in").manifest["duplicates"]["near"]
    assert near["documents"] == 3
    assert near["sizes"] == {"4": 1}
    assert near["largest"] == [
        {
            "kept": "a.jsonl#0",
            "removed": ["a.jsonl#1", "a.jsonl#2", "a.jsonl#4"],
            "text": base[: judging.SHOWN_CHARS],
        }
    ]


def test_estimates_are_unbiased_and_as_exact_as_they_should_be() -> None:
    draw = np.random.default_rng(SEED)
    errors = []
    for _ in range(300):
        common, each = int(draw.integers(20, 400)), int(draw.integers(1, 100))
        every = draw.integers(0, 1 << 63, common + 2 * each).astype(np.uint64)
        a, b = every[: common + each], np.concatenate([every[:common], every[common + each :]])
        first = np.array([0, len(a), len(a) + len(b)])
        made = minhash.Bands().signatures(np.concatenate([a, b]), first)
        exact = minhash.jaccard(np.sort(a), np.sort(b))
        estimate = minhash.similarity(made[:1], made[1:])[0]
        errors.append((estimate - exact) / max((exact * (1 - exact) / 120) ** 0.5, 1e-9))
    assert abs(np.mean(errors)) < 0.3, f"seed {SEED}"
    assert 0.8 < np.std(errors) < 1.25, f"seed {SEED}: standard errors"


def test_signatures_do_not_depend_on_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = planted(1, False, 20)
    shingled = units.of(pa.array(texts)).grams(5, whole=True)
    whole = minhash.Bands().signatures(*shingled)
    monkeypatch.setattr(minhash, "CHUNK", 100)
    assert np.array_equal(whole, minhash.Bands().signatures(*shingled))
    assert not minhash.Bands().signatures(np.zeros(0, np.uint64), np.array([0, 0])).any()


def test_a_giant_bucket_is_paired_with_its_first_members() -> None:
    same = np.full(300, 7, np.uint64)
    found, giants = bands.pairs(same, np.arange(300, dtype=np.uint64), neighbours=10)
    pairs = set(map(tuple, found.T.tolist()))
    assert giants == 1
    assert {(a, b) for b in range(300) for a in range(min(b, 10))} <= pairs
    assert {(b - 1, b) for b in range(1, 300)} <= pairs
    assert len(pairs) == found.shape[1] < 300 * 21


@pytest.mark.parametrize("parts", [1, 3])
def test_keys_of_portions_come_together(tmp_path: Path, parts: int) -> None:
    draw = np.random.default_rng(0)
    from danlu import files

    every: dict[int, list[int]] = {}
    paths = []
    for portion in range(3):
        of = draw.integers(0, 40, (2, 30)).astype(np.uint64) << np.uint64(57)
        rows = np.arange(30) * 2
        paths.append(tmp_path / f"{portion}.npy")
        keys.write(files.Disk(), paths[-1], keys.pack(of, rows))
        for key, row in zip(of[1].tolist(), rows.tolist(), strict=True):
            every.setdefault(key, []).append((portion << 32) + row)
    found: dict[int, list[int]] = {}
    for part in range(parts):
        some, documents = keys.together(paths, 1, part, parts)
        assert sorted(some.tolist()) == some.tolist()
        for start, end in keys.groups(some):
            assert int(some[start]) not in found
            found[int(some[start])] = documents[start:end].tolist()
    assert found == {key: mine for key, mine in every.items() if len(mine) > 1}


def test_verdicts_prefer_and_never_chain() -> None:
    draw = np.random.default_rng(SEED)
    pairs = np.unique(np.sort(draw.integers(0, 60, (200, 2)).astype(np.uint64), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]].T
    values = draw.uniform(0.8, 1, pairs.shape[1])
    sizes = draw.integers(1, 99, 60)[pairs.astype(int)]
    keep: Any
    for keep in ("first", "longest"):
        found, alike_ = verdicts.near(pairs, values, sizes, keep)
        gone, of = set(found[0].tolist()), found[1].tolist()
        edges: set[tuple[int, int]] = set(map(tuple, pairs.T.tolist()))
        assert not gone & set(of)
        assert all(tuple(sorted(pair)) in edges for pair in found.T.tolist())
        assert all(a in gone or b in gone for a, b in edges), f"seed {SEED}"
        assert len(alike_) == len(gone)


def test_texts_in_many_portions_are_compared_as_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = planted(2, True, 60)
    whole = removed(made(texts, tmp_path / "a"))
    monkeypatch.setattr(portions, "PORTION_BYTES", 4_000)
    monkeypatch.setattr(rows, "BATCH_ROWS", 20)
    parts = made(texts, tmp_path / "b")
    assert removed(parts) == whole
    assert len(parts.files("train")) > 3
