"""Cutting text into words, numbering them, thinning out and windows."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from danlu.embeddings import segment, windows, words
from danlu.errors import DataError, MissingExtra


def test_mixed_text_by_characters() -> None:
    cut = segment.segmenter("auto", han_share=0.001)
    assert cut("The “Moon”, l’eau; 明月光 3.5 naïve") == [
        *("the", "moon", "l'eau", "明", "月", "光", "3", "5", "naïve")
    ]
    assert segment.segmenter("characters", lower=False)("The Moon") == ["The", "Moon"]
    assert cut(" …!？ ") == []


def test_chinese_by_words() -> None:
    pytest.importorskip("jieba")
    cut = segment.segmenter("auto", han_share=0.9)
    assert cut("我们在北京大学学习GPT模型。") == [
        *("我们", "在", "北京大学", "学习", "gpt", "模型")
    ]


def test_jieba_is_asked_for_only_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    segment._jieba.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    segment.segmenter("auto", han_share=0.0)("English 明月")
    with pytest.raises(MissingExtra, match="jieba") as caught:
        segment.segmenter("words")
    assert "danlu[chinese]" in caught.value.fix
    segment._jieba.cache_clear()


def test_numbers_go_by_count_and_rare_words_leave_the_text() -> None:
    text = words.read(["a b b c", "", "b d a"], str.split, min_count=2)
    assert text.spellings == ("b", "a") and text.counts.tolist() == [3, 2]
    assert text.ids.tolist() == [1, 0, 0, 0, 1] and text.starts.tolist() == [0, 3, 3, 5]
    few = words.read(["a b b c", "b d a"], str.split, min_count=1, most=2)
    assert few.spellings == ("b", "a")
    with pytest.raises(DataError, match="too few words"):
        words.read(["a b"], str.split, min_count=2)
    with pytest.raises(DataError, match="too few words"):
        words.read([], str.split, min_count=1)


def test_thinning_is_that_of_word2vec() -> None:
    counts = np.array([9_000, 900, 90, 10])
    text = words.Words(tuple("abcd"), counts, np.zeros(0, np.int32), np.zeros(1, np.int64))
    share = counts / counts.sum()
    want = [min((np.sqrt(f / 0.01) + 1) * 0.01 / f, 1) for f in share]
    assert text.keep(0.01) == pytest.approx(want)
    assert (text.keep(0) == 1).all()
    assert text.noise() == pytest.approx(counts**0.75 / (counts**0.75).sum())


def test_windows_stay_in_their_document_and_shrink_evenly() -> None:
    text = words.read(["a b " * 3_000, "a b"], str.split, min_count=1)
    one = windows.draw(text, window=4, keep=np.ones(2), random=np.random.default_rng(0))
    assert len(one.ids) == 6_002 and one.left[0] == one.left[6_000] == 0
    assert one.right[5_999] == 0 and one.right[6_000] == one.left[6_001] == 1
    inner = one.left[10:5_990]
    assert (inner == one.right[10:5_990]).all()
    assert np.bincount(inner)[1:] / len(inner) == pytest.approx([0.25] * 4, abs=0.03)


def test_words_that_are_thinned_out_do_not_count_as_distance() -> None:
    text = words.read(["a x b " * 50], str.split, min_count=1)
    keep = np.where(np.array(text.spellings) == "x", 0.0, 1.0)
    one = windows.draw(text, window=1, keep=keep, random=np.random.default_rng(0))
    assert [text.spellings[i] for i in one.ids] == ["a", "b"] * 50
    assert one.pairs == 198
