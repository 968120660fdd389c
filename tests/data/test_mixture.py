"""Mixtures against brute force, and through a whole corpus."""

from __future__ import annotations

import itertools
import json
import os
import random
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu import config
from danlu.data import mixture, prepare
from danlu.data.corpus import Corpus
from danlu.data.mixture import Part, assign, copies, drawn, passes, place, plan, table
from danlu.data.settings import PrepareSettings
from danlu.data.shards import Shards, tokenize
from danlu.errors import ConfigError, DataError, UnknownName
from danlu.tokenizer import Tokenizer, train

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def slow_copies(
    groups: list[int], sizes: list[int], places: list[int], parts: list[Part]
) -> list[int]:
    """Add documents to a source one by one, in the order of their places, while that is nearer."""
    counts = [0] * len(groups)
    for number, part in enumerate(parts):
        own = sorted((places[d], d) for d in range(len(groups)) if groups[d] == number)
        target = part.repeats * sum(sizes[d] for _, d in own)
        steps = [d for _, d in own] * (int(part.repeats) + 2)
        errors, got = [target], 0.0
        for d in steps:
            got += sizes[d]
            errors.append(abs(got - target))
        best = max(errors.index(min(errors)), 1)
        for d in steps[:best]:
            counts[d] += 1
    return counts


documents = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 50), st.integers(0, 2**64 - 1)),
    min_size=1,
    max_size=40,
    unique_by=lambda document: document[2],
)


@given(documents, st.lists(st.floats(0.01, 100), min_size=3, max_size=3))
def test_against_brute_force(listed: list[tuple[int, int, int]], weights: list[float]) -> None:
    present = sorted({group for group, _, _ in listed})
    groups = [present.index(group) for group, _, _ in listed]
    sizes, places = [size for _, size, _ in listed], [place for _, _, place in listed]
    amounts: Counter[str] = Counter()
    for group, size in zip(groups, sizes, strict=True):
        amounts[str(group)] += size
    parts = plan(amounts, {str(n): weights[n] for n in range(len(present))})
    got = copies(np.array(groups), np.array(sizes), np.array(places, np.uint64), parts)
    slow = slow_copies(groups, sizes, places, parts)
    whole = sum(sizes)
    for number, part in enumerate(parts):
        own = [d for d, group in enumerate(groups) if group == number]
        amount, reference = (sum(c[d] * sizes[d] for d in own) for c in (got.tolist(), slow))
        target, largest = part.wanted * whole, max(sizes[d] for d in own)
        error = abs(amount - target)
        assert error == pytest.approx(abs(reference - target), abs=1e-6 * whole)
        assert error <= largest / 2 + 1e-6 * whole or (amount <= largest and error < largest)
        counts = [int(got[d]) for d in own]
        assert max(counts) - min(counts) <= 1 and max(counts) >= 1


@given(documents, st.floats(0.1, 3), st.floats(0.1, 3))
def test_a_larger_share_only_adds(
    listed: list[tuple[int, int, int]], one: float, other: float
) -> None:
    sizes = np.array([size for _, size, _ in listed])
    places = np.array([place for _, _, place in listed], np.uint64)
    groups = np.zeros(len(listed), np.int64)
    less, more = (
        copies(groups, sizes, places, [Part("a", int(sizes.sum()), 1, 1, repeats)])
        for repeats in sorted((one, other))
    )
    assert (less <= more).all()


def test_shares_come_out_as_wanted() -> None:
    chance = random.Random(5)
    groups = np.array([0] * 500 + [1] * 5_000 + [2] * 20_000)
    sizes = np.array([chance.randrange(50, 2_000) for _ in groups])
    places = np.array([place(f"d{n}") for n in range(len(groups))], np.uint64)
    weights = {"poems": 0.3, "law": 0.3, "news": 0.4}
    amounts = {name: int(sizes[groups == n].sum()) for n, name in enumerate(sorted(weights))}
    parts = plan(amounts, weights)
    counts = copies(groups, sizes, places, parts)
    after = drawn(parts, groups, sizes, counts)
    total = float((sizes * counts).sum())
    for part in after:
        assert part.got is not None
        assert abs(part.got - part.wanted) <= 3 * 2_000 / total  # half a document for each source
    assert total == pytest.approx(sizes.sum(), rel=1e-3)


