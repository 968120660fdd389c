"""Rungs are what training at their size gives; the suggestion is where a byte costs least."""

from __future__ import annotations

import math

import pytest
from tokenizer_examples import MORE, TEXTS

from danlu.tokenizer import train
from danlu.tokenizer.ladder import (
    MODELS,
    Rung,
    affordable,
    ladder,
    lengths,
    planned_width,
    suggest,
    suggestions,
)
from danlu.tokenizer.train import learn

RUNGS = [Rung(v, 0.3 + math.log2(v) / 4, {}) for v in (512, 1024, 2048, 4096, 8192, 16384, 32768)]


def test_rungs_are_tokenizers_of_their_size() -> None:
    learned = learn(MORE, vocab=640, strict=False)
    texts = {"en": TEXTS[:2], "zh": TEXTS[2:3]}
    rungs = ladder(learned, kind="bpe", texts=texts, sizes=(100, 300, 400, 640, 10_000))
    assert [rung.vocab for rung in rungs] == [300, 400, 640]
    for rung in rungs:
        tokenizer = train(MORE, vocab=rung.vocab)
        size, tokens = lengths(tokenizer, TEXTS[:3])
        assert rung.bytes_per_token == pytest.approx(size / tokens)
        size, tokens = lengths(tokenizer, TEXTS[2:3])
        assert rung.by_language["zh"] == pytest.approx(size / tokens)
    rates = [rung.bytes_per_token for rung in rungs]
    assert sorted(rates) == rates and set(rungs[0].by_language) == {"en", "zh"}


def test_no_text_is_no_error() -> None:
    learned = learn(MORE, vocab=320, strict=False)
    (rung,) = ladder(learned, kind="bpe", texts={"other": []}, sizes=[320])
    assert rung.bytes_per_token == 0


@pytest.mark.parametrize("parameters", [1e4, 1e6, 1e8, 1e10])
def test_the_suggestion_costs_least_a_byte(parameters: float) -> None:
    def cost(rung: Rung) -> float:
        return (parameters + rung.vocab * planned_width(parameters)) / rung.bytes_per_token

    best = next(rung for rung in RUNGS if rung.vocab == suggest(RUNGS, parameters))
    assert all(cost(best) <= cost(rung) for rung in RUNGS)


def test_larger_models_want_larger_vocabularies() -> None:
    sizes = [suggest(RUNGS, 10.0**n) for n in range(3, 12)]
    assert sizes == sorted(sizes) and sizes[0] == 512 and sizes[-1] == 32768


def test_it_grows_slower_than_the_model() -> None:
    """Tao et al. 2024: vocabulary parameters grow with the 0.83rd power of the others, below 1."""
    fine = [Rung(round(2 ** (x / 20)), 0.3 + x / 80, {}) for x in range(160, 480)]
    small, large = 1e7, 1e9
    vocabulary_weights = [suggest(fine, n) * planned_width(n) for n in (small, large)]
    power = math.log(vocabulary_weights[1] / vocabulary_weights[0]) / math.log(large / small)
    assert 0.75 < power < 1


def test_what_a_text_can_train() -> None:
    assert affordable(20_000_000, [Rung(1024, 4.0, {})]) == 250_000
    found = suggestions(RUNGS, text_bytes=4_000_000_000)
    assert found["vocab"] == suggest(RUNGS, found["parameters"])
    assert "what this text can train" in found["why"] and not found["at_the_end"]
    assert len(found["by_parameters"]) == len(MODELS)
    planned = suggestions(RUNGS, text_bytes=40_000_000, parameters=1e12)
    assert planned["at_the_end"] and planned["vocab"] == 32768 and "(planned)" in planned["why"]
