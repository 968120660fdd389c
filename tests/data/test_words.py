"""Frequent words: found where spaces mark them, and where nothing does."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from danlu.data import labelled as module
from danlu.data import prepare
from danlu.data.labelled import frequent_words, labelled
from danlu.data.settings import PrepareSettings
from danlu.data.words import _entropy, _information, _strings, han_words, spaced_words

WORDS = ["明月", "故鄉", "長安", "白雲", "葡萄酒", "黃鶴樓"]
SINGLE = "去來見有無上下人天心中不"


def verses(count: int = 400, seed: int = 0) -> list[str]:
    """Lines of words and single characters in random order, without spaces."""
    rng = random.Random(seed)
    return ["".join(rng.choices([*WORDS, *SINGLE], k=8)) + "。" for _ in range(count)]


def test_words_are_found_without_spaces() -> None:
    found = han_words(verses())
    assert set(found) == set(WORDS), "all of them, and nothing that only looks like one"
    counts = [sum(verse.count(word) for verse in verses()) for word in found]
    assert counts == sorted(counts, reverse=True)
    assert han_words(verses(), most=2) == found[:2]
    assert han_words(verses()[::-1]) == found


def test_no_words_in_random_characters() -> None:
    rng = random.Random(1)
    assert han_words("".join(rng.choices(SINGLE, k=200)) for _ in range(40)) == []
    assert han_words(["moon " * 99]) == [] and han_words([]) == []


def test_information_is_that_of_the_weakest_joint() -> None:
    counts = _strings(verses())
    total = sum(n for string, n in counts.items() if len(string) == 1)
    joint = counts["黃鶴樓"] * total
    weakest = min(
        math.log2(joint / (counts["黃"] * counts["鶴樓"])),
        math.log2(joint / (counts["黃鶴"] * counts["樓"])),
    )
    assert _information("黃鶴樓", counts, total) == pytest.approx(weakest)
    assert _entropy([3, 3, 3]) == pytest.approx(math.log2(3)) and _entropy([]) == 0


def test_words_between_spaces() -> None:
    texts = ["The moon, the moon; the a MOON2 (sun) don't x_y naïve", "the 明月"]
    assert spaced_words(texts)[:2] == [" the", " moon"]
    assert " naïve" in spaced_words(texts)
    assert not {" a", " MOON", " x", " don", " sun"} & set(spaced_words(texts))


def test_languages_of_a_corpus(tmp_path: Path) -> None:
    for number, verse in enumerate(verses(60)):
        (tmp_path / f"{number}.txt").write_text(f"{verse}{verse[::-1]}" * 3, encoding="utf-8")
    for number in range(20):
        (tmp_path / f"en{number}.txt").write_text(f"{number} the moon and the sun. " * 4)
    settings = PrepareSettings(steps=("repair",))
    corpus = prepare.prepare([tmp_path], tmp_path.parent / "words-corpus", settings)
    rows = list(labelled(corpus, "train"))
    assert [text for _, text in rows] == [d.text for d in corpus.documents("train")]
    assert {language for language, _ in rows} == {"zh", "other"}
    assert all((language == "zh") == ("。" in text) for language, text in rows)


def test_each_language_has_its_way() -> None:
    rows = [*(("zh-Hant", verse) for verse in verses()), ("en", "the moon the"), ("xx", "。")]
    found = frequent_words(rows)
    assert set(found) == {"zh-Hant", "en"} and set(found["zh-Hant"]) == set(WORDS)
    assert found["en"] == [" the"] or found["en"][0] == " the"
    assert module.CHINESE