def test_weights_like_the_sizes_change_nothing() -> None:
    sizes = np.array([7, 11, 13, 900, 41])
    groups = np.array([0, 1, 1, 0, 1])
    places = np.array([5, 1, 2, 9, 3], np.uint64)
    amounts = {"a": 907, "b": 65}
    parts = plan(amounts, {"a": 9.07, "b": 0.65})
    assert copies(groups, sizes, places, parts).tolist() == [1] * 5


def test_the_order_of_weights_does_not_matter() -> None:
    sizes = {"a": 10, "b": 20, "c": 30}
    one = plan(sizes, {"c": 0.1, "a": 0.7, "b": 0.2})
    other = plan(dict(reversed(sizes.items())), {"a": 0.7, "b": 0.2, "c": 0.1})
    assert one == other and [part.source for part in one] == ["a", "b", "c"]
    assert sum(part.repeats * part.size for part in one) == pytest.approx(60)
    scaled = plan(sizes, {"c": 1, "a": 7, "b": 2})
    assert [p.repeats for p in scaled] == pytest.approx([p.repeats for p in one])


def test_repeats_are_a_pass_apart() -> None:
    counts = np.array([2, 0, 3, 1, 3])
    order = [d for some in passes(counts) for d in some.tolist()]
    assert Counter(order) == {0: 2, 2: 3, 3: 1, 4: 3}
    assert all(a != b for a, b in itertools.pairwise(order))
    assert list(passes(np.zeros(3, int))) == []


def test_names() -> None:
    files = [("in/poems", "tang.txt"), ("in/poems", "song.txt"), ("b/news.txt", "news.txt")]
    files += [("hf:a/b@test", "hf:a/b@test")]
    weights = {"poems": 1, "song.txt": 1, "b/news.txt": 2, "hf:a/b@test": 1}
    assert assign(weights, files) == {
        "tang.txt": "poems",
        "song.txt": "song.txt",
        "news.txt": "b/news.txt",
        "hf:a/b@test": "hf:a/b@test",
    }
    assert assign({}, files) == {}
    with pytest.raises(UnknownName, match="no source named 'in/poem'") as unknown:
        assign({**weights, "in/poem": 1}, files)
    assert unknown.value.fix == "did you mean 'in/poems'?"
    with pytest.raises(ConfigError, match="every source a weight") as absent:
        assign({"poems": 1}, files)
    assert absent.value.got == "none for b/news.txt, hf:a/b@test"
    assert absent.value.fix == "--mix poems 1 b/news.txt 1"


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_that_are_none(weight: float) -> None:
    with pytest.raises(ValueError, match="must be a number above 0"):
        PrepareSettings(mix={"a": weight})


def test_from_yaml() -> None:
    settings = config.parse_yaml(PrepareSettings, "mix: {b: 2, hf:a/b/c@d: 0.5}")
    assert settings.mix == {"b": 2, "hf:a/b/c@d": 0.5} and list(settings.mix) == ["b", "hf:a/b/c@d"]
    assert config.parse_yaml(PrepareSettings, config.dump(settings)) == settings


def test_too_many_epochs_are_warned_of(capsys: Capture) -> None:
    mixture.warn(plan({"a": 100, "b": 900}, {"a": 1, "b": 1}))
    said = capsys.readouterr().err
    assert "a is read 5.0 times" in said and "A weight of 0.667 reads it 4 times" in said
    parts = plan({"a": 100, "b": 900}, {"a": 2 / 3, "b": 1})
    assert parts[0].repeats == pytest.approx(4)
    mixture.warn(plan({"a": 100, "b": 900}, {"a": 0.66, "b": 1}))
    assert not capsys.readouterr().err


def test_a_source_without_text() -> None:
    with pytest.raises(DataError, match="nothing is left of b"):
        plan({"a": 10}, {"a": 1, "b": 1})


