"""The table of baselines, and the sentence about a result."""

import math
import re

import numpy as np
import pytest

from danlu.errors import DataError
from danlu.evaluate.baselines import SENTENCES, Baseline, baselines, verdict
from danlu.evaluate.ngram import NGram

RNG = np.random.default_rng(0)
TRAIN = np.repeat(RNG.integers(0, 6, 700), 3)[:2000]
HELD_OUT = np.repeat(RNG.integers(0, 6, 100), 3)
TABLE = [
    Baseline("uniform (ln V)", 7.0, 4.0, math.exp(7), 0.001),
    Baseline("unigram", 5.25, 3.0, math.exp(5.25), 0.05),
    Baseline("bigram", 3.5, 2.0, math.exp(3.5), 0.2),
    Baseline("Kneser-Ney 5-gram", 2.8, 1.6, math.exp(2.8), 0.3),
]


def result(bits):
    return {"loss": bits * 1.75, "bits_per_byte": bits}


def test_rows_are_the_models_on_the_same_tokens():
    rows = baselines(TRAIN, HELD_OUT, vocab_size=8, held_out_bytes=500)
    assert [r.name for r in rows] == [r.name for r in TABLE]
    assert rows[0].loss == pytest.approx(math.log(8))
    assert rows[0].accuracy == 1 / 8
    for row, order in zip(rows[1:], (1, 2, 5), strict=True):
        nll = NGram.fit(TRAIN, order=order, vocab_size=8).nll(HELD_OUT)[1:]
        assert row.loss == pytest.approx(nll.mean())
        assert row.bits_per_byte == pytest.approx(nll.sum() / math.log(2) / 500)
        assert row.perplexity == pytest.approx(math.exp(row.loss))
    assert rows[3].loss < rows[2].loss < rows[1].loss < rows[0].loss
    assert rows[3].accuracy > rows[1].accuracy


def test_uniform_bits_per_byte():
    tokens = np.array([0, *"月光".encode()])
    assert baselines(tokens, tokens, vocab_size=256, held_out_bytes=6)[0].bits_per_byte == 8


@pytest.mark.parametrize("case", [(HELD_OUT[:1], 5), (HELD_OUT, 0)])
def test_nothing_to_score(case):
    with pytest.raises(DataError, match="no held-out text"):
        baselines(TRAIN, case[0], vocab_size=8, held_out_bytes=case[1])


@pytest.mark.parametrize(
    ("bits", "english", "chinese"),
    [
        (math.nan, "Broken: the loss is not a finite", "出错了"),
        (math.inf, "Broken: the loss is not a finite", "出错了"),
        (4.2, "no better than guessing", "瞎猜"),
        (3.5, "no better than knowing how frequent", "只知道每个词元的频率"),
        (2.5, "25.0% more than the bigram (2.000)", "比二元模型（2.000）多 25.0%"),
        (1.76, "10.0% more than counting alone", "比只靠计数的Kneser-Ney 五元模型"),
        (1.6, "0.0% more than counting alone", "正常，但还不够好"),
        (1.44, "good: 1.440 bits per byte, 10.0% fewer than the Kneser-Ney 5-gram", "少 10.0%"),
        (0.2, "Too good to be true", "好得不像真的"),
    ],
)
def test_verdict(bits, english, chinese):
    assert english in verdict(result(bits), TABLE)
    assert chinese in verdict(result(bits), TABLE, lang="zh")


def test_verdict_where_the_bigram_is_the_strongest():
    tiny = [*TABLE[:3], Baseline("Kneser-Ney 5-gram", 3.6, 2.1, math.exp(3.6), 0.1)]
    assert "fewer than the bigram" in verdict(result(1.9), tiny)
    assert "more than the bigram" in verdict(result(2.05), tiny)


def test_both_languages_say_the_same_figures():
    for texts in SENTENCES.values():
        fields = [set(re.findall(r"{(\w+)", texts[lang])) for lang in ("en", "zh")]
        assert fields[0] == fields[1]
        assert "\n" not in texts["en"] + texts["zh"]
