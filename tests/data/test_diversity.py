"""Measures of diversity against their definitions, brute force and sacrebleu; and what follows."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter

import numpy as np
import pytest
import sacrebleu

from danlu.data import advice as module
from danlu.data.advice import advice, said, texts
from danlu.data.diversity import (
    Diversity,
    Shares,
    compression,
    distinct,
    heaps,
    measure,
    ngrams,
    numbered,
    shares,
    split,
)
from danlu.data.self_bleu import self_bleu, sentence_bleu
from danlu.data.topics import kmeans, topics

RNG = random.Random(0)
POEM = "春眠不觉晓处处闻啼鸟夜来风雨声花落知多少"
_WORDS = """
sea: ship sail wave harbour captain anchor storm tide deck mast
food: bread butter soup oven salt pepper onion kettle flour sugar
stars: planet orbit comet galaxy telescope moon eclipse nebula asteroid sun
chess: rook bishop pawn castle gambit queen knight checkmate opening tempo
"""
TOPICS = {n: w.split() for n, w in (line.split(": ") for line in _WORDS.strip().split("\n"))}


def story(topic: str, words: int = 40) -> str:
    return " ".join(RNG.choice(TOPICS[topic]) for _ in range(words))


def documents(count: int = 30, length: int = 25, vocabulary: int = 40) -> list[list[str]]:
    return [
        [f"w{min(int(RNG.expovariate(0.15)), vocabulary)}" for _ in range(RNG.randrange(8, length))]
        for _ in range(count)
    ]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_distinct_is_its_definition(n: int) -> None:
    some = documents()
    units, _ = numbered(some)
    grams = [tuple(d[i : i + n]) for d in some for i in range(len(d) - n + 1)]
    assert distinct(units, n) == pytest.approx(len(set(grams)) / len(grams))
    codes = ngrams(units, n)
    assert len(set(codes[codes >= 0].tolist())) == len(set(grams))


def test_distinct_does_not_fall_with_the_size_of_the_sample() -> None:
    draw = np.random.default_rng(0).zipf(1.3, 200_000) % 50_000
    small, large = distinct(draw[:40_000], 1), distinct(draw, 1)
    assert small is not None and large == pytest.approx(small, rel=0.03)
    assert distinct(np.zeros(0, dtype=np.int64), 1) is None


def test_units_of_each_document_come_back() -> None:
    some = documents(5)
    units, names = numbered(some)
    assert [len(part) for part in split(units)] == [len(d) for d in some]
    assert names == len({word for d in some for word in d})


def test_sentence_bleu_is_that_of_sacrebleu() -> None:
    some = documents(25)
    some[3] = [f"own{n}" for n in range(10)]  # nothing in common
    some[4] = some[5]
    units, _ = numbered(some)
    ours = sentence_bleu(split(units))
    judge = sacrebleu.BLEU(effective_order=True, tokenize="none")
    for at, one in enumerate(some):
        others = [" ".join(d) for n, d in enumerate(some) if n != at]
        assert 100 * ours[at] == pytest.approx(judge.sentence_score(" ".join(one), others).score)


def test_self_bleu_knows_copies_from_strangers() -> None:
    same = [np.arange(20)] * 5
    strangers = [np.arange(20) + 20 * n for n in range(5)]
    assert self_bleu(same) == pytest.approx(1)
    assert self_bleu(strangers) == 0
    assert self_bleu(same[:1]) is None
    assert self_bleu(split(numbered(documents(700))[0]), seed=1) is not None


def test_heaps_law_is_recovered() -> None:
    """Oracle: a stream whose vocabulary is K·n^β by construction."""
    k, beta, size = 3.0, 0.6, 50_000
    new = np.floor(k * np.arange(1, size + 1) ** beta)
    words = np.where(np.diff(new, prepend=0) > 0, new, 1).astype(np.int64)
    found = heaps(words)
    assert found["beta"] == pytest.approx(beta, abs=0.02)
    assert found["k"] == pytest.approx(k, rel=0.15)
    assert heaps(np.zeros(9, dtype=np.int64)) == {}


def test_compression_and_shares() -> None:
    assert compression(["a" * 10_000]) < 0.01 < 0.9 < compression([RNG.randbytes(5000).hex()]) * 2
    assert compression([]) is None
    found = shares(["a"] * 3 + [f"n{n}" for n in range(20)], [100] * 3 + [1] * 20)
    assert next(iter(found.bytes)) == "a" and found.others == 11
    portions = [300 / 320] + [1 / 320] * 20
    entropy = -sum(p * math.log(p) for p in portions)
    assert found.effective == pytest.approx(math.exp(entropy), abs=0.01)


def test_topics_are_those_that_were_planted() -> None:
    mixed = [(name, story(name)) for _ in range(60) for name in TOPICS]
    found = topics([text for _, text in mixed], k=4)
    assert found is not None and found.entropy == pytest.approx(1, abs=1e-3)
    for cluster in found.clusters:
        assert cluster.share == pytest.approx(0.25)
        assert any(set(cluster.words) <= set(words) for words in TOPICS.values())


def test_one_large_topic_lowers_the_entropy_and_is_named() -> None:
    uneven = ["sea"] * 17 + ["food", "stars", "chess"]
    found = topics([story(name, 80) for _ in range(12) for name in uneven], k=4)
    assert found is not None and found.entropy < 0.8 and found.clusters[0].share >= 0.4


def test_topics_of_chinese_text() -> None:
    moon = ["明月松间照清泉石上流", "床前明月光疑是地上霜", "举头望明月低头思故乡"]
    sea = ["黄河入海流白日依山尽", "海上生明月天涯共此时", "孤帆远影碧空尽长江天际流"]
    lines = [RNG.choice(moon if n % 2 else sea) for n in range(200)]
    found = topics(lines, k=2)
    assert found is None or all(len(word) == 2 for c in found.clusters for word in c.words)


def test_little_text() -> None:
    for few in ([], [""], ["one"], ["   "] * 50):
        found = measure(few)
        assert json.loads(json.dumps(found.as_json()))["topics"] is None
        assert advice(None, found)


def test_kmeans_finds_far_groups() -> None:
    centres = np.float32([[0, 0], [50, 0], [0, 50]])
    noise = np.random.default_rng(0).standard_normal((300, 2), dtype=np.float32)
    labels = kmeans(np.repeat(centres, 100, axis=0) + noise, 3)
    assert [len(set(labels[at : at + 100])) for at in (0, 100, 200)] == [1, 1, 1]
    assert len(set(labels)) == 3
    assert len(set(kmeans(np.zeros((9, 2), dtype=np.float32), 3))) == 1


def test_measure_is_deterministic_and_its_json_is_plain() -> None:
    some = [story(name) for name in TOPICS for _ in range(20)]
    names = [name for name in TOPICS for _ in range(20)]
    found = measure(some, sources=names, languages=["en"] * 80)
    assert found == measure(some, sources=names, languages=["en"] * 80)
    value = json.loads(json.dumps(found.as_json()))
    assert value["languages"] == {"bytes": {"en": 1.0}, "others": 0, "effective": 1.0}
    assert value["sources"]["effective"] == pytest.approx(4, abs=0.05)
    assert value["documents"] == 80 and value["distinct"]["1"] < value["distinct"]["2"]


def test_characters_are_the_units_of_chinese_text() -> None:
    lines = ["".join(RNG.choices(POEM, k=100)) for _ in range(40)]
    found = measure(lines)
    assert found.unit == "characters" and found.vocabulary["words"] == 19
    assert found.vocabulary["beta"] < 0.1
    assert not {"few_words", "short"} & set(keys(None, found))
    assert measure([story("sea")]).unit == "words"


def test_copies_lower_every_measure() -> None:
    varied = [" ".join(d) for d in documents(200, 60, 4000)]
    copied = varied[:20] * 10
    one, two = measure(varied), measure(copied)
    assert two.distinct["3"] < one.distinct["3"]
    assert two.self_bleu > one.self_bleu
    assert two.compression < one.compression


def keys(*args) -> list[str]:
    return [item.key for item in advice(*args)]


def test_advice_says_what_the_figures_show_and_nothing_else() -> None:
    even = [story(name, 60) for _ in range(30) for name in TOPICS]
    good = measure(even, sources=[f"s{n % 9}" for n in range(len(even))])
    assert "one_source" not in keys(good, good, {})
    lone = measure(even, sources=["wiki.jsonl"] * 100 + ["x"] * 20)
    first = advice(None, lone)[0]
    assert first.key == "one_source" and first.values["source"] == "wiki.jsonl"
    assert "83%" in said(first.as_json()) and "83%" in said(first.as_json(), "zh")
    removed = {"near-duplicate": 0.12, "duplicate": 0.25, "too short": 0.4, "repetitive": 0.01}
    assert {"near", "exact", "one_rule"} <= set(keys(good, good, removed))
    assert not {"near", "exact", "one_rule"} & set(keys(good, good, {"near-duplicate": 0.02}))
    tongues = measure(even, languages=["en"] * 119 + ["zh"])
    assert "rare_language" in keys(None, tongues)
    assert "alike" in keys(None, measure([story("sea")] * 30))


def test_nothing_to_say() -> None:
    words = [f"w{n}" for n in range(30_000)]
    texts_ = [" ".join(RNG.sample(words, 200)) for _ in range(100)]
    found = measure(texts_, sources=[str(n % 20) for n in range(100)])
    assert keys(found, found, {}) == ["fine"]


def test_both_languages_have_all_advice_with_the_same_values() -> None:
    english, chinese = texts("en"), texts("zh")
    assert english.keys() == chinese.keys()
    for key in english:
        fields = [Counter(re.findall(r"\{\w+\}", table[key])) for table in (english, chinese)]
        assert fields[0] == fields[1], key
    source = open(module.__file__, encoding="utf-8").read()  # noqa: PTH123, SIM115
    used = set(re.findall(r'Advice\(\s*"(\w+)"', source))
    assert used == english.keys()


def test_values_are_never_read_as_texts() -> None:
    item = {"key": "one_source", "values": {"share": "91%", "source": "{share}<b>"}}
    assert "({share}<b>)" in said(item)
    assert said({"key": "no such"}) == ""
    assert Shares({}, 0, 1.0) == shares([], [])


def test_json_and_back() -> None:
    made = [f"{a} {b} river stone water" for a in ("red", "green") for b in map(str, range(40))]
    whole = measure(made, sources=["a"] * 80, languages=["en"] * 80)
    assert Diversity.from_json(json.loads(json.dumps(whole.as_json()))) == whole
    empty = measure([])
    assert Diversity.from_json(json.loads(json.dumps(empty.as_json()))) == empty