@cache
def tokenizer() -> Tokenizer:
    return train(["the moon is bright tonight", "明月光"] * 4, vocab=270, strict=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = random.Random(1)
    words = ["moon", "river", "frost", "light", "bed", "home", "wine", "road", "snow", "wind"]
    for name, count in (("poems", 12), ("news", 60)):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(count):
            text = " ".join(chance.choices(words, k=chance.randrange(20, 60)))
            (tmp_path / "in" / name / f"{number}.txt").write_text(f"{name} {number}: {text}")
    return tmp_path


def made(folder: Path, out: str, **settings: Any) -> tuple[Corpus, Shards]:
    paths = [folder / "in" / "poems", folder / "in" / "news"]
    options = PrepareSettings(steps=(), held_out=0.1, **settings)
    corpus = prepare.prepare(paths, folder / out, options)
    return corpus, tokenize(corpus, tokenizer())


def texts(shards: Shards, split: str) -> list[str]:
    tokens, starts = shards.tokens(split), np.load(shards.folder / f"{split}.idx.npy")
    bos = tokenizer().bos_id
    assert (tokens[starts] == bos).all() and starts[-1] == len(tokens) - 1
    pairs = zip(starts.tolist(), starts[1:].tolist(), strict=False)
    return [tokenizer().decode(tokens[begin + 1 : end].tolist()) for begin, end in pairs]


def test_a_mixed_corpus(folder: Path, capsys: Capture) -> None:
    corpus, shards = made(folder, "mixed", mix={"poems": 1, "news": 1})
    planned = {row["source"]: row for row in corpus.manifest["mixture"]}
    by_source: Counter[str] = Counter()
    for document in corpus.documents("train"):
        assert document.meta["mix"] == document.text.split()[0]
        by_source[document.meta["mix"]] += len(document.text)
    assert {name: row["bytes"] for name, row in planned.items()} == by_source
    whole = sum(by_source.values())
    assert planned["poems"]["repeats"] == pytest.approx(whole / 2 / by_source["poems"], abs=1e-6)

    entry = shards.manifest["splits"]["train"]
    rows = {row["source"]: row for row in entry["mixture"]}
    stream = texts(shards, "train")
    counts = Counter(stream)
    sizes = {text: len(tokenizer().encode(text)) + 1 for text in counts}
    for name, row in rows.items():
        own = {text: count for text, count in counts.items() if text.startswith(name)}
        share = sum(sizes[text] * count for text, count in own.items()) / (len_(shards) - 1)
        assert row["got"] == pytest.approx(share, abs=1e-6)
        assert abs(row["got"] - 0.5) <= 2 * max(sizes.values()) / len_(shards)
        assert max(own.values()) - min(own.values()) <= 1
    assert rows["poems"]["repeats"] > 2 > 1 > rows["news"]["repeats"]
    assert all(a != b for a, b in itertools.pairwise(stream))
    assert shards.text_bytes("train") == sum(len(text.encode()) for text in stream)
    assert shards.unique("train") == sum(sizes.values()) + 1 < shards.count("train")
    held_out = texts(shards, "held_out")
    assert max(Counter(held_out).values()) == 1 and not set(held_out) & set(stream)
    assert not (shards.folder / "base.bin").exists()
    assert table(entry["mixture"])[1]["share wanted"] == "50.0%"
    assert json.loads((shards.folder / "manifest.json").read_text()) == shards.manifest


def len_(shards: Shards) -> int:
    return shards.count("train")


def test_without_weights_nothing_changes(folder: Path) -> None:
    plain, shards = made(folder, "plain")
    stream = [tokenizer().bos_id]
    for document in plain.documents("train"):
        stream += [*tokenizer().encode(document.text), tokenizer().bos_id]
    assert shards.tokens("train").tolist() == stream
    assert "mixture" not in plain.manifest and "mix" not in plain.manifest["recipe"]
    assert all("mix" not in document.meta for document in plain.documents("train"))
    assert shards.manifest["made_from"].keys() == {"corpus", "tokenizer"}
    assert shards.unique("train") == shards.count("train")


def test_the_same_mixture_is_the_same_stream(folder: Path) -> None:
    _, one = made(folder, "one", mix={"poems": 2, "news": 3})
    corpus, other = made(folder, "other", mix={"news": 0.6, "poems": 0.4})
    assert one.tokens("train").tolist() == other.tokens("train").tolist()
    assert corpus.manifest["mixture"][0]["source"] == "news"
    again = made(folder, "other", mix={"poems": 0.4, "news": 0.6})[1]
    assert again == other
    with pytest.raises(ConfigError, match="made otherwise") as caught:
        made(folder, "other", mix={"poems": 0.5, "news": 0.5})
    assert "mix" in str(caught.value.got)


def test_files_of_a_folder_can_have_their_own_weight(folder: Path) -> None:
    weights = {"poems": 1, "news": 1, "3.txt": 0.1}
    for file in (folder / "in" / "news").glob("3.txt"):
        file.rename(file.with_name("300.txt"))
    corpus, shards = made(folder, "own", mix=weights)
    assert {row["source"] for row in corpus.manifest["mixture"]} == set(weights)
    assert shards.manifest["made_from"]["mixture"] == {"3.txt": 0.1, "news": 1, "poems": 1}
